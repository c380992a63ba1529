"""A whole answer, and the fold that makes one of chunks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from quickthorn_server.core.attempt import Trace
from quickthorn_server.core.chunk import (
    Chunk,
    End,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Vectors,
    WholePart,
)
from quickthorn_server.core.content import Kind, Part, Reasoning, Text, ToolCall
from quickthorn_server.core.embedding import Vector
from quickthorn_server.core.usage import Usage
from quickthorn_server.core.value import value


@value
class Completion:
    """What `Complete` answers, and what folding a stream gives."""

    parts: tuple[Part, ...]
    finish_reason: FinishReason
    stop_sequence: str
    usage: Usage | None
    cost_nano_usd: int | None
    trace: Trace


@value
class Embeddings:
    """What `Embed` answers: one vector per input, in the order of the inputs, all of one *space*."""

    vectors: tuple[Vector, ...]
    space: str
    usage: Usage | None
    cost_nano_usd: int | None
    trace: Trace


class VectorFold:
    """Keeps the vectors among chunks."""

    def __init__(self) -> None:
        self.vectors: tuple[Vector, ...] = ()

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Take in *chunks*, in order."""
        self.vectors = next((chunk.vectors for chunk in chunks if isinstance(chunk, Vectors)), self.vectors)


class Fold:
    """Collects chunks into parts.  Parts come out in the order of their indices."""

    def __init__(self) -> None:
        self._texts: dict[int, list[str]] = {}
        self._reasoning: set[int] = set()
        self._calls: dict[int, tuple[str, str]] = {}
        self._wholes: dict[int, Part] = {}
        self.end: End | None = None

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Take in *chunks*, in order."""
        for chunk in chunks:
            match chunk:
                case TextDelta(part, text):
                    self._texts.setdefault(part, []).append(text)
                case ReasoningDelta(part, text):
                    self._reasoning.add(part)
                    self._texts.setdefault(part, []).append(text)
                case ToolCallDelta(part, call_id, name, arguments):
                    if part not in self._calls:
                        self._calls[part] = (call_id, name)
                    self._texts.setdefault(part, []).append(arguments)
                case WholePart(part, value):
                    self._wholes[part] = _merged(self._wholes.get(part), value)
                case End():
                    self.end = chunk
                case _:
                    pass  # Opened and UsageReport say nothing about parts

    def parts(self) -> tuple[Part, ...]:
        """Return the answer's parts so far."""
        texts = self._texts
        if len(texts) == 1 and not (self._wholes or self._calls or self._reasoning):  # most answers are one text
            (pieces,) = texts.values()
            return (Part(Text("".join(pieces))),)
        return tuple([self._part(index) for index in sorted(texts.keys() | self._wholes.keys())])

    def _part(self, index: int) -> Part:
        whole = self._wholes.get(index)
        if index not in self._texts:
            assert whole is not None  # noqa: S101 - the index came from one of the two
            return whole
        kind = self._streamed(index)
        return Part(kind) if whole is None else replace(whole, kind=kind)

    def _streamed(self, index: int) -> Kind:
        text = "".join(self._texts[index])
        if index in self._calls:
            call_id, name = self._calls[index]
            return ToolCall(call_id, name, text)
        return Reasoning(text) if index in self._reasoning else Text(text)


def _merged(old: Part | None, new: Part) -> Part:
    """Add what *new* says to *old*: citations accumulate, everything else is set once."""
    if old is None:
        return new
    return Part(
        kind=new.kind or old.kind,
        cache=new.cache or old.cache,
        citations=old.citations + new.citations,
        opaque=new.opaque or old.opaque,
    )
