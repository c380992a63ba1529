"""Read off a prompt which features it uses, as far as wire formats differ in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress

from quickthorn_server.core.content import Media, MediaKind, Part, ToolResult
from quickthorn_server.core.embedding import EmbedPrompt, TokenIds
from quickthorn_server.core.features import Feature
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonSchemaFormat,
    Prompt,
    ReasoningEffort,
    Sampling,
    Tool,
    ToolChoice,
    ToolMode,
)

_NOTHING = frozenset[Feature]()
_PLAIN = Sampling()

_TUNABLES = (
    Feature.TEMPERATURE,
    Feature.TOP_P,
    Feature.TOP_K,
    Feature.FREQUENCY_PENALTY,
    Feature.PRESENCE_PENALTY,
    Feature.SEED,
    Feature.STOP,
)

_BY_URI = {
    MediaKind.IMAGE: Feature.IMAGE_URI,
    MediaKind.DOCUMENT: Feature.DOCUMENT_URI,
    MediaKind.AUDIO: Feature.AUDIO_URI,
    MediaKind.VIDEO: Feature.VIDEO_URI,
}
_BY_FILE = {
    MediaKind.IMAGE: Feature.IMAGE_FILE,
    MediaKind.DOCUMENT: Feature.DOCUMENT_FILE,
    MediaKind.AUDIO: Feature.AUDIO_FILE,
    MediaKind.VIDEO: Feature.VIDEO_FILE,
}


def asked(prompt: Prompt, parts: Sequence[Part]) -> frozenset[Feature]:
    """Return what *prompt* uses; *parts* are those of it, also inside tool results, that are more than words."""
    plain = _of_sampling(prompt.sampling) if prompt.sampling is not _PLAIN else _NOTHING
    found = {feature for part in parts for feature in _of_part(part)} if parts else set()
    if prompt.tools:
        found.update(_of_tools(prompt.tools, prompt.tool_choice))
    if isinstance(prompt.response_format, JsonSchemaFormat) and prompt.response_format.strict:
        found.add(Feature.STRICT_SCHEMA)
    if prompt.reasoning.effort is not None and prompt.reasoning.effort is not ReasoningEffort.NONE:
        found.add(Feature.EFFORT)
    if prompt.reasoning.budget_tokens is not None:
        found.add(Feature.THINKING_BUDGET)
    return plain | found if found else plain


def asked_of_embedding(prompt: EmbedPrompt) -> frozenset[Feature]:
    """Return what an embedding *prompt* uses."""
    given = {
        Feature.INPUT_TYPE: prompt.input_type is not None,
        Feature.DIMENSIONS: prompt.dimensions is not None,
        Feature.TOKEN_INPUTS: any(isinstance(each, TokenIds) for each in prompt.inputs),
        Feature.IMAGE_INPUTS: any(isinstance(each, Media) for each in prompt.inputs),
    }
    return frozenset(feature for feature, used in given.items() if used)


def _of_sampling(sampling: Sampling) -> frozenset[Feature]:
    return _tunables(
        sampling.temperature is not None,
        sampling.top_p is not None,
        sampling.top_k is not None,
        sampling.frequency_penalty is not None,
        sampling.presence_penalty is not None,
        sampling.seed is not None,
        bool(sampling.stop),
    )


@lru_cache(maxsize=128)  # all of them
def _tunables(*used: bool) -> frozenset[Feature]:
    return frozenset(compress(_TUNABLES, used))


def _of_tools(tools: Iterable[Tool], choice: ToolChoice | None) -> Iterator[Feature]:
    if choice is not None and (choice.name or choice.mode not in {None, ToolMode.AUTO}):
        yield Feature.TOOL_CHOICE
    if choice is not None and choice.parallel is False:
        yield Feature.PARALLEL_TOOL_CALLS
    for tool in tools:
        if isinstance(tool.kind, FunctionTool) and tool.kind.strict:
            yield Feature.STRICT_TOOLS
        if tool.cache is not None:
            yield Feature.CACHE_HINTS


def _of_part(part: Part) -> Iterator[Feature]:
    if part.cache is not None:
        yield Feature.CACHE_HINTS
        if part.cache.ttl is not None:
            yield Feature.CACHE_TTL
    kind = part.kind
    if isinstance(kind, Media):
        if kind.uri:
            yield _BY_URI[kind.kind]
        if kind.provider_file_id:
            yield _BY_FILE[kind.kind]
        if kind.detail and kind.kind is MediaKind.IMAGE:
            yield Feature.IMAGE_DETAIL
    elif isinstance(kind, ToolResult):
        if kind.is_error:
            yield Feature.TOOL_ERRORS
        if any(isinstance(each.kind, Media) for each in kind.parts):
            yield Feature.TOOL_RESULT_MEDIA
