#include "stream.h"

#include <utility>

#include "failed.h"

namespace quickthorn {

Stream::State::State(v1::Routing::Stub& stub, const v1::CompletionRequest& request, const Options& client,
                     const CallOptions& call) {
  Prepare(context, client, call, request.request_id());
  watched.emplace(call.cancellation, context);
  reader = stub.PrepareAsyncStreamComplete(&context, request, &queue);
  reader->StartCall(nullptr);
}

Stream::State::~State() {
  grpc::Status status;
  if (!ended) {
    context.TryCancel();
    reader->Finish(&status, nullptr);
  }
  queue.Shutdown();
  void* tag = nullptr;
  for (bool done = false; queue.Next(&tag, &done);) continue;
}

bool Stream::State::Wait() {
  void* tag = nullptr;
  bool done = false;
  return queue.Next(&tag, &done) && done;
}

void Stream::State::End() {
  grpc::Status status;
  reader->Finish(&status, nullptr);
  Wait();
  ended = true;
  if (folding.finished()) return;  // the answer is whole, whatever its trailers say
  error = status.ok() ? Cut() : Failed(status, context);
}

Stream::Stream(std::unique_ptr<State> state) : state_(std::move(state)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

std::optional<v1::CompletionEvent> Stream::Next() {
  if (!std::exchange(state_->started, true)) state_->Wait();
  if (!state_->ended) {
    v1::CompletionEvent event;
    state_->reader->Read(&event, nullptr);
    if (state_->Wait()) {
      state_->folding.Add(event);
      return event;
    }
    state_->End();
  }
  if (state_->error) throw *state_->error;
  return std::nullopt;
}

v1::Completion Stream::Fold() {
  while (Next()) continue;
  return state_->folding.completion();
}

void Stream::Cancel() { state_->context.TryCancel(); }

}  // namespace quickthorn
