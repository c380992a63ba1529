// The one exception of this library.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <grpcpp/support/status.h>

#include "quickthorn/v1/failure.pb.h"

namespace quickthorn {

/// The one reason that this library gives itself: a stream ended without its `finished` event.
inline constexpr char kStreamCut[] = "STREAM_CUT";

/// A field of the request that is wrong.
struct FieldViolation {
  std::string field;
  std::string description;
};

/// A call failed. Everything that can be known about it is here; what() puts code, reason and message together.
struct Error : std::runtime_error {
  Error(grpc::StatusCode code, const std::string& message, const std::string& reason = "");

  grpc::StatusCode code;
  /// A quickthorn.v1.Reason without its prefix, kStreamCut, or "" where nobody gave a reason.
  std::string reason;
  /// What happened, in words; not to be parsed.
  std::string message;
  /// True: a Quickthorn server said it, in its own details. False: this side inferred it, or a proxy or gRPC said it.
  bool from_server = false;
  /// Facts that belong to the reason, such as why each backend was dropped.
  std::map<std::string, std::string> info;
  /// How long to wait before asking again. Absent: waiting is not known to help.
  std::optional<std::chrono::milliseconds> retry_delay;
  std::vector<FieldViolation> field_violations;
  /// What the call had done before it failed: attempts, usage, cost, bytes delivered. Absent: the server did not say.
  std::optional<v1::RouteFailure> failure;
  /// What operators search their logs for. "" = unknown.
  std::string request_id;
};

/// The code's name, such as "UNAVAILABLE".
const char* Name(grpc::StatusCode code);

}  // namespace quickthorn
