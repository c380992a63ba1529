"""What prompts and answers are made of: messages of parts."""

from __future__ import annotations

from quickthorn_server.core.value import value
from quickthorn_server.core.word import Word


class Role(Word):
    """Who speaks.  Tool results are parts of a USER message; there is no tool role."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class MediaKind(Word):
    """How a piece of media is to be looked at."""

    IMAGE = "image"
    DOCUMENT = "document"
    AUDIO = "audio"
    VIDEO = "video"


@value
class Text:
    """Plain text."""

    text: str


@value
class Media:
    """Bytes, an address or a provider's file id: exactly one of *data*, *uri*, *provider_file_id* is set."""

    kind: MediaKind
    data: bytes | None = None
    uri: str = ""
    provider_file_id: str = ""
    media_type: str = ""
    filename: str = ""
    detail: str = ""


@value
class ToolCall:
    """A call the model made; *arguments_json* is byte for byte what it wrote and may be invalid JSON."""

    id: str
    name: str
    arguments_json: str


@value
class ToolResult:
    """What a tool answered, for the model to read."""

    tool_call_id: str
    parts: tuple[Part, ...]
    is_error: bool = False


@value
class Reasoning:
    """The model's thinking, as far as the provider shows it."""

    text: str


@value
class Refusal:
    """The model's words for why it will not answer."""

    text: str


@value
class ProviderBlock:
    """What no typed kind describes, verbatim; *json* travels byte for byte."""

    provider: str
    type: str
    json: str


Kind = Text | Media | ToolCall | ToolResult | Reasoning | Refusal | ProviderBlock


@value
class CacheHint:
    """Ask the provider to cache the prompt up to here; *ttl* in seconds, None = its default lifetime."""

    ttl: float | None = None


@value
class Citation:
    """A source; *start* and *end* are byte offsets into the part's UTF-8 text, None = the whole part."""

    uri: str = ""
    title: str = ""
    cited_text: str = ""
    start: int | None = None
    end: int | None = None
    provider_json: str = ""


@value
class OpaqueState:
    """Provider-bound bytes: only *provider* (and *model*, when set) can read them."""

    provider: str
    model: str
    item_id: str
    data: bytes


@value
class Part:
    """One piece of a message.  *kind* is None only where attributes of an already streamed part arrive late."""

    kind: Kind | None
    cache: CacheHint | None = None
    citations: tuple[Citation, ...] = ()
    opaque: OpaqueState | None = None


@value
class Message:
    """One turn of a conversation."""

    role: Role
    parts: tuple[Part, ...]
