"""What a stream has delivered so far, as far as somebody else could write on from there."""

from __future__ import annotations

from collections.abc import Iterable

from quickthorn_server.core.chunk import Chunk, ReasoningDelta, TextDelta, ToolCallDelta, WholePart
from quickthorn_server.core.content import Part, Text

_LONGEST = 1024 * 1024  # bytes; more than most windows hold, and a backend that never ends would fill ours
_UTF8 = "utf-8", "surrogatepass"


class Draft:
    """Collects the text of one answer, as long as somebody could go on with it.

    *part*: the text part that it ends in.  *parts*: how many parts it has.  *obstacle*: why nobody but its own backend
    could go on with it, in words, "" = nothing does.
    """

    __slots__ = ("_before", "_last", "_size", "obstacle", "part", "parts")

    def __init__(self) -> None:
        self._before = ""
        self._last = bytearray()  # UTF-8: as strings its thousands of small pieces would take ten times their size
        self._size = 0
        self.part = self.parts = 0
        self.obstacle = ""

    @property
    def text(self) -> str:
        """All of its text, part after part."""
        return self._before + self._last.decode(*_UTF8)

    @property
    def offset(self) -> int:
        """UTF-8 bytes of the part that it ends in."""
        return len(self._last)

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Take in what is delivered, in order."""
        for chunk in chunks:
            match chunk:
                case TextDelta(part, text):
                    self._write(part, text)
                case ReasoningDelta(part, text):
                    self._mark(part, "its thinking had been shown" if text else "")
                case ToolCallDelta(part):
                    self._mark(part, "it was calling a tool")
                case WholePart(part, value):
                    self._mark(part, _against(value))
                case _:
                    pass  # says nothing about parts

    def _write(self, part: int, text: str) -> None:
        self._mark(part, "")
        if not text or self.obstacle:
            return
        if part != self.part:
            if part < self.part and self._size:
                self._mark(part, "its texts came mixed")
                return
            self._before, self._last, self.part = self.text, bytearray(), part
        written = text.encode(*_UTF8)
        self._last += written
        self._size += len(written)
        if self._size > _LONGEST:
            self._mark(part, "it was too long")

    def _mark(self, part: int, obstacle: str) -> None:
        if part >= self.parts:
            self.parts = part + 1
        if obstacle and not self.obstacle:
            self.obstacle = obstacle
            self._before, self._last = "", bytearray()


def _against(part: Part) -> str:
    """Return what speaks against going on behind *part*: text alone, and notes about it, can be handed to anybody."""
    if part.opaque is not None:
        return "it held state that only its own backend can read"
    return "" if part.kind is None or part.kind == Text("") else "it held a part that is no text"
