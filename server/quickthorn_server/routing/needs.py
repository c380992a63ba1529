"""Read off a request what it needs of whoever answers."""

from __future__ import annotations

from collections.abc import Iterable

from quickthorn_server.core.content import (
    Media,
    MediaKind,
    OpaqueState,
    Part,
    ProviderBlock,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from quickthorn_server.core.embedding import EmbedInput, EmbedPrompt, TokenIds
from quickthorn_server.core.outline import Needs, Outline
from quickthorn_server.core.prompt import JsonObjectFormat, JsonSchemaFormat, Prompt, ReasoningEffort, Tool
from quickthorn_server.core.request import Request, Requirements
from quickthorn_server.core.sizes import utf8_size
from quickthorn_server.routing.asked import asked, asked_of_embedding

_BYTES_PER_TOKEN = 4  # of English text with today's tokenizers; an estimate, and called one wherever it is shown
_TOKENS_PER_MESSAGE = 4  # role and separators
_TOKENS_PER_MEDIA = 256  # a small image; providers charge from 85 to several thousand

_TEXT = frozenset({"text"})
_NOBODY = frozenset[str]()

_CAPABILITY_OF = {
    MediaKind.IMAGE: "vision",
    MediaKind.DOCUMENT: "documents",
    MediaKind.AUDIO: "audio",
    MediaKind.VIDEO: "video",
}


def outline(request: Request) -> Outline:
    """Return *request* without what is said in it."""
    prompt = request.prompt
    return Outline(
        request.route,
        needs(request),
        request.directives,
        request.preferences,
        request.requirements.max_first_token,
        isinstance(prompt, EmbedPrompt),
        provider_executed(prompt),
        isinstance(prompt, Prompt) and prompt.reasoning.show,
    )


def needs(request: Request) -> Needs:
    """Return what *request* needs, stated or implied by what is in it."""
    prompt, stated = request.prompt, request.requirements
    if isinstance(prompt, EmbedPrompt):
        return _embedding_needs(prompt, stated)
    held = _Held()
    held.take(prompt.system)
    for message in prompt.messages:
        held.take(message.parts)
    if prompt.tools:
        held.take_tools(prompt.tools)
    tokens = held.tokens + _TOKENS_PER_MESSAGE * len(prompt.messages)
    output = prompt.sampling.max_output_tokens
    implied = _implied(prompt) | held.words if held.words else _implied(prompt)
    return Needs(
        capabilities=stated.capabilities | implied if stated.capabilities else implied,
        regions=stated.regions,
        data_policies=stated.data_policies,
        context_tokens=max(tokens + (output or 0), stated.min_context_tokens or 0),
        input_tokens=tokens,
        max_output_tokens=output,
        max_cost_nano_usd=stated.max_cost_nano_usd,
        states=tuple(held.states),
        providers=frozenset(held.providers) if held.providers else _NOBODY,
        features=asked(prompt, held.special),
    )


class _Held:
    """What the parts and tools of a prompt hold, gathered in one pass.

    *words*: capabilities that they imply.  *special*: the parts that not every wire format carries.
    """

    __slots__ = ("_media", "_size", "providers", "special", "states", "words")

    def __init__(self) -> None:
        self._size = self._media = 0
        self.words: set[str] = set()
        self.states: list[OpaqueState] = []
        self.special: list[Part] = []
        self.providers: set[str] = set()

    @property
    def tokens(self) -> int:
        """Return the estimate for all of it."""
        return -(-self._size // _BYTES_PER_TOKEN) + _TOKENS_PER_MEDIA * self._media

    def take(self, parts: Iterable[Part]) -> None:
        """Take in *parts*, and those inside of tool results."""
        for part in parts:
            kind = part.kind
            if type(kind) is Text and part.cache is None and part.opaque is None:  # nearly all of them
                self._size += utf8_size(kind.text)
                continue
            if part.opaque is not None:
                self.states.append(part.opaque)
            if part.cache is not None or isinstance(kind, Media | ToolResult):
                self.special.append(part)
            match kind:
                case Text(text) | Reasoning(text):
                    self._size += utf8_size(text)
                case ToolCall(_, name, arguments):
                    self._size += utf8_size(name) + utf8_size(arguments)
                case ToolResult():
                    self.take(kind.parts)
                case Media():
                    self._media += 1
                    self.words.add(_CAPABILITY_OF[kind.kind])
                case ProviderBlock(provider, _, json):
                    self._size += utf8_size(json)
                    self.providers.add(provider)
                case _:
                    pass  # a refusal is not sent again, and attributes alone have no text

    def take_tools(self, tools: Iterable[Tool]) -> None:
        """Take in *tools*."""
        for tool in tools:
            if isinstance(tool.kind, ProviderBlock):
                self.providers.add(tool.kind.provider)
            else:
                self._size += utf8_size(tool.kind.description) + utf8_size(tool.kind.parameters_json_schema)


def provider_executed(prompt: Prompt | EmbedPrompt) -> bool:
    """Whether the provider itself would run tools: then a second lane would run them twice."""
    if not isinstance(prompt, Prompt) or not prompt.tools:
        return False
    return any(isinstance(tool.kind, ProviderBlock) for tool in prompt.tools)


def _embedding_needs(prompt: EmbedPrompt, stated: Requirements) -> Needs:
    """Each input has the window to itself; all of them are paid for."""
    sizes = [_size(each) for each in prompt.inputs]
    pictures = any(isinstance(each, Media) for each in prompt.inputs)
    return Needs(
        capabilities=stated.capabilities | {"embeddings"} | ({"vision"} if pictures else set()),
        regions=stated.regions,
        data_policies=stated.data_policies,
        context_tokens=max(*sizes, stated.min_context_tokens or 0),
        input_tokens=sum(sizes),
        max_output_tokens=0,
        max_cost_nano_usd=stated.max_cost_nano_usd,
        states=(),
        providers=frozenset(),
        features=asked_of_embedding(prompt),
    )


def _size(given: EmbedInput) -> int:
    match given:
        case str():
            return -(-utf8_size(given) // _BYTES_PER_TOKEN)
        case TokenIds(ids):
            return len(ids)
        case Media():
            return _TOKENS_PER_MEDIA


def _implied(prompt: Prompt) -> frozenset[str]:
    """Return the capabilities that the settings of *prompt* imply; its parts imply more."""
    reasons = prompt.reasoning.budget_tokens is not None or (
        prompt.reasoning.effort is not None and prompt.reasoning.effort is not ReasoningEffort.NONE
    )
    if not (prompt.tools or prompt.response_format or reasons):
        return _TEXT
    words = {"text"}
    if prompt.tools:
        words.add("tools")
    match prompt.response_format:
        case JsonSchemaFormat():
            words.add("json_schema")
        case JsonObjectFormat():
            words.add("json_object")
    if reasons:
        words.add("reasoning")
    return frozenset(words)
