#include "quickthorn/error.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <google/protobuf/any.pb.h>

#include "failed.h"
#include "quickthorn/client/status.pb.h"

namespace quickthorn {
namespace {

constexpr char kDomain[] = "quickthorn";
constexpr std::int64_t kLongest = 315576000000;  // seconds: the most that a google.protobuf.Duration may hold

template <class Detail>
std::optional<Detail> Find(const client::Status& status, const std::string& type) {
  for (const auto& any : status.details()) {
    const std::string& url = any.type_url();
    if (url.size() <= type.size() || url.compare(url.size() - type.size() - 1, std::string::npos, "/" + type)) continue;
    Detail detail;
    if (!detail.ParseFromString(any.value())) return std::nullopt;
    return detail;
  }
  return std::nullopt;
}

/// Rounded up, so that nobody asks too early.
std::chrono::milliseconds Wait(const google::protobuf::Duration& wait) {
  const auto seconds = std::min(std::max<std::int64_t>(wait.seconds(), 0), kLongest);
  return std::chrono::seconds(seconds) +
         std::chrono::ceil<std::chrono::milliseconds>(std::chrono::nanoseconds(std::max(wait.nanos(), 0)));
}

}  // namespace

Error::Error(grpc::StatusCode code, const std::string& message, const std::string& reason)
    : std::runtime_error(Name(code) + (reason.empty() ? "" : " " + reason) + ": " + message),
      code(code),
      reason(reason),
      message(message) {}

Error Failed(const grpc::Status& status, const grpc::ClientContext& context) {
  // Only details with our domain count as the server's word: a proxy may write anything.
  client::Status details;
  if (!details.ParseFromString(status.error_details())) details.Clear();
  const auto info = Find<client::ErrorInfo>(details, "google.rpc.ErrorInfo");
  const bool ours = info && info->domain() == kDomain;
  const std::string message = status.error_message();
  Error error(status.error_code(), message.empty() ? "no details were given" : message, ours ? info->reason() : "");
  error.from_server = ours;
  if (ours) error.info.insert(info->metadata().begin(), info->metadata().end());
  if (const auto retry = Find<client::RetryInfo>(details, "google.rpc.RetryInfo")) {
    error.retry_delay = Wait(retry->retry_delay());
  }
  if (const auto request = Find<client::BadRequest>(details, "google.rpc.BadRequest")) {
    for (const auto& each : request->field_violations()) {
      error.field_violations.push_back({each.field(), each.description()});
    }
  }
  error.failure = Find<v1::RouteFailure>(details, "quickthorn.v1.RouteFailure");
  const auto& headers = context.GetServerInitialMetadata();
  if (error.failure) {
    error.request_id = error.failure->request_id();
  } else if (const auto found = headers.find("quickthorn-request-id"); found != headers.end()) {
    error.request_id.assign(found->second.data(), found->second.size());
  }
  return error;
}

Error Cut() {
  return Error(grpc::StatusCode::UNAVAILABLE, "the stream ended without `finished`: what came is not the whole answer",
               kStreamCut);
}

const char* Name(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {
      "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
      "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
      "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"};
  return code >= 0 && code <= grpc::StatusCode::UNAUTHENTICATED ? kNames[code] : "UNKNOWN";
}

}  // namespace quickthorn
