"""What a provider says while it answers: chunks, in the order in which a client may see them.

Every delta names its part.  Part indices count from 0 in order of first appearance; a part's kind never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from quickthorn_server.core.content import Part
from quickthorn_server.core.embedding import Vector
from quickthorn_server.core.usage import Usage


class FinishReason(Enum):
    """Why a model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Opened:
    """The provider accepted the call and its head is read.  Not content: a lane that only opened has not spoken."""

    model: str = ""
    provider_request_id: str = ""
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of part *part*."""

    part: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More thinking of part *part*."""

    part: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of a tool call; *id* and *name* come once, on the first delta of the part."""

    part: int
    id: str = ""
    name: str = ""
    arguments_json: str = ""


@dataclass(frozen=True, slots=True)
class WholePart:
    """A part that arrives whole; *value.kind* None adds citations or opaque state to a part already streamed."""

    part: int
    value: Part


@dataclass(frozen=True, slots=True)
class Vectors:
    """The answer to an embedding prompt, whole: one vector per input, in their order."""

    vectors: tuple[Vector, ...]


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage so far, cumulative: the last report of a lane counts."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class End:
    """A clean end.  Exactly one, last; a stream without it was cut."""

    reason: FinishReason
    stop_sequence: str = ""


Chunk = Opened | TextDelta | ReasoningDelta | ToolCallDelta | WholePart | Vectors | UsageReport | End

Burst = Sequence[Chunk]
"""The chunks of one network read: they travel together, so that a burst costs one wake-up."""
