"""What a wire format cannot carry keeps a backend out, unless it is a hint or the caller can do without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quickthorn_server.core.attempt import Attempt, Cause, Outcome
from quickthorn_server.core.catalogue import Backend, Catalogue, Entry, Route
from quickthorn_server.core.content import CacheHint, Media, MediaKind, Message, Part, Role, Text, ToolResult
from quickthorn_server.core.embedding import EmbedPrompt, InputType, TokenIds
from quickthorn_server.core.features import ALL_FEATURES, HINTS, MAY_DROP, Feature
from quickthorn_server.core.plan import Drop, Knowledge, Plan
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonSchemaFormat,
    Prompt,
    ReasoningEffort,
    ReasoningOptions,
    Sampling,
    Tool,
    ToolChoice,
    ToolMode,
)
from quickthorn_server.core.provider import AnyPrompt
from quickthorn_server.core.request import Directives, Request
from quickthorn_server.core.trimmed import trimmed
from quickthorn_server.routing.needs import needs
from quickthorn_server.routing.router import plan

CAN = frozenset({"text", "vision", "documents", "audio", "video", "tools", "json_schema", "reasoning", "embeddings"})


def prompt(*parts: Part, **more: Any) -> Prompt:
    return Prompt((Message(Role.USER, parts or (Part(Text("hi")),)),), **more)


def media(kind: MediaKind, **source: Any) -> Prompt:
    return prompt(Part(Media(kind, **source)))


TOOLS = (Tool(FunctionTool("f")),)
USES: list[tuple[AnyPrompt, set[Feature]]] = [
    (prompt(), set()),
    (prompt(sampling=Sampling(max_output_tokens=9)), set()),
    (prompt(sampling=Sampling(temperature=0.0, top_p=0.5)), {Feature.TEMPERATURE, Feature.TOP_P}),
    (prompt(sampling=Sampling(seed=0, top_k=1, stop=("x",))), {Feature.SEED, Feature.TOP_K, Feature.STOP}),
    (
        prompt(sampling=Sampling(frequency_penalty=0.0, presence_penalty=1.0)),
        {Feature.FREQUENCY_PENALTY, Feature.PRESENCE_PENALTY},
    ),
    (prompt(tools=TOOLS), set()),
    (prompt(tools=TOOLS, tool_choice=ToolChoice(ToolMode.AUTO, parallel=True)), set()),
    (prompt(tools=TOOLS, tool_choice=ToolChoice(name="f")), {Feature.TOOL_CHOICE}),
    (prompt(tools=TOOLS, tool_choice=ToolChoice(parallel=False)), {Feature.PARALLEL_TOOL_CALLS}),
    (prompt(tools=(Tool(FunctionTool("f", strict=True), CacheHint()),)), {Feature.STRICT_TOOLS, Feature.CACHE_HINTS}),
    (prompt(response_format=JsonSchemaFormat("n", "{}", strict=True)), {Feature.STRICT_SCHEMA}),
    (prompt(reasoning=ReasoningOptions(ReasoningEffort.NONE)), set()),
    (prompt(reasoning=ReasoningOptions(ReasoningEffort.LOW, 9)), {Feature.EFFORT, Feature.THINKING_BUDGET}),
    (prompt(Part(Text("a"), CacheHint(300.0))), {Feature.CACHE_HINTS, Feature.CACHE_TTL}),
    (media(MediaKind.IMAGE, data=b"1", detail="low"), {Feature.IMAGE_DETAIL}),
    (media(MediaKind.IMAGE, uri="https://x"), {Feature.IMAGE_URI}),
    (media(MediaKind.DOCUMENT, provider_file_id="f"), {Feature.DOCUMENT_FILE}),
    (media(MediaKind.VIDEO, uri="gs://x"), {Feature.VIDEO_URI}),
    (
        prompt(Part(ToolResult("1", (Part(Media(MediaKind.IMAGE, uri="u")),)))),
        {Feature.TOOL_RESULT_MEDIA, Feature.IMAGE_URI},
    ),
    (prompt(Part(ToolResult("1", (Part(Text("no")),), is_error=True))), {Feature.TOOL_ERRORS}),
    (EmbedPrompt(("a",)), set()),
    (
        EmbedPrompt(("a", TokenIds((1,))), InputType.QUERY, 8),
        {Feature.INPUT_TYPE, Feature.DIMENSIONS, Feature.TOKEN_INPUTS},
    ),
]


def planned(
    asked: AnyPrompt, carries: frozenset[Feature], may_drop: frozenset[Feature] = frozenset()
) -> tuple[Plan, Backend]:
    backend = Backend("b", "p", "m", "m", carries=carries, capabilities=CAN)
    catalogue = Catalogue({"b": backend}, {"r": Route("r", (Entry("b"),))}, "v")
    return plan(Request(asked, directives=Directives(may_drop=may_drop)), catalogue, Knowledge(), 0), backend


@pytest.mark.parametrize(("asked", "used"), USES)
def test_a_request_shows_what_it_uses(asked: AnyPrompt, used: set[Feature]) -> None:
    """Nothing but what is there, and a default that everybody shares is no feature."""
    assert needs(Request(asked)).features == used


@pytest.mark.parametrize(
    ("feature", "asked"), [(feature, asked) for asked, used in USES for feature in sorted(used - HINTS, key=str)]
)
def test_who_cannot_carry_it_is_not_asked(feature: Feature, asked: AnyPrompt) -> None:
    """The reason names the feature, and the way out where there is one."""
    result, _ = planned(asked, ALL_FEATURES - {feature})
    (verdict,) = result.verdicts
    assert (verdict.drop, result.order) == (Drop.FEATURE, ())
    assert f"p cannot carry {feature.value}" in verdict.detail
    assert ("directives.may_drop" in verdict.detail) == (feature in MAY_DROP)


@pytest.mark.parametrize(("asked", "used"), [pair for pair in USES if pair[1] & (MAY_DROP | HINTS)])
def test_what_may_be_dropped_is_dropped_and_said(asked: AnyPrompt, used: set[Feature]) -> None:
    """The backend is asked without it, the rest of the prompt is as it was, and the trace tells."""
    droppable = frozenset(used & (MAY_DROP | HINTS))
    result, backend = planned(asked, ALL_FEATURES - droppable, MAY_DROP)
    assert result.order == (backend,)
    assert result.left_out == {"b": droppable}
    rest = trimmed(asked, droppable)
    assert needs(Request(rest)).features == used - droppable
    assert trimmed(asked, frozenset()) == asked
    attempt = Attempt("b", "p", "m", Cause.FIRST, Outcome.WON, 0.0)
    told = result.trace((attempt,), 0).degraded
    assert all(feature.value in told for feature in droppable)
    assert result.trace((attempt,), None).degraded == ""


def test_a_hint_needs_no_leave() -> None:
    """A hint to a cache must not keep a call from failing over to a provider without one."""
    asked = prompt(Part(Text("a"), CacheHint(300.0)))
    result, backend = planned(asked, ALL_FEATURES - HINTS)
    assert result.order == (backend,)
    assert trimmed(asked, result.left_out["b"]) == prompt(Part(Text("a")))


def test_a_lifetime_is_left_out_without_its_hint() -> None:
    """Where only the lifetime cannot be carried, the hint stays."""
    asked = prompt(Part(Text("a"), CacheHint(300.0)))
    assert trimmed(asked, frozenset({Feature.CACHE_TTL})) == prompt(Part(Text("a"), CacheHint()))


def test_nothing_is_left_out_for_who_can_carry_it() -> None:
    """Leave to drop is no wish to."""
    asked = prompt(sampling=Sampling(seed=1))
    result, _ = planned(asked, ALL_FEATURES, MAY_DROP)
    assert result.left_out == {}
    assert replace(result.trace((), None), degraded="") == result.trace((), None)
