// The C++ client of Quickthorn. Every call that fails throws quickthorn::Error, and nothing else.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "quickthorn/error.h"
#include "quickthorn/fold.h"
#include "quickthorn/v1/routing_service.grpc.pb.h"

namespace quickthorn {

inline constexpr char kDefaultTarget[] = "127.0.0.1:50051";

/// How to speak TLS. Certificates and keys are PEM text, or the path of a file with it.
struct Tls {
  /// Whom to trust. "" = the roots that gRPC finds on this machine.
  std::string ca;
  /// Who we are: both or neither.
  std::string cert;
  std::string key;
  /// The name to expect in the server's certificate. "" = the target's.
  std::string server_name;
};

/// How a client connects. C++20 may name the members: `{.api_key = key}`.
struct Options {
  /// Sent as `authorization: Bearer`; without TLS in clear text. "" = none.
  std::string api_key;
  /// Absent: clear text, or for https://... TLS with the roots that gRPC finds.
  std::optional<Tls> tls;
  /// The deadline of calls that have none of their own. milliseconds::max() = none at all.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
};

/// Cancels calls from another thread. Copies are one switch; it stays cancelled, so calls made later fail at once.
class Cancellation {
 public:
  Cancellation();
  void Cancel() const;
  bool cancelled() const;

 private:
  friend class Watched;
  struct State;
  std::shared_ptr<State> state_;
};

/// What one call has of its own.
struct CallOptions {
  /// Absent: the client's.
  std::optional<std::chrono::milliseconds> timeout;
  /// More headers, in lower case.
  std::multimap<std::string, std::string> metadata;
  /// Who else may cancel the call.
  std::optional<Cancellation> cancellation;
};

/// A streamed answer. Destroying it cancels what is not finished: the server closes its connections to providers.
class Stream {
 public:
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();

  /// Waits for the next event; nothing = the answer is whole. Throws Error if the call failed, was cancelled, or ended
  /// without `finished` (reason kStreamCut). One thread at a time.
  std::optional<v1::CompletionEvent> Next();
  /// Reads what is left and returns the whole answer, what had been read before included. Throws as Next.
  v1::Completion Fold();
  /// Cancels the call; may be called from any thread, again, and after the end. Next then throws CANCELLED.
  void Cancel();

 private:
  friend class Client;
  struct State;
  explicit Stream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Calls Quickthorn. May be shared by threads; makes one connection for all of its calls, when the first is made.
class Client {
 public:
  /// A target is `host:port` (clear text unless options.tls is there), `http://host:port` (clear text),
  /// `https://host:port` (TLS), or a name in one of gRPC's own schemes, such as `unix:/path`. Throws Error with
  /// INVALID_ARGUMENT for what cannot work.
  explicit Client(const std::string& target = kDefaultTarget, Options options = {});

  v1::Completion Complete(const v1::CompletionRequest& request, const CallOptions& options = {});
  /// Makes the call and does not wait for anything.
  quickthorn::Stream Stream(const v1::CompletionRequest& request, const CallOptions& options = {});
  v1::Explanation Explain(const v1::CompletionRequest& request, const CallOptions& options = {});
  v1::EmbedResponse Embed(const v1::EmbedRequest& request, const CallOptions& options = {});
  v1::ListRoutesResponse ListRoutes(const CallOptions& options = {});

 private:
  Options options_;
  std::unique_ptr<v1::Routing::Stub> stub_;
};

}  // namespace quickthorn
