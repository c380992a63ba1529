"""A request with every field filled, and the value that it must be read as."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quickthorn import messages as pb
from quickthorn_server.core.catalogue import OnBreak
from quickthorn_server.core.content import (
    CacheHint,
    Citation,
    Media,
    MediaKind,
    Message,
    OpaqueState,
    Part,
    ProviderBlock,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from quickthorn_server.core.features import Feature
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    Prompt,
    ReasoningEffort,
    ReasoningOptions,
    Sampling,
    TextFormat,
    Tool,
    ToolChoice,
    ToolMode,
)
from quickthorn_server.core.request import Directives, Objective, Preferences, Priority, Request, Requirements

SCHEMA = '{"type": "object", "properties": {"b": {"type": "integer"}, "a": {}}, "required": ["b"], "x": 40.0}'

_CITATION = {"uri": "u", "title": "t", "cited_text": "c", "start": 0, "end": 3, "provider_json": "{}"}
_OPAQUE = {"provider": "gemini", "model": "m", "item_id": "i", "data": b"\x00\xff"}
_BLOCK = {"provider": "anthropic", "type": "server_tool_use", "json": '{"a": 40.0}'}
_MEDIA = {"media_type": "image/png", "filename": "f.png", "detail": "low"}


def full_request() -> pb.CompletionRequest:
    """Return a request in which every field is set, of each oneof as many cases as lists allow."""
    return pb.CompletionRequest(
        route="fast",
        system=[{"text": "Be brief.", "cache": {"ttl": {"seconds": 300, "nanos": 500_000_000}}}],
        messages=[_user(), _assistant(), {"role": pb.Role.ROLE_SYSTEM, "parts": [{"text": "Go on."}]}],
        tools=[
            {"function": {"name": "f", "description": "d", "parameters_json_schema": SCHEMA, "strict": False}},
            {"provider_tool": {**_BLOCK, "type": "web_search"}, "cache": {}},
        ],
        tool_choice={"name": "f", "parallel": False},
        response_format={"json_schema": {"name": "n", "schema": SCHEMA, "description": "d", "strict": True}},
        sampling={
            "max_output_tokens": 1,
            "temperature": 0.0,
            "top_p": 1.0,
            "top_k": 40,
            "frequency_penalty": -2.0,
            "presence_penalty": 2.0,
            "seed": -(2**63),
            "stop": ["\n\n", "###"],
        },
        reasoning={"effort": pb.ReasoningEffort.REASONING_EFFORT_LOW, "budget_tokens": 0, "show": True},
        requirements={
            "capabilities": ["text", "tools"],
            "regions": ["eu", "uk"],
            "data_policies": ["zdr"],
            "max_cost_nano_usd": 0,
            "max_first_token": {"nanos": 250_000_000},
            "min_context_tokens": 0,
        },
        preferences={
            "objective": pb.Objective.OBJECTIVE_COST,
            "backends": ["b", "a"],
            "regions": ["us", "eu"],
            "target_cost_nano_usd": 7,
            "target_first_token": {"seconds": 2},
        },
        directives={
            "backend": "a",
            "allow_backends": ["a", "b"],
            "deny_backends": ["c"],
            "hedging": False,
            "failover": False,
            "session_id": "s",
            "experiment_key": "e",
            "on_break": pb.OnBreak.ON_BREAK_FAIL,
            "priority": pb.Priority.PRIORITY_CRITICAL,
            "consistency": pb.Consistency.CONSISTENCY_SAME_MODEL,
            "task": "t",
            "complexity": "c",
            "may_drop": ["seed", "top_k"],
            "max_extra_cost_nano_usd": 9,
        },
        provider_options_json={"openai": '{"b": 1, "a": 40.0}'},
        labels={"team": "green"},
        request_id="mine-1",
    )


def full_requests() -> Iterator[pb.CompletionRequest]:
    """Yield the full request, and the same with each other case of the oneofs that occur once."""
    yield full_request()
    for given, _ in CHOICES:
        request = full_request()
        for name in given:
            request.ClearField(name)
        request.MergeFrom(pb.CompletionRequest(**given))
        yield request


def _user() -> dict[str, object]:
    result = {"tool_call_id": "1", "parts": [{"text": "21 C"}, {"image": {"uri": "https://i"}}], "is_error": True}
    return {
        "role": pb.Role.ROLE_USER,
        "parts": [
            {"text": "What is this?"},
            {"image": {**_MEDIA, "data": b"\x89PNG"}},
            {"document": {**_MEDIA, "uri": "https://example.com/a.pdf"}},
            {"audio": {**_MEDIA, "provider_file_id": "file-1"}},
            {"video": {"uri": "https://example.com/a.mp4"}},
            {"tool_result": result},
        ],
    }


def _assistant() -> dict[str, object]:
    return {
        "role": pb.Role.ROLE_ASSISTANT,
        "parts": [
            {"reasoning": "hm", "opaque": _OPAQUE},
            {"text": "A cat.", "citations": [_CITATION, {"uri": "v"}]},
            {"tool_call": {"id": "1", "name": "f", "arguments_json": '{"a": 40.0'}, "opaque": {"provider": "gemini"}},
            {"refusal": "No."},
            {"provider_block": _BLOCK},
        ],
    }


_ICON = Media(MediaKind.IMAGE, uri="https://i")

FULL_PROMPT = Prompt(
    system=(Part(Text("Be brief."), cache=CacheHint(300.5)),),
    messages=(
        Message(
            Role.USER,
            (
                Part(Text("What is this?")),
                Part(Media(MediaKind.IMAGE, b"\x89PNG", "", "", "image/png", "f.png", "low")),
                Part(Media(MediaKind.DOCUMENT, None, "https://example.com/a.pdf", "", "image/png", "f.png", "low")),
                Part(Media(MediaKind.AUDIO, None, "", "file-1", "image/png", "f.png", "low")),
                Part(Media(MediaKind.VIDEO, uri="https://example.com/a.mp4")),
                Part(
                    ToolResult("1", (Part(Text("21 C")), Part(Media(MediaKind.IMAGE, uri="https://i"))), is_error=True)
                ),
            ),
        ),
        Message(
            Role.ASSISTANT,
            (
                Part(Reasoning("hm"), opaque=OpaqueState("gemini", "m", "i", b"\x00\xff")),
                Part(Text("A cat."), citations=(Citation("u", "t", "c", 0, 3, "{}"), Citation("v"))),
                Part(ToolCall("1", "f", '{"a": 40.0'), opaque=OpaqueState("gemini", "", "", b"")),
                Part(Refusal("No.")),
                Part(ProviderBlock("anthropic", "server_tool_use", '{"a": 40.0}')),
            ),
        ),
        Message(Role.SYSTEM, (Part(Text("Go on.")),)),
    ),
    tools=(
        Tool(FunctionTool("f", "d", SCHEMA, strict=False)),
        Tool(ProviderBlock("anthropic", "web_search", '{"a": 40.0}'), CacheHint()),
    ),
    tool_choice=ToolChoice(name="f", parallel=False),
    response_format=JsonSchemaFormat("n", SCHEMA, "d", strict=True),
    sampling=Sampling(1, 0.0, 1.0, 40, -2.0, 2.0, -(2**63), ("\n\n", "###")),
    reasoning=ReasoningOptions(ReasoningEffort.LOW, 0, show=True),
    provider_options_json={"openai": '{"b": 1, "a": 40.0}'},
)

FULL = Request(
    route="fast",
    prompt=FULL_PROMPT,
    requirements=Requirements(frozenset({"text", "tools"}), frozenset({"eu", "uk"}), frozenset({"zdr"}), 0, 0.25, 0),
    preferences=Preferences(Objective.COST, ("b", "a"), ("us", "eu"), 7, 2.0),
    directives=Directives(
        backend="a",
        allow_backends=frozenset({"a", "b"}),
        deny_backends=frozenset({"c"}),
        hedging=False,
        failover=False,
        same_model=True,
        priority=Priority.CRITICAL,
        may_drop=frozenset({Feature.SEED, Feature.TOP_K}),
        max_extra_cost_nano_usd=9,
        on_break=OnBreak.FAIL,
    ),
    labels={"team": "green"},
    request_id="mine-1",
)
"""What `full_request` says."""

CHOICES: list[tuple[dict[str, Any], object]] = [
    ({"tool_choice": {"mode": pb.ToolMode.TOOL_MODE_REQUIRED}}, ToolChoice(ToolMode.REQUIRED)),
    ({"tool_choice": {"mode": pb.ToolMode.TOOL_MODE_NONE}}, ToolChoice(ToolMode.NONE)),
    ({"tool_choice": {"mode": pb.ToolMode.TOOL_MODE_AUTO, "parallel": True}}, ToolChoice(ToolMode.AUTO, "", True)),
    ({"tool_choice": {"mode": pb.ToolMode.TOOL_MODE_UNSPECIFIED}}, ToolChoice()),
    ({"tool_choice": {"name": "web_search"}}, ToolChoice(name="web_search")),
    ({"response_format": {"json_object": {}}}, JsonObjectFormat()),
    ({"response_format": {"text": {}}}, TextFormat()),
    ({"response_format": {}}, None),
    ({"response_format": {"json_schema": {"schema": "{}"}}}, JsonSchemaFormat("response", "{}")),
]
"""The other cases of oneofs that occur once in a request: a field, and what it must be read as."""
