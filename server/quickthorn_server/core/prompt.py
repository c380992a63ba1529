"""What a model is asked: the conversation, the tools and the settings of one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from quickthorn_server.core.content import CacheHint, Message, Part, ProviderBlock
from quickthorn_server.core.value import value
from quickthorn_server.core.word import Word


@value
class FunctionTool:
    """A tool the caller runs; *parameters_json_schema* is sent byte for byte, "" = no parameters."""

    name: str
    description: str = ""
    parameters_json_schema: str = ""
    strict: bool | None = None


@value
class Tool:
    """A function of the caller's, or a block that the provider executes itself."""

    kind: FunctionTool | ProviderBlock
    cache: CacheHint | None = None


class ToolMode(Word):
    """Whether the model may, must or must not call tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@value
class ToolChoice:
    """Which tools may be called: a *mode*, or the one tool *name*; *parallel* None = the provider's default."""

    mode: ToolMode | None = None
    name: str = ""
    parallel: bool | None = None


@value
class TextFormat:
    """Free text: the default."""


@value
class JsonObjectFormat:
    """Any JSON object."""


@value
class JsonSchemaFormat:
    """JSON that fits *schema* (JSON text, sent byte for byte)."""

    name: str
    schema: str
    description: str = ""
    strict: bool | None = None


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


@value
class Sampling:
    """Tunables of the answer; None = the backend's `params`, else the provider's default."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


class ReasoningEffort(Word):
    """How hard the model should think, in the provider's own terms."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    MAX = "max"


@value
class ReasoningOptions:
    """How much to think, and whether the caller wants to *show* thinking as it comes."""

    effort: ReasoningEffort | None = None
    budget_tokens: int | None = None
    show: bool = False


@value
class Prompt:
    """Everything that reaches the model; *provider_options_json* maps a provider's name to JSON object text.

    *prefill*: the last message is the beginning of the answer, and the model is to write on from its end.
    """

    messages: tuple[Message, ...]
    system: tuple[Part, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    response_format: ResponseFormat | None = None
    sampling: Sampling = field(default_factory=Sampling)
    reasoning: ReasoningOptions = field(default_factory=ReasoningOptions)
    provider_options_json: Mapping[str, str] = field(default_factory=dict)
    prefill: bool = False
