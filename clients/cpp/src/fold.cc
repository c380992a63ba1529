#include "quickthorn/fold.h"

#include "failed.h"

namespace quickthorn {
namespace {

/// Citations accumulate, everything else is replaced whole.
void Merge(const v1::Part& value, v1::Part& part) {
  if (value.kind_case() != v1::Part::KIND_NOT_SET) part.clear_kind();
  if (value.has_cache()) part.clear_cache();
  if (value.has_opaque()) part.clear_opaque();
  part.MergeFrom(value);
}

void Append(const v1::ToolCallDelta& delta, v1::Part& part) {
  const bool first = !part.has_tool_call();
  v1::ToolCall& call = *part.mutable_tool_call();
  if (first) {
    call.set_id(delta.id());
    call.set_name(delta.name());
  }
  call.mutable_arguments_json()->append(delta.arguments_json());
}

}  // namespace

std::string Text(const v1::Message& message) {
  std::string text;
  for (const auto& part : message.parts()) text += part.text();
  return text;
}

std::string Text(const v1::Completion& completion) { return Text(completion.message()); }

void Folding::Add(const v1::CompletionEvent& event) {
  switch (event.event_case()) {
    case v1::CompletionEvent::kStarted:
      started_ = event.started();
      break;
    case v1::CompletionEvent::kText:
      parts_[event.text().part()].mutable_text()->append(event.text().text());
      break;
    case v1::CompletionEvent::kReasoning:
      parts_[event.reasoning().part()].mutable_reasoning()->append(event.reasoning().text());
      break;
    case v1::CompletionEvent::kToolCall:
      Append(event.tool_call(), parts_[event.tool_call().part()]);
      break;
    case v1::CompletionEvent::kPart:
      Merge(event.part().value(), parts_[event.part().part()]);
      break;
    case v1::CompletionEvent::kFinished:
      finished_ = event.finished();
      break;
    default:
      break;
  }
}

v1::Completion Folding::completion() const {
  if (!finished_) throw Cut();
  v1::Completion whole;
  whole.set_id(started_.id());
  whole.set_request_id(started_.request_id());
  whole.mutable_message()->set_role(v1::ROLE_ASSISTANT);
  for (const auto& [index, part] : parts_) *whole.mutable_message()->add_parts() = part;
  whole.set_finish_reason(finished_->finish_reason());
  whole.set_stop_sequence(finished_->stop_sequence());
  if (finished_->has_usage()) *whole.mutable_usage() = finished_->usage();
  if (finished_->has_cost_nano_usd()) whole.set_cost_nano_usd(finished_->cost_nano_usd());
  if (finished_->has_trace()) *whole.mutable_trace() = finished_->trace();
  return whole;
}

}  // namespace quickthorn
