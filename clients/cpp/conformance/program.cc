// The C++ client's program for the conformance cases: see tests/conformance/README.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "quickthorn/client.h"
#include "quickthorn/v1/admin.pb.h"
#include "quickthorn/v1/record.pb.h"

namespace {

namespace v1 = quickthorn::v1;
using Clock = std::chrono::steady_clock;
using google::protobuf::Message;
using google::protobuf::Struct;
using google::protobuf::Value;
using std::chrono::milliseconds;

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string Encoded(const std::string& data) {
  std::string text;
  for (std::size_t at = 0; at < data.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, data.size() - at);
    unsigned bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < count ? static_cast<unsigned char>(data[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) text += i <= count ? kDigits[bits >> (18 - 6 * i) & 63U] : '=';
  }
  return text;
}

std::string Decoded(const std::string& text) {
  static const std::string digits = kDigits;
  std::string data;
  unsigned bits = 0;
  int held = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<unsigned>(digits.find(c));
    if ((held += 6) >= 8) data += static_cast<char>(bits >> (held -= 8) & 255U);
  }
  return data;
}

/// A case: its keys, absent ones told from others.
class Case {
 public:
  explicit Case(const Struct& line) : fields_(line.fields()) {}
  bool has(const std::string& key) const { return fields_.count(key) != 0; }
  const std::string& text(const std::string& key) const { return value(key).string_value(); }
  double number(const std::string& key) const { return value(key).number_value(); }
  milliseconds wait(const std::string& key) const { return milliseconds(static_cast<std::int64_t>(number(key))); }
  Case inner(const std::string& key) const { return Case(value(key).struct_value()); }
  const google::protobuf::Map<std::string, Value>& all() const { return fields_; }
  template <class Request>
  Request request() const {
    Request request;
    if (!request.ParseFromString(Decoded(text("request")))) throw std::runtime_error("the request is no message");
    return request;
  }

 private:
  const Value& value(const std::string& key) const {
    const auto found = fields_.find(key);
    return found == fields_.end() ? Value::default_instance() : found->second;
  }
  google::protobuf::Map<std::string, Value> fields_;
};

/// A result, as it grows.
class Result {
 public:
  void Put(const std::string& key, const std::string& text) { field(key).set_string_value(text); }
  void Put(const std::string& key, const Message& message) { Put(key, Encoded(message.SerializeAsString())); }
  void Put(const std::string& key, double number) { field(key).set_number_value(number); }
  void Set(const std::string& key, bool truth) { field(key).set_bool_value(truth); }
  void Put(const std::string& key, const Result& inner) { *field(key).mutable_struct_value() = inner.fields_; }
  void Begin(const std::string& list) { field(list).mutable_list_value(); }
  void Add(const std::string& list, const std::string& text) {
    field(list).mutable_list_value()->add_values()->set_string_value(text);
  }
  std::string Line() const {
    std::string line;
    const auto status = google::protobuf::util::MessageToJsonString(fields_, &line);
    if (!status.ok()) throw std::runtime_error("the result is no JSON");
    return line;
  }

 private:
  Value& field(const std::string& key) { return (*fields_.mutable_fields())[key]; }
  Struct fields_;
};

/// Cancels a call some time after it was made, unless this has ended by then.
class Later {
 public:
  Later(const Case& given, const quickthorn::Cancellation& cancellation) {
    if (!given.has("cancel_after_ms")) return;
    thread_ = std::thread([this, cancellation, wait = given.wait("cancel_after_ms")] {
      std::unique_lock lock(mutex_);
      if (!over_.wait_for(lock, wait, [this] { return ended_; })) cancellation.Cancel();
    });
  }
  ~Later() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    over_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  bool ended_ = false;
  std::thread thread_;
};

quickthorn::Client ClientOf(const Case& given) {
  quickthorn::Options options;
  options.api_key = given.text("api_key");
  if (given.has("tls")) {
    const Case files = given.inner("tls");
    options.tls = quickthorn::Tls{files.text("ca"), files.text("cert"), files.text("key"), ""};
  }
  return quickthorn::Client(given.text("target"), options);
}

quickthorn::CallOptions OptionsOf(const Case& given, const quickthorn::Cancellation& cancellation) {
  quickthorn::CallOptions options;
  options.cancellation = cancellation;
  if (given.has("timeout_ms")) options.timeout = given.wait("timeout_ms");
  const Case metadata = given.inner("metadata");
  for (const auto& [key, value] : metadata.all()) options.metadata.emplace(key, value.string_value());
  return options;
}

void Unary(quickthorn::Client& client, const Case& given, const quickthorn::CallOptions& options, Result& result) {
  const std::string call = given.text("call");
  if (call == "complete") result.Put("response", client.Complete(given.request<v1::CompletionRequest>(), options));
  if (call == "explain") result.Put("response", client.Explain(given.request<v1::CompletionRequest>(), options));
  if (call == "embed") result.Put("response", client.Embed(given.request<v1::EmbedRequest>(), options));
  if (call == "list_routes") result.Put("response", client.ListRoutes(options));
}

/// Cancels by destroying the stream, as leaving a scope does.
void Streamed(quickthorn::Client& client, const Case& given, const quickthorn::CallOptions& options, Result& result) {
  result.Begin("events");
  auto stream = client.Stream(given.request<v1::CompletionRequest>(), options);
  const bool leaves = given.has("cancel_after_events");
  int count = 0;
  while (!leaves || count < given.number("cancel_after_events")) {
    std::this_thread::sleep_for(given.wait("pause_ms"));
    const auto event = stream.Next();
    if (!event) {
      result.Put("folded", stream.Fold());
      return;
    }
    result.Add("events", Encoded(event->SerializeAsString()));
    ++count;
  }
  result.Set("cancelled", true);
}

Result Told(const quickthorn::Error& error) {
  Result said;
  said.Put("code", std::string(quickthorn::Name(error.code)));
  said.Put("reason", error.reason);
  said.Put("message", error.message);
  said.Set("from_server", error.from_server);
  if (error.retry_delay) said.Put("retry_delay_ms", static_cast<double>(error.retry_delay->count()));
  said.Put("attempts", error.failure ? error.failure->attempts_size() : 0.0);
  said.Begin("fields");
  for (const auto& violation : error.field_violations) said.Add("fields", violation.field);
  said.Put("request_id", error.request_id);
  return said;
}

void Call(const Case& given, Result& result) {
  const quickthorn::Cancellation cancellation;
  try {
    auto client = ClientOf(given);
    const auto options = OptionsOf(given, cancellation);
    const Later later(given, cancellation);
    (given.text("call") == "stream" ? Streamed : Unary)(client, given, options, result);
  } catch (const quickthorn::Error& error) {
    if (cancellation.cancelled() && error.code == grpc::StatusCode::CANCELLED) {
      result.Set("cancelled", true);
    } else {
      result.Put("error", Told(error));
    }
  }
}

void Decode(const Case& given, Result& result) {
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(given.text("type"));
  if (type == nullptr) throw std::runtime_error("there is no " + given.text("type"));
  const Message& prototype = *google::protobuf::MessageFactory::generated_factory()->GetPrototype(type);
  const std::unique_ptr<Message> message(prototype.New());
  if (!message->ParseFromString(Decoded(given.text("data")))) throw std::runtime_error("it cannot be decoded");
  result.Put("response", *message);
}

}  // namespace

int main() {
  v1::AdminEvent::descriptor();  // what no call needs is linked all the same
  v1::DecisionRecord::descriptor();
  for (std::string line; std::getline(std::cin, line);) {
    Struct read;
    if (!google::protobuf::util::JsonStringToMessage(line, &read).ok()) return 1;
    const Case given(read);
    Result result;
    result.Put("id", given.text("id"));
    const auto began = Clock::now();
    (given.text("call") == "decode" ? Decode : Call)(given, result);
    result.Put("elapsed_ms", std::chrono::duration<double, std::milli>(Clock::now() - began).count());
    std::cout << result.Line() << std::endl;
  }
}
