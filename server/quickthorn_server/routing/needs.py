"""Read off a request what it needs of whoever answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
from quickthorn_server.core.features import Feature
from quickthorn_server.core.prompt import FunctionTool, JsonObjectFormat, JsonSchemaFormat, Prompt, ReasoningEffort
from quickthorn_server.core.request import Request, Requirements
from quickthorn_server.core.sizes import utf8_size
from quickthorn_server.core.value import value
from quickthorn_server.routing.asked import asked, asked_of_embedding

_BYTES_PER_TOKEN = 4  # of English text with today's tokenizers; an estimate, and called one wherever it is shown
_TOKENS_PER_MESSAGE = 4  # role and separators
_TOKENS_PER_MEDIA = 256  # a small image; providers charge from 85 to several thousand

_CAPABILITY_OF = {
    MediaKind.IMAGE: "vision",
    MediaKind.DOCUMENT: "documents",
    MediaKind.AUDIO: "audio",
    MediaKind.VIDEO: "video",
}


@value
class Needs:
    """What a candidate must have; *input_tokens* is estimated.

    *states*: provider-bound bytes that it must be able to read.  *providers*: blocks only that provider understands.
    *features*: what its wire format must carry.
    """

    capabilities: frozenset[str]
    regions: frozenset[str]
    data_policies: frozenset[str]
    context_tokens: int
    input_tokens: int
    max_output_tokens: int | None
    max_cost_nano_usd: int | None
    states: tuple[OpaqueState, ...]
    providers: frozenset[str]
    features: frozenset[Feature]


def needs(request: Request) -> Needs:
    """Return what *request* needs, stated or implied by what is in it."""
    prompt, stated = request.prompt, request.requirements
    if isinstance(prompt, EmbedPrompt):
        return _embedding_needs(prompt, stated)
    parts = list(_parts(prompt))
    tokens = _estimate(prompt, parts)
    output = prompt.sampling.max_output_tokens
    return Needs(
        capabilities=stated.capabilities | frozenset(_implied(prompt, parts)),
        regions=stated.regions,
        data_policies=stated.data_policies,
        context_tokens=max(tokens + (output or 0), stated.min_context_tokens or 0),
        input_tokens=tokens,
        max_output_tokens=output,
        max_cost_nano_usd=stated.max_cost_nano_usd,
        states=tuple(part.opaque for part in parts if part.opaque is not None),
        providers=frozenset(_bound_to(prompt, parts)),
        features=asked(prompt, parts),
    )


def provider_executed(prompt: Prompt | EmbedPrompt) -> bool:
    """Whether the provider itself would run tools: then a second lane would run them twice."""
    return isinstance(prompt, Prompt) and any(isinstance(tool.kind, ProviderBlock) for tool in prompt.tools)


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


def _parts(prompt: Prompt) -> Iterator[Part]:
    yield from prompt.system
    for message in prompt.messages:
        yield from _flat(message.parts)


def _flat(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        yield part
        if isinstance(part.kind, ToolResult):
            yield from part.kind.parts


def _implied(prompt: Prompt, parts: Iterable[Part]) -> Iterator[str]:
    yield "text"
    if prompt.tools:
        yield "tools"
    match prompt.response_format:
        case JsonSchemaFormat():
            yield "json_schema"
        case JsonObjectFormat():
            yield "json_object"
    if prompt.reasoning.effort not in {None, ReasoningEffort.NONE} or prompt.reasoning.budget_tokens is not None:
        yield "reasoning"
    for part in parts:
        if isinstance(part.kind, Media):
            yield _CAPABILITY_OF[part.kind.kind]


def _bound_to(prompt: Prompt, parts: Iterable[Part]) -> Iterator[str]:
    for tool in prompt.tools:
        if isinstance(tool.kind, ProviderBlock):
            yield tool.kind.provider
    for part in parts:
        if isinstance(part.kind, ProviderBlock):
            yield part.kind.provider


def _estimate(prompt: Prompt, parts: Iterable[Part]) -> int:
    size = sum(utf8_size(text) for part in parts for text in _texts(part))
    size += sum(
        utf8_size(tool.kind.description) + utf8_size(tool.kind.parameters_json_schema)
        for tool in prompt.tools
        if isinstance(tool.kind, FunctionTool)
    )
    media = sum(isinstance(part.kind, Media) for part in parts)
    return -(-size // _BYTES_PER_TOKEN) + _TOKENS_PER_MESSAGE * len(prompt.messages) + _TOKENS_PER_MEDIA * media


def _texts(part: Part) -> Iterator[str]:
    match part.kind:
        case Text(text) | Reasoning(text):
            yield text
        case ToolCall(_, name, arguments):
            yield name
            yield arguments
        case ProviderBlock(_, _, json):
            yield json
        case _:
            pass  # media is counted by piece; a tool result's own parts are listed by themselves
