// One streamed call.
#pragma once

#include <memory>
#include <optional>

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>

#include "call.h"
#include "quickthorn/client.h"

namespace quickthorn {

/// The call, with a queue of its own: gRPC's blocking reader would wait for the connection before it can be cancelled.
/// One operation is under way at a time.
struct Stream::State {
  State(v1::Routing::Stub& stub, const v1::CompletionRequest& request, const Options& client, const CallOptions& call);
  ~State();

  /// Waits for the operation under way; whether it did what it was to do.
  bool Wait();
  /// Waits for the call's end and remembers how it ended.
  void End();

  grpc::ClientContext context;
  std::optional<Watched> watched;
  grpc::CompletionQueue queue;
  std::unique_ptr<grpc::ClientAsyncReader<v1::CompletionEvent>> reader;
  bool started = false;
  bool ended = false;
  std::optional<Error> error;
  Folding folding;
};

}  // namespace quickthorn
