#include "quickthorn/client.h"

#include <mutex>
#include <set>
#include <utility>

#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>

#include "call.h"
#include "connection.h"
#include "failed.h"
#include "stream.h"

namespace quickthorn {
namespace {

/// gRPC ends the process over a header that it cannot send.
bool IsHeader(const std::string& key, const std::string& value) {
  const grpc_slice name = grpc_slice_from_static_buffer(key.data(), key.size());
  const grpc_slice text = grpc_slice_from_static_buffer(value.data(), value.size());
  return grpc_header_key_is_legal(name) != 0 &&
         (grpc_is_binary_header(name) != 0 || grpc_header_nonbin_value_is_legal(text) != 0);
}

template <class Request, class Response>
using Method = grpc::Status (v1::Routing::Stub::*)(grpc::ClientContext*, const Request&, Response*);

template <class Request, class Response>
Response Called(v1::Routing::Stub& stub, Method<Request, Response> method, const Request& request,
                const Options& client, const CallOptions& call, const std::string& request_id) {
  grpc::ClientContext context;
  Prepare(context, client, call, request_id);
  const Watched watched(call.cancellation, context);
  Response response;
  if (const grpc::Status status = (stub.*method)(&context, request, &response); !status.ok()) {
    throw Failed(status, context);
  }
  return response;
}

}  // namespace

struct Cancellation::State {
  std::mutex mutex;
  bool cancelled = false;
  std::set<grpc::ClientContext*> calls;
};

Cancellation::Cancellation() : state_(std::make_shared<State>()) {}

void Cancellation::Cancel() const {
  const std::lock_guard lock(state_->mutex);
  state_->cancelled = true;
  for (grpc::ClientContext* call : state_->calls) call->TryCancel();
}

bool Cancellation::cancelled() const {
  const std::lock_guard lock(state_->mutex);
  return state_->cancelled;
}

Watched::Watched(const std::optional<Cancellation>& cancellation, grpc::ClientContext& context)
    : state_(cancellation ? cancellation->state_ : nullptr), context_(context) {
  if (!state_) return;
  const std::lock_guard lock(state_->mutex);
  state_->calls.insert(&context_);
  if (state_->cancelled) context_.TryCancel();  // before the call is made: gRPC remembers
}

Watched::~Watched() {
  if (!state_) return;
  const std::lock_guard lock(state_->mutex);
  state_->calls.erase(&context_);
}

void Prepare(grpc::ClientContext& context, const Options& client, const CallOptions& call,
             const std::string& request_id) {
  // gRPC's own clock and sum: it is steady, and any number of milliseconds fits.
  const auto timeout = gpr_time_from_millis(call.timeout.value_or(client.timeout).count(), GPR_TIMESPAN);
  context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), timeout));
  for (const auto& [key, value] : call.metadata) {
    if (!IsHeader(key, value)) {
      throw Error(grpc::StatusCode::INVALID_ARGUMENT, "metadata \"" + key + "\" cannot be sent as a header");
    }
    context.AddMetadata(key, value);
  }
  if (!client.api_key.empty()) context.AddMetadata("authorization", "Bearer " + client.api_key);
  // As metadata too, so that even a refusal echoes it.
  if (Travels(request_id)) context.AddMetadata("quickthorn-request-id", request_id);
}

Client::Client(const std::string& target, Options options)
    : options_(std::move(options)), stub_(v1::Routing::NewStub(Connected(target, options_))) {}

v1::Completion Client::Complete(const v1::CompletionRequest& request, const CallOptions& options) {
  return Called(*stub_, &v1::Routing::Stub::Complete, request, options_, options, request.request_id());
}

Stream Client::Stream(const v1::CompletionRequest& request, const CallOptions& options) {
  return quickthorn::Stream(std::make_unique<quickthorn::Stream::State>(*stub_, request, options_, options));
}

v1::Explanation Client::Explain(const v1::CompletionRequest& request, const CallOptions& options) {
  return Called(*stub_, &v1::Routing::Stub::Explain, request, options_, options, request.request_id());
}

v1::EmbedResponse Client::Embed(const v1::EmbedRequest& request, const CallOptions& options) {
  return Called(*stub_, &v1::Routing::Stub::Embed, request, options_, options, request.request_id());
}

v1::ListRoutesResponse Client::ListRoutes(const CallOptions& options) {
  return Called(*stub_, &v1::Routing::Stub::ListRoutes, v1::ListRoutesRequest(), options_, options, "");
}

}  // namespace quickthorn
