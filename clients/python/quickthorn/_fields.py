"""What the calls take: the keyword fields, and the plain values that stand for messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from quickthorn.v1.content_pb2 import Message, Part
from quickthorn.v1.directives_pb2 import Directives, Preferences, Requirements
from quickthorn.v1.embedding_pb2 import EmbeddingInput, EmbeddingInputType
from quickthorn.v1.options_pb2 import ReasoningOptions, ResponseFormat, Sampling
from quickthorn.v1.tool_pb2 import FunctionTool, Tool, ToolChoice

Content = str | Part | Sequence[str | Part]
MessageLike = Message | tuple[str, Content] | Mapping[str, Any]
"""A message, a pair such as ("user", "Hello"), or a mapping with `role` and `content`."""

Messages = str | Message | Iterable[MessageLike]
"""A conversation, oldest first; a string alone is what the user says."""

ToolLike = Tool | FunctionTool | Mapping[str, Any]
"""A tool, or a mapping with `name`, `description`, `parameters` (a JSON Schema) and `strict`."""

EmbeddingInputs = str | Sequence[str | EmbeddingInput]

Json = str | Mapping[str, Any]
"""JSON text, sent byte for byte; or a mapping, written without spaces in the order of its keys."""

Metadata = Sequence[tuple[str, str | bytes]]


class CallOptions(TypedDict, total=False):
    """What every call takes beside its request.

    *timeout*: the call's deadline in seconds from now; None = no deadline; left out = the client's own.
    *wait_for_ready*: True = wait for a connection until the deadline; False = fail at once if there is none; left out =
    the client's own.
    *metadata*: sent with the call.
    """

    timeout: float | None
    wait_for_ready: bool
    metadata: Metadata


class SamplingFields(TypedDict, total=False):
    """The fields of `Sampling`, flat.  None = left out."""

    max_output_tokens: int | None
    temperature: float | None
    top_p: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    top_k: int | None
    seed: int | None
    stop: str | Sequence[str] | None


class SharedFields(CallOptions, total=False):
    """What completions and embeddings have in common.  None = left out.  A mapping holds the message's own fields."""

    route: str | None
    requirements: Requirements | Mapping[str, Any] | None
    directives: Directives | Mapping[str, Any] | None
    provider_options_json: Mapping[str, Json] | None
    labels: Mapping[str, str] | None
    request_id: str | None


class CompletionFields(SamplingFields, SharedFields, total=False):
    """The fields of `CompletionRequest` and of the call.  None = left out.  A mapping holds the message's own fields.

    *tool_choice*: "auto", "none", "required", the name of a tool that must be called, or the message.
    *json_schema*: the answer must be JSON of this schema; short for *response_format*.
    *reasoning*: how hard to think, or the message.
    """

    system: Content | None
    tools: Sequence[ToolLike] | None
    tool_choice: ToolChoice | str | None
    response_format: ResponseFormat | Mapping[str, Any] | None
    json_schema: Json | None
    sampling: Sampling | Mapping[str, Any] | None
    reasoning: ReasoningOptions | Literal["none", "minimal", "low", "medium", "high", "max"] | None
    preferences: Preferences | Mapping[str, Any] | None


class EmbedFields(SharedFields, total=False):
    """The fields of `EmbedRequest` and of the call.  None = left out."""

    input_type: EmbeddingInputType | str | None
    dimensions: int | None
