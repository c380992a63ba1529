// What the conformance cases do not show: a server that says odd things, and what the helper refuses.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "quickthorn/client.h"
#include "quickthorn/client/status.pb.h"

namespace {

namespace v1 = quickthorn::v1;
using quickthorn::Error;
using std::chrono::milliseconds;
using Events = std::vector<v1::CompletionEvent>;

int faults = 0;

void Check(bool holds, const char* what, int line) {
  if (holds) return;
  std::cerr << "client_test.cc:" << line << ": not so: " << what << '\n';
  ++faults;
}
#define CHECK_THAT(condition) Check((condition), #condition, __LINE__)

/// Says what it is told to, and remembers the headers of Complete.
class Fake final : public v1::Routing::Service {
 public:
  using Headers = std::multimap<std::string, std::string>;

  grpc::Status Complete(grpc::ServerContext* context, const v1::CompletionRequest*, v1::Completion*) override {
    context->AddInitialMetadata("quickthorn-request-id", "by-header");
    for (const auto& [key, value] : context->client_metadata()) {
      headers.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
    }
    return status;
  }
  grpc::Status StreamComplete(grpc::ServerContext* context, const v1::CompletionRequest*,
                              grpc::ServerWriter<v1::CompletionEvent>* writer) override {
    for (const auto& event : events) writer->Write(event);
    while (waits && !context->IsCancelled()) std::this_thread::sleep_for(milliseconds(1));
    return status;
  }

  grpc::Status status;
  Events events;
  std::atomic<bool> waits = false;
  Headers headers;
};

template <class Detail>
void Pack(quickthorn::client::Status& status, const std::string& type, const Detail& detail) {
  auto* any = status.add_details();
  any->set_type_url("type.googleapis.com/" + type);
  any->set_value(detail.SerializeAsString());
}

std::optional<Error> Caught(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

v1::CompletionEvent Text(const std::string& text) {
  v1::CompletionEvent event;
  event.mutable_text()->set_text(text);
  return event;
}

v1::CompletionEvent Finished() {
  v1::CompletionEvent event;
  event.mutable_finished()->set_finish_reason(v1::FINISH_REASON_STOP);
  return event;
}

void PartsThatComeLate() {
  v1::CompletionEvent first, second, whole;
  first.mutable_part()->mutable_value()->add_citations()->set_uri("one");
  first.mutable_part()->mutable_value()->mutable_opaque()->set_data("old");
  second.mutable_part()->mutable_value()->add_citations()->set_uri("two");
  second.mutable_part()->mutable_value()->mutable_opaque()->set_item_id("new");
  whole.mutable_part()->set_part(1);
  whole.mutable_part()->mutable_value()->mutable_image()->set_uri("three");
  const auto folded = quickthorn::Fold(Events{Text("a"), whole, first, Text("b"), second, Finished()});
  const auto& parts = folded.message().parts();
  CHECK_THAT(folded.message().role() == v1::ROLE_ASSISTANT && parts.size() == 2);
  CHECK_THAT(parts[0].text() == "ab" && quickthorn::Text(folded) == "ab");
  CHECK_THAT(parts[0].citations_size() == 2 && parts[0].citations(1).uri() == "two");
  CHECK_THAT(parts[0].opaque().item_id() == "new" && parts[0].opaque().data().empty());
  CHECK_THAT(parts[1].image().uri() == "three");
}

void WhatErrorsSay(Fake& fake, quickthorn::Client& client) {
  quickthorn::client::ErrorInfo info;
  info.set_reason("ALL_FAILED");
  info.set_domain("somebody.else");
  quickthorn::client::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(1);
  quickthorn::client::Status details;
  Pack(details, "google.rpc.ErrorInfo", info);
  Pack(details, "google.rpc.RetryInfo", retry);
  details.add_details()->set_type_url("type.googleapis.com/quickthorn.v1.RouteFailure");
  details.mutable_details(2)->set_value("\xff\xff");
  fake.status = {grpc::StatusCode::UNAVAILABLE, "no", details.SerializeAsString()};
  auto error = Caught([&] { client.Complete({}); });
  CHECK_THAT(error && !error->from_server && error->reason.empty() && error->info.empty());
  CHECK_THAT(error && error->retry_delay == milliseconds(1001) && !error->failure);
  CHECK_THAT(error && error->request_id == "by-header" && std::string(error->what()) == "UNAVAILABLE: no");

  info.set_domain("quickthorn");
  (*info.mutable_metadata())["fast"] = "lacks vision";
  retry.mutable_retry_delay()->set_seconds(std::numeric_limits<std::int64_t>::max());
  details.Clear();
  Pack(details, "google.rpc.ErrorInfo", info);
  Pack(details, "google.rpc.RetryInfo", retry);
  fake.status = {grpc::StatusCode::UNAVAILABLE, "", details.SerializeAsString()};
  error = Caught([&] { client.Stream({}).Fold(); });
  CHECK_THAT(error && error->from_server && error->reason == "ALL_FAILED" && error->info["fast"] == "lacks vision");
  CHECK_THAT(error && error->retry_delay > std::chrono::hours(24) && error->message == "no details were given");
}

void HowStreamsEnd(Fake& fake, quickthorn::Client& client) {
  fake.events = {Text("a"), Finished()};
  fake.status = {grpc::StatusCode::UNAVAILABLE, "too late"};
  auto whole = client.Stream({});
  CHECK_THAT(quickthorn::Text(whole.Fold()) == "a");  // the answer is whole, whatever its trailers say
  CHECK_THAT(!whole.Next() && quickthorn::Text(whole.Fold()) == "a");

  fake.events = {Text("a")};
  auto broken = client.Stream({});
  CHECK_THAT(broken.Next().has_value());
  for (int again = 0; again < 2; ++again) {
    const auto error = Caught([&] { broken.Next(); });
    CHECK_THAT(error && error->message == "too late");
  }

  fake.status = grpc::Status::OK;
  auto cut = client.Stream({});
  CHECK_THAT(cut.Next().has_value());
  const auto end = Caught([&] { cut.Next(); });
  CHECK_THAT(end && end->reason == quickthorn::kStreamCut && end->code == grpc::StatusCode::UNAVAILABLE);

  fake.waits = true;
  auto stopped = client.Stream({});
  CHECK_THAT(stopped.Next().has_value());
  std::thread button([&] { stopped.Cancel(); });
  const auto error = Caught([&] { stopped.Next(); });
  button.join();
  CHECK_THAT(error && error->code == grpc::StatusCode::CANCELLED && !error->from_server);

  auto dropped = client.Stream({});
  dropped = client.Stream({});  // what is assigned over is cancelled
  quickthorn::CallOptions options;
  options.cancellation = quickthorn::Cancellation();
  options.cancellation->Cancel();
  const auto early = Caught([&] { client.Stream({}, options).Next(); });
  CHECK_THAT(early && early->code == grpc::StatusCode::CANCELLED);
  fake.waits = false;
}

void WhatIsSent(Fake& fake, const std::string& target) {
  fake.headers.clear();
  quickthorn::Options options;
  options.api_key = "key-1";
  quickthorn::Client client(target, options);
  v1::CompletionRequest request;
  request.set_request_id("r-1");
  quickthorn::CallOptions call;
  call.timeout = milliseconds::max();
  call.metadata = {{"x-more", "yes"}};
  Caught([&] { client.Complete(request, call); });
  const auto sent = [&](const std::string& key) {
    const auto found = fake.headers.find(key);
    return found == fake.headers.end() ? std::string() : found->second;
  };
  CHECK_THAT(sent("authorization") == "Bearer key-1" && sent("quickthorn-request-id") == "r-1");
  CHECK_THAT(sent("x-more") == "yes");
  CHECK_THAT(sent("user-agent").rfind("quickthorn-cpp/0.1.0 ", 0) == 0);
  for (const Fake::Headers& wrong : {Fake::Headers{{"X-Upper", "a"}}, {{"x-line", "a\nb"}}, {{"", "a"}}}) {
    call.metadata = wrong;
    const auto error = Caught([&] { client.Complete(request, call); });
    CHECK_THAT(error && error->code == grpc::StatusCode::INVALID_ARGUMENT);
  }
}

void WhatIsRefused() {
  quickthorn::Options keyed, tls, half, missing;
  keyed.api_key = "secret\n";
  tls.tls = quickthorn::Tls{};
  half.tls = quickthorn::Tls{"", "-----BEGIN", "", ""};
  missing.tls = quickthorn::Tls{"/nowhere/ca.pem", "", "", ""};
  const std::vector<std::tuple<std::string, quickthorn::Options, std::string>> cases = {
      {"localhost", {}, "use \"localhost:50051\""}, {"", {}, "use \"127.0.0.1:50051\""},
      {"https://localhost/", {}, "no port"},        {"ftp://localhost:1", {}, "but ftp://"},
      {"http://localhost:1", tls, "use \"https://localhost:1\""}, {"https://localhost:1", half, "both cert and key"},
      {"localhost:1", missing, "/nowhere/ca.pem"},  {"localhost:1", keyed, "api_key"},
  };
  for (const auto& [target, options, words] : cases) {
    const auto error = Caught([&, t = target, o = options] { quickthorn::Client client(t, o); });
    CHECK_THAT(error && error->code == grpc::StatusCode::INVALID_ARGUMENT && !error->from_server);
    CHECK_THAT(error && error->message.find(words) != std::string::npos);
    CHECK_THAT(error && error->message.find("secret") == std::string::npos);
  }
  for (const char* target : {"unix:/tmp/x", "dns:///localhost:1", "HTTPS://localhost:1/", "[::1]:1"}) {
    CHECK_THAT(!Caught([&] { quickthorn::Client client(target); }));
  }
}

}  // namespace

int main() {
  setenv("http_proxy", "http://127.0.0.1:9", 1);  // calls to this machine do not go there
  Fake fake;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&fake);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const std::string target = "127.0.0.1:" + std::to_string(port);
  quickthorn::Client client(target);

  PartsThatComeLate();
  WhatErrorsSay(fake, client);
  HowStreamsEnd(fake, client);
  WhatIsSent(fake, target);
  WhatIsRefused();
  server->Shutdown(std::chrono::system_clock::now());
  std::cerr << (faults ? "failed\n" : "all as it should be\n");
  return faults ? 1 : 0;
}
