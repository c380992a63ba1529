"""What a provider says while it answers: chunks, in the order in which a client may see them.

Every delta names its part.  Part indices count from 0 in order of first appearance; a part's kind never changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from quickthorn_server.core.content import Part
from quickthorn_server.core.embedding import Vector
from quickthorn_server.core.usage import Usage
from quickthorn_server.core.value import value
from quickthorn_server.core.word import Word


class FinishReason(Word):
    """Why a model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    OTHER = "other"


@value
class Opened:
    """The provider accepted the call and its head is read.  Not content: a lane that only opened has not spoken."""

    model: str = ""
    provider_request_id: str = ""
    http_status: int | None = None


@value
class TextDelta:
    """More text of part *part*."""

    part: int
    text: str


@value
class ReasoningDelta:
    """More thinking of part *part*."""

    part: int
    text: str


@value
class ToolCallDelta:
    """More of a tool call; *id* and *name* come once, on the first delta of the part."""

    part: int
    id: str = ""
    name: str = ""
    arguments_json: str = ""


@value
class WholePart:
    """A part that arrives whole; *value.kind* None adds citations or opaque state to a part already streamed."""

    part: int
    value: Part


@value
class Vectors:
    """The answer to an embedding prompt, whole: one vector per input, in their order."""

    vectors: tuple[Vector, ...]


@value
class UsageReport:
    """Usage so far, cumulative: the last report of a lane counts."""

    usage: Usage


@value
class End:
    """A clean end.  Exactly one, last; a stream without it was cut."""

    reason: FinishReason
    stop_sequence: str = ""


Chunk = Opened | TextDelta | ReasoningDelta | ToolCallDelta | WholePart | Vectors | UsageReport | End

Burst = Sequence[Chunk]
"""The chunks of one network read: they travel together, so that a burst costs one wake-up."""
