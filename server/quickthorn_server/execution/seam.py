"""Fit what a continuing backend says to what was delivered before it.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from quickthorn_server.core.beginning import Beginning
from quickthorn_server.core.chunk import Chunk, ReasoningDelta, TextDelta, ToolCallDelta, UsageReport, WholePart
from quickthorn_server.core.content import Citation, Part, Reasoning, Text
from quickthorn_server.core.seam import Method, Seam
from quickthorn_server.core.sizes import utf8_size
from quickthorn_server.core.usage import Usage, summed
from quickthorn_server.execution.events import Event, Joined, Said

_NOTES = (None, Text(""))
"""What a part holds that says something of a text and is none itself."""


class Joint:
    """Passes on the chunks of one continuing lane, with the seam before the first of its text.

    *seam* is the one hoped for: an anchor becomes `appended` if the text does not begin with *expected*; *told*: it has
    been given out.  The text goes on in the part that broke, and everything else gets the indices from *parts* on.
    *used* is added to its reports.
    """

    __slots__ = (
        "_beginning",
        "_chunks",
        "_events",
        "_expected",
        "_late",
        "_next",
        "_places",
        "_settled",
        "_text",
        "_used",
        "seam",
        "told",
    )

    def __init__(self, seam: Seam, expected: str, *, parts: int, used: Usage) -> None:
        self.seam = seam
        self._expected = expected
        self._used = used
        self._next = parts
        self._beginning = Beginning(expected)
        self._text: int | None = None  # the lane's own index of the part that goes on
        self._places: dict[int, int] = {}
        self._late: list[Part] = []  # said of that part before it was known where its text stands
        self._chunks: list[Chunk] = []
        self._events: list[Event] = []
        self.told = self._settled = False
        if seam.method is Method.PREFILL:  # nothing that comes can change it
            self._settle()

    def take(self, chunks: Iterable[Chunk]) -> list[Event]:
        """Return what may be passed on, now that *chunks* have come."""
        for chunk in chunks:
            match chunk:
                case TextDelta(part, text) if self._goes_on(part):
                    self._write(self._beginning.take(text))
                case WholePart(part, value) if value.kind in _NOTES and self._goes_on(part):
                    self._late.append(value)
                    self._write("")
                case UsageReport(usage):
                    self._chunks.append(UsageReport(summed(self._used, usage)))
                case ReasoningDelta(part) | WholePart(part) if self._says_no_word(chunk):
                    self._chunks.append(replace(chunk, part=self._place(part)))
                case TextDelta(part) | ToolCallDelta(part) | WholePart(part):
                    self._write(self._beginning.close())
                    self._chunks.append(replace(chunk, part=self._place(part)))
                case _:
                    pass  # its end is told by whoever reads it, and vectors are not continued
        return self._given()

    def close(self) -> list[Event]:
        """Return what is left to pass on: the lane has ended."""
        self._write(self._beginning.close())
        return self._given()

    def _goes_on(self, part: int) -> bool:
        """Whether *part* of the lane goes on where the answer broke: its first text does."""
        if self._text is None and part not in self._places:
            self._text = part
        return self._text == part

    def _says_no_word(self, chunk: ReasoningDelta | WholePart) -> bool:
        """Whether *chunk* is thinking, or a note to a part before: neither is the beginning of what the lane says."""
        if isinstance(chunk, ReasoningDelta):
            return True
        return isinstance(chunk.value.kind, Reasoning) or (chunk.value.kind is None and chunk.part in self._places)

    def _place(self, part: int) -> int:
        place = self._places.get(part)
        if place is None:
            place = self._places[part] = self._next
            self._next += 1
        return place

    def _write(self, text: str) -> None:
        """Pass on *text* and what was said of it, as soon as it is known what the seam before it is."""
        if self._beginning.dropped is None:
            return
        if not self._settled:
            if not self._beginning.dropped:
                self.seam = replace(self.seam, method=Method.APPENDED)
            self._settle()
        if text:
            self._chunks.append(TextDelta(self.seam.part, text))
        for part in self._late:
            self._chunks.append(WholePart(self.seam.part, replace(part, kind=None, citations=self._moved(part))))
        self._late.clear()

    def _moved(self, part: Part) -> tuple[Citation, ...]:
        """Return its citations, which count the bytes of what the lane said, counted from the beginning of the part."""
        by = self.seam.offset - (utf8_size(self._expected) if self._beginning.dropped else 0)
        return tuple(
            each
            if each.start is None or each.end is None
            else replace(each, start=max(0, each.start + by), end=max(0, each.end + by))
            for each in part.citations
        )

    def _settle(self) -> None:
        self._settled = True
        self._flush()
        self._events.append(Joined(self.seam))

    def _flush(self) -> None:
        if self._chunks:
            self._events.append(Said(self._chunks))
            self._chunks = []

    def _given(self) -> list[Event]:
        self._flush()
        self.told = self._settled
        events, self._events = self._events, []
        return events
