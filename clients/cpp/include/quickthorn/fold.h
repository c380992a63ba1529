// From the events of a streamed answer to the whole answer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "quickthorn/v1/completion.pb.h"
#include "quickthorn/v1/events.pb.h"

namespace quickthorn {

/// The text of an answer: its text parts joined, without reasoning, refusals or tool calls.
std::string Text(const v1::Message& message);
std::string Text(const v1::Completion& completion);

/// Folds events one by one, so that they can be shown meanwhile. The law stands in quickthorn/v1/events.proto.
class Folding {
 public:
  /// Takes in the next event. One of an unknown kind changes nothing.
  void Add(const v1::CompletionEvent& event);
  /// Whether `finished` has come, so that there is a whole answer.
  bool finished() const { return finished_.has_value(); }
  /// The whole answer. Throws Error with the reason kStreamCut before `finished` has come.
  v1::Completion completion() const;

 private:
  v1::Started started_;
  std::optional<v1::Finished> finished_;
  std::map<std::uint32_t, v1::Part> parts_;
};

/// What Complete would have returned instead of these events. Throws Error with the reason kStreamCut if they end
/// without `finished`.
template <class Events>
v1::Completion Fold(const Events& events) {
  Folding folding;
  for (const v1::CompletionEvent& event : events) folding.Add(event);
  return folding.completion();
}

}  // namespace quickthorn
