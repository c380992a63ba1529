"""A prompt without what its backend cannot carry and its caller can do without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from quickthorn_server.core.content import Media, Message, Part, ToolResult
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.features import Feature
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonSchemaFormat,
    ReasoningOptions,
    ResponseFormat,
    Sampling,
    Tool,
    ToolChoice,
)
from quickthorn_server.core.provider import AnyPrompt

_SAMPLING: Mapping[Feature, str] = {
    Feature.TEMPERATURE: "temperature",
    Feature.TOP_P: "top_p",
    Feature.TOP_K: "top_k",
    Feature.FREQUENCY_PENALTY: "frequency_penalty",
    Feature.PRESENCE_PENALTY: "presence_penalty",
    Feature.SEED: "seed",
}
_REASONING: Mapping[Feature, str] = {Feature.EFFORT: "effort", Feature.THINKING_BUDGET: "budget_tokens"}


def trimmed(prompt: AnyPrompt, out: frozenset[Feature]) -> AnyPrompt:
    """Return *prompt* without the features in *out*, of which only hints and droppable ones mean anything here."""
    if isinstance(prompt, EmbedPrompt):
        return replace(prompt, input_type=None) if Feature.INPUT_TYPE in out else prompt
    part = _part_without(out)
    return replace(
        prompt,
        system=tuple(part(each) for each in prompt.system),
        messages=tuple(Message(each.role, tuple(part(one) for one in each.parts)) for each in prompt.messages),
        tools=tuple(_tool(each, out) for each in prompt.tools),
        tool_choice=_choice(prompt.tool_choice, out),
        response_format=_format(prompt.response_format, out),
        sampling=_sampling(prompt.sampling, out),
        reasoning=_reasoning(prompt.reasoning, out),
    )


def _sampling(sampling: Sampling, out: frozenset[Feature]) -> Sampling:
    left: dict[str, Any] = {name: None for feature, name in _SAMPLING.items() if feature in out}
    if Feature.STOP in out:
        left["stop"] = ()
    return replace(sampling, **left)


def _reasoning(reasoning: ReasoningOptions, out: frozenset[Feature]) -> ReasoningOptions:
    left: dict[str, Any] = {name: None for feature, name in _REASONING.items() if feature in out}
    return replace(reasoning, **left)


def _choice(choice: ToolChoice | None, out: frozenset[Feature]) -> ToolChoice | None:
    if choice is not None and Feature.TOOL_CHOICE in out:
        choice = replace(choice, mode=None, name="")
    if choice is not None and Feature.PARALLEL_TOOL_CALLS in out:
        choice = replace(choice, parallel=None)
    return choice


def _tool(tool: Tool, out: frozenset[Feature]) -> Tool:
    kind = tool.kind
    if isinstance(kind, FunctionTool) and Feature.STRICT_TOOLS in out:
        kind = replace(kind, strict=None)
    return Tool(kind, None if Feature.CACHE_HINTS in out else tool.cache)


def _format(wanted: ResponseFormat | None, out: frozenset[Feature]) -> ResponseFormat | None:
    if isinstance(wanted, JsonSchemaFormat) and Feature.STRICT_SCHEMA in out:
        return replace(wanted, strict=None)
    return wanted


def _part_without(out: frozenset[Feature]) -> Callable[[Part], Part]:
    hints = out & {Feature.CACHE_HINTS, Feature.CACHE_TTL, Feature.IMAGE_DETAIL, Feature.TOOL_ERRORS}

    def part(given: Part) -> Part:
        kind = given.kind
        if isinstance(kind, Media) and Feature.IMAGE_DETAIL in hints:
            kind = replace(kind, detail="")
        if isinstance(kind, ToolResult):
            failed = kind.is_error and Feature.TOOL_ERRORS not in hints
            kind = replace(kind, parts=tuple(part(each) for each in kind.parts), is_error=failed)
        cache = given.cache
        if Feature.CACHE_HINTS in hints:
            cache = None
        elif cache is not None and Feature.CACHE_TTL in hints:
            cache = replace(cache, ttl=None)
        return replace(given, kind=kind, cache=cache)

    return part if hints else lambda given: given
