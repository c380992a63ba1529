"""From the events of a streamed answer to the whole answer."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable

from quickthorn._errors import stream_cut
from quickthorn.v1.completion_pb2 import Completion
from quickthorn.v1.content_pb2 import ROLE_ASSISTANT, Message, Part, ToolCall
from quickthorn.v1.events_pb2 import CompletionEvent, Finished, Started


def text(answer: Completion | Message) -> str:
    """Return the text of *answer*: its text parts joined, without reasoning, refusals or tool calls."""
    message = answer.message if isinstance(answer, Completion) else answer
    return "".join(part.text for part in message.parts if part.WhichOneof("kind") == "text")


def tool_calls(answer: Completion | Message) -> list[ToolCall]:
    """Return the tool calls of *answer*, in order."""
    message = answer.message if isinstance(answer, Completion) else answer
    return [part.tool_call for part in message.parts if part.WhichOneof("kind") == "tool_call"]


def fold(events: Iterable[CompletionEvent]) -> Completion:
    """Return the Completion that `Complete` would have returned.

    Raises QuickthornError with the reason STREAM_CUT if *events* end without `finished`.
    """
    folded = Fold()
    for event in events:
        folded.add(event)
    return folded.completion()


async def afold(events: AsyncIterable[CompletionEvent]) -> Completion:
    """As `fold`, of events that come asynchronously."""
    folded = Fold()
    async for event in events:
        folded.add(event)
    return folded.completion()


class Fold:
    """Folds events one by one, so that they can be shown while they are folded.

    The law stands in `quickthorn/v1/events.proto` and is the same as that of the server's `core/completion.py`: deltas
    make text, a part that comes whole is kept, what comes late for a part is added to it, and the rest changes nothing.
    """

    def __init__(self) -> None:
        self._started = Started()
        self._finished: Finished | None = None
        self._texts: dict[int, list[str]] = {}
        self._reasoning: set[int] = set()
        self._calls: dict[int, tuple[str, str]] = {}
        self._wholes: dict[int, Part] = {}

    @property
    def finished(self) -> bool:
        """Whether `finished` has come, so that there is a whole answer."""
        return self._finished is not None

    def add(self, event: CompletionEvent) -> None:
        """Take in the next event.  One of an unknown kind changes nothing."""
        match event.WhichOneof("event"):
            case "text":
                self._append(event.text.part, event.text.text)
            case "reasoning":
                self._reasoning.add(event.reasoning.part)
                self._append(event.reasoning.part, event.reasoning.text)
            case "tool_call":
                delta = event.tool_call
                self._calls.setdefault(delta.part, (delta.id, delta.name))
                self._append(delta.part, delta.arguments_json)
            case "part":
                self._keep(event.part.part, event.part.value)
            case "started":
                self._started = event.started
            case "finished":
                self._finished = event.finished

    def message(self) -> Message:
        """Return the answer so far.  Its parts stand in the order of their indices."""
        indices = sorted(self._texts.keys() | self._wholes.keys())
        return Message(role=ROLE_ASSISTANT, parts=[self._part(index) for index in indices])

    def completion(self) -> Completion:
        """Return the whole answer.  Raises QuickthornError with the reason STREAM_CUT before `finished` has come."""
        if self._finished is None:
            raise stream_cut()
        end = self._finished
        return Completion(
            id=self._started.id,
            request_id=self._started.request_id,
            message=self.message(),
            finish_reason=end.finish_reason,
            stop_sequence=end.stop_sequence,
            usage=end.usage if end.HasField("usage") else None,
            cost_nano_usd=end.cost_nano_usd if end.HasField("cost_nano_usd") else None,
            trace=end.trace if end.HasField("trace") else None,
        )

    def _append(self, index: int, piece: str) -> None:
        self._texts.setdefault(index, []).append(piece)

    def _keep(self, index: int, value: Part) -> None:
        self._wholes[index] = _merged(self._wholes[index], value) if index in self._wholes else value

    def _part(self, index: int) -> Part:
        part = Part()
        if index in self._wholes:
            part.CopyFrom(self._wholes[index])
        if index not in self._texts:
            return part
        streamed = "".join(self._texts[index])
        if index in self._calls:
            call_id, name = self._calls[index]
            part.tool_call.CopyFrom(ToolCall(id=call_id, name=name, arguments_json=streamed))
        elif index in self._reasoning:
            part.reasoning = streamed
        else:
            part.text = streamed
        return part


def _merged(old: Part, new: Part) -> Part:
    """Return *old* with what *new* says: citations accumulate, everything else is replaced whole."""
    merged = Part()
    merged.CopyFrom(old)
    for field in ("kind", "cache", "opaque"):
        if new.HasField(field):
            merged.ClearField(field)
    merged.MergeFrom(new)
    return merged
