"""The parts of an answer as its pieces come: numbered, joined, closed.  Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from quickthorn_server.core.chunk import (
    Chunk,
    End,
    FinishReason,
    Opened,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    WholePart,
)
from quickthorn_server.core.content import Citation, Kind, OpaqueState, Part
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage

_NONE = object()
"""No key of any part."""
_UNTOLD = Usage()


def made_up_id(answer: str, number: int) -> str:
    """Return a name for a call that came without one: unique in a conversation where answers have names."""
    return f"call_{answer}_{number}" if answer else f"call_{number}"


class AnswerParts:
    """Collects what one answer says and gives it as chunks.

    A part is named by a *key*, whatever its wire format tells parts apart by; its place in the answer is that of its
    first piece.  Neighbouring pieces of a part come out as one delta.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._chunks: list[Chunk] = []
        self._pieces: list[str] = []
        self._key: Hashable = _NONE  # of the part that is being written, its kind and its place
        self._kind: type[TextDelta | ReasoningDelta] = TextDelta
        self._at = 0
        self._places: dict[Hashable, int] = {}
        self._next = 0
        self._calls: dict[Hashable, bool] = {}  # whether a call has had arguments

    def model(self, name: object, request_id: str = "") -> None:
        """Say which model answers, and the answer's identifier if no header told one; only the first name counts."""
        if isinstance(name, str) and name and not self._opened.model:
            identifier = self._opened.provider_request_id or request_id
            self._opened = replace(self._opened, model=name, provider_request_id=identifier)
            self._add(self._opened)

    def text(self, key: Hashable, piece: str) -> None:
        """Take in more text of a part; an empty *piece* says nothing, and begins nothing."""
        self._say(key, piece, TextDelta)

    def reasoning(self, key: Hashable, piece: str) -> None:
        """Take in more thinking of a part; an empty *piece* says nothing, and begins nothing."""
        self._say(key, piece, ReasoningDelta)

    def call(self, key: Hashable, call_id: str, name: str, arguments: str = "") -> None:
        """Begin a tool call; without an identifier it gets one, because its result must name it.

        Raises BackendError (PROTOCOL) when it has no name.
        """
        if not name:
            raise BackendError(Failure.PROTOCOL, "a tool call without a name")
        call_id = call_id or made_up_id(self._opened.provider_request_id, len(self._calls))
        self._calls[key] = bool(arguments)
        self._add(ToolCallDelta(self._place(key), call_id, name, arguments))

    def arguments(self, key: Hashable, piece: str) -> None:
        """Take in more of the arguments of a call that has begun.  Raises BackendError (PROTOCOL) when it has not."""
        if key not in self._calls:
            raise BackendError(Failure.PROTOCOL, "arguments of no tool call")
        if piece:
            self._calls[key] = True
            self._add(ToolCallDelta(self._places[key], arguments_json=piece))

    def whole(self, part: Part, key: Hashable = None) -> None:
        """Take in a part that comes whole; *key* None = nothing is added to it later."""
        self._add(WholePart(self._new() if key is None else self._place(key), part))

    def attach(
        self,
        key: Hashable,
        empty: Kind,
        *,
        citations: tuple[Citation, ...] = (),
        opaque: OpaqueState | None = None,
    ) -> None:
        """Add to a part; one that has not begun is *empty*, and begins."""
        kind = None if key in self._places else empty
        self._add(WholePart(self._place(key), Part(kind, citations=citations, opaque=opaque)))

    def used(self, usage: Usage) -> None:
        """Report the usage so far; a report without a number in it tells nothing."""
        if usage != _UNTOLD:
            self._add(UsageReport(usage))

    def end(self, reason: FinishReason, stop_sequence: str = "") -> None:
        """Close the answer; a call without arguments has none, and that is an empty object."""
        for key, wrote in self._calls.items():
            if not wrote:
                self._add(ToolCallDelta(self._places[key], arguments_json="{}"))
        self._add(End(reason, stop_sequence))

    @property
    def calls(self) -> bool:
        """Whether the answer calls tools."""
        return bool(self._calls)

    def burst(self) -> list[Chunk]:
        """Return the chunks collected since the last call."""
        self._flush()
        chunks, self._chunks = self._chunks, []
        return chunks

    def _say(self, key: Hashable, piece: str, kind: type[TextDelta | ReasoningDelta]) -> None:
        if not isinstance(piece, str):
            raise TypeError
        if not piece:
            return
        if key != self._key or kind is not self._kind:
            self._flush()
            self._key, self._kind, self._at = key, kind, self._place(key)
        self._pieces.append(piece)

    def _flush(self) -> None:
        if self._pieces:
            self._chunks.append(self._kind(self._at, "".join(self._pieces)))
            self._pieces.clear()

    def _add(self, chunk: Chunk) -> None:
        self._flush()
        self._chunks.append(chunk)

    def _place(self, key: Hashable) -> int:
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = self._new()
        return place

    def _new(self) -> int:
        self._next += 1
        return self._next - 1
