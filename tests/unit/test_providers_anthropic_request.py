"""What a prompt becomes on Anthropic's wire."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import (
    CacheHint,
    Citation,
    Kind,
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
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError, Failure
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
from quickthorn_server.core.secret import Secret
from quickthorn_server.providers.anthropic import AnthropicFormat
from quickthorn_server.providers.http_provider import Outgoing

SCHEMA = '{"type":"object", "properties":{"z":{"minimum":40.0},"a":{"const":1e2}}}'
SEARCH = '{"type":"web_search_20260318", "name":"web_search","max_uses":2.0}'
SOURCE = '{"type":"web_search_result_location","url":"u", "encrypted_index":"x","cited_text":"c","title":null}'
EPHEMERAL = {"type": "ephemeral"}
HI = {"role": "user", "content": [{"type": "text", "text": "hi"}]}


def said(role: Role, *kinds: Kind | Part) -> Message:
    return Message(role, tuple(kind if isinstance(kind, Part) else Part(kind) for kind in kinds))


def ask(*messages: Message, **more: Any) -> Prompt:
    return Prompt(messages or (said(Role.USER, Text("hi")),), **more)


def sent(prompt: Prompt, *, whole: bool = True, model: str = "m", **backend: Any) -> Outgoing:
    return AnthropicFormat(Backend("b", "anthropic", model, model, **backend)).request(prompt, whole=whole)


def body(prompt: Prompt, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sent(prompt, **more).body)
    return found


def blocks(role: Role, *kinds: Kind | Part) -> list[Any]:
    """Return what one turn becomes."""
    [turn] = body(ask(said(role, *kinds)))["messages"]
    assert turn["role"] == role.value
    found: list[Any] = turn["content"]
    return found


def refused(prompt: Prompt, **more: Any) -> Failure:
    with pytest.raises(BackendError) as caught:
        sent(prompt, **more)
    return caught.value.failure


def test_the_smallest_request() -> None:
    """Nothing is sent that was not asked for, but for the limit that the API demands."""
    assert body(ask()) == {"model": "m", "max_tokens": 4096, "messages": [HI]}
    assert body(ask(), whole=False)["stream"] is True


@pytest.mark.parametrize(
    ("backend", "url"),
    [
        ({}, "https://api.anthropic.com/v1/messages"),
        ({"base_url": "http://h:1/v1/"}, "http://h:1/v1/messages"),
        ({"base_url": "http://h/anthropic"}, "http://h/anthropic/v1/messages"),
        ({"base_url": "http://h", "path": "/v2/chat"}, "http://h/v2/chat"),
    ],
)
def test_where_it_is_sent(backend: dict[str, Any], url: str) -> None:
    """An address may end with the version, and with a slash."""
    assert sent(ask(), **backend).url == url


def test_the_headers() -> None:
    """The key, the version of the API, and what the configuration adds."""
    assert sent(ask(), api_key=Secret("sk-1")).headers == {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-api-key": "sk-1",
    }
    dated = sent(ask(), options={"api_version": "2026-10-21"}, headers={"X-Team": "a"}).headers
    assert (dated["anthropic-version"], dated["x-team"]) == ("2026-10-21", "a")


def test_betas_are_one_header() -> None:
    """The configuration's, the caller's, and those that a tool still needs, unless another date of one is named."""
    prompt = ask(
        tools=(Tool(ProviderBlock("anthropic", "mcp_toolset", '{"type":"mcp_toolset"}')),),
        provider_options_json={"anthropic": '{"betas":["b-1","a-1"]}'},
    )
    assert sent(prompt, headers={"Anthropic-Beta": "a-1, c-1"}).headers["anthropic-beta"] == (
        "a-1,c-1,b-1,mcp-client-2025-11-20"
    )
    assert "betas" not in body(prompt)
    newer = sent(prompt, headers={"anthropic-beta": "mcp-client-2026-09-15"}).headers["anthropic-beta"]
    assert newer == "mcp-client-2026-09-15,b-1,a-1"
    for wrong in ('{"betas":{}}', '{"betas":["a\\r\\nx: y"]}', '{"betas":[1]}', "[]"):
        assert refused(ask(provider_options_json={"anthropic": wrong})) is Failure.INVALID


def test_system_and_cache_hints() -> None:
    """System is blocks, so that hints sit on them; lifetimes are the API's two: the shorter one that suffices."""
    parts = [Part(Text(str(ttl)), CacheHint(ttl)) for ttl in (None, 60, 300, 301, 3600, 86_400)]
    marks = [block["cache_control"].get("ttl") for block in body(ask(system=tuple(parts)))["system"]]
    assert marks == [None, "5m", "5m", "1h", "1h", "1h"]
    assert body(ask(system=(Part(Text("")),))).get("system") is None


def test_a_conversation_with_tools() -> None:
    """Arguments byte for byte; results come first in their turn, with media, errors and hints."""
    image = Media(MediaKind.IMAGE, data=b"x", media_type="image/png")
    result = ToolResult("c1", (Part(Text("no")), Part(image)), is_error=True)
    prompt = ask(
        said(Role.USER, Text("go")),
        said(
            Role.ASSISTANT, Text("ok"), ToolCall("c1", "f", '{"a": 40.0}'), Part(ToolCall("c2", "g", ""), CacheHint())
        ),
        said(Role.USER, Text("and"), Part(result, CacheHint()), ToolResult("c2", ())),
    )
    text = sent(prompt).body.decode()
    assert '"input":{"a": 40.0}' in text
    _, assistant, user = json.loads(text)["messages"]
    assert assistant["content"] == [
        {"type": "text", "text": "ok"},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 40.0}},
        {"type": "tool_use", "id": "c2", "name": "g", "input": {}, "cache_control": EPHEMERAL},
    ]
    source = {"type": "base64", "media_type": "image/png", "data": "eA=="}
    assert user["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "c1",
            "content": [{"type": "text", "text": "no"}, {"type": "image", "source": source}],
            "is_error": True,
            "cache_control": EPHEMERAL,
        },
        {"type": "tool_result", "tool_use_id": "c2"},
        {"type": "text", "text": "and"},
    ]


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", "null"])
def test_arguments_that_are_no_object_are_wrapped(arguments: str) -> None:
    """The API takes objects only, and a model may have been cut short."""
    [call] = blocks(Role.ASSISTANT, ToolCall("c", "f", arguments))
    assert call["input"] == {"INVALID_JSON": arguments}


def test_thinking_goes_back_where_it_was_signed() -> None:
    """Signed here, or encrypted here: as it came.  Unsigned, or another provider's: the API would refuse it."""
    ours = OpaqueState("anthropic", "", "", b"sig")
    redacted = OpaqueState("anthropic", "", "redacted_thinking", b"enc")
    assert blocks(
        Role.ASSISTANT,
        Part(Reasoning("hm"), opaque=ours),
        Part(Reasoning(""), opaque=redacted),
        Reasoning("unsigned"),
        Part(Reasoning("theirs"), opaque=OpaqueState("openai", "", "i", b"x")),
        Text("yes"),
    ) == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "enc"},
        {"type": "text", "text": "yes"},
    ]


def test_sources_go_back_with_the_words_of_the_assistant() -> None:
    """Those that this API gave, byte for byte; a user's words have none."""
    cited = Part(Text("yes"), citations=(Citation(provider_json=SOURCE), Citation("u"), Citation(provider_json="{}")))
    [block] = blocks(Role.ASSISTANT, cited)
    assert block == {"type": "text", "text": "yes", "citations": [json.loads(SOURCE)]}
    assert SOURCE in sent(ask(said(Role.ASSISTANT, cited))).body.decode()
    assert blocks(Role.USER, cited) == [{"type": "text", "text": "yes"}]


def test_blocks_of_this_provider_are_sent_as_they_are() -> None:
    """In messages and as tools, byte for byte, marked for the cache where that is asked; others' are not sent."""
    block = ProviderBlock("anthropic", "web_search_20260318", SEARCH)
    prompt = ask(said(Role.ASSISTANT, block), tools=(Tool(block), Tool(block, CacheHint(3600))))
    text = sent(prompt).body.decode()
    assert text.count(SEARCH) == 2
    assert json.loads(text)["tools"][1] == {**json.loads(SEARCH), "cache_control": {**EPHEMERAL, "ttl": "1h"}}
    assert '"max_uses":2.0,"cache_control"' in text
    assert refused(ask(said(Role.USER, ProviderBlock("openai", "x", "{}")))) is Failure.UNSUPPORTED
    assert refused(ask(tools=(Tool(ProviderBlock("anthropic", "x", "[]"), CacheHint()),))) is Failure.INVALID


def test_a_container_is_named_in_the_turn_behind_it() -> None:
    """It is no block of a message; the answer to a call from inside must say where."""
    ran = said(Role.ASSISTANT, Text("x"), ProviderBlock("anthropic", "container", '{"id":"c-1","expires_at":"t"}'))
    found = body(ask(said(Role.USER, Text("hi")), ran, said(Role.USER, Text("more"))))
    assert found["container"] == "c-1"
    assert found["messages"][1]["content"] == [{"type": "text", "text": "x"}]
    assert "container" not in body(ask(said(Role.USER, Text("hi")), ran, said(Role.ASSISTANT, Text("later"))))


def test_refusals_are_words_and_nothing_is_nothing() -> None:
    """Text without a letter, which the API refuses, is left out, and with it a turn that has nothing else."""
    assert blocks(Role.ASSISTANT, Refusal("I cannot."), Text(""), Text("\n\n")) == [
        {"type": "text", "text": "I cannot."}
    ]
    assert body(ask(said(Role.USER, Text("hi")), said(Role.ASSISTANT, Text(""))))["messages"] == [HI]


U, A, S = said(Role.USER, Text("u")), said(Role.ASSISTANT, Text("a")), said(Role.SYSTEM, Text("s"))


@pytest.mark.parametrize(
    ("model", "turns", "expected"),
    [
        ("claude-opus-5", (S, U), ("s", "u")),
        ("claude-opus-5", (U, S, A, U), ("", "usau")),
        ("claude-opus-5", (U, S), ("", "us")),
        ("claude-opus-5", (U, A, S, U), ("", "uaus")),
        ("claude-opus-5", (U, S, S), ("", "us")),
        ("claude-opus-5", (U, A, S), ("s", "ua")),
        ("claude-opus-5", (U, A, S, A), ("s", "uaa")),
        ("claude-sonnet-4-5", (U, S, A, U), ("s", "uau")),
    ],
)
def test_instructions_in_the_middle(model: str, turns: tuple[Message, ...], expected: tuple[str, str]) -> None:
    """They stay where the model takes them: behind a user's turn, before the assistant's.  Else they join `system`."""
    found = body(ask(*turns), model=model)
    roles = "".join(turn["role"][0] for turn in found["messages"])
    assert ("s" if found.get("system") else "", roles) == expected
    assert str(found).count("'s'") == sum(turn is S for turn in turns), "every instruction is sent once"


PDF = Media(MediaKind.DOCUMENT, data=b"%PDF", media_type="application/pdf", filename="a.pdf")


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        (
            Media(MediaKind.IMAGE, data=b"x", media_type="image/jpg"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "eA=="}},
        ),
        (
            Media(MediaKind.IMAGE, uri="https://h/a.png"),
            {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}},
        ),
        (
            Media(MediaKind.IMAGE, provider_file_id="file_1"),
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        ),
        (
            PDF,
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": b64encode(b"%PDF").decode()},
                "title": "a.pdf",
            },
        ),
        (
            Media(MediaKind.DOCUMENT, data="é".encode(), media_type="text/markdown; charset=utf-8"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
        ),
        (
            Media(MediaKind.DOCUMENT, uri="https://h/a.pdf"),
            {"type": "document", "source": {"type": "url", "url": "https://h/a.pdf"}},
        ),
        (
            Media(MediaKind.DOCUMENT, provider_file_id="file_1"),
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        ),
    ],
)
def test_media(media: Media, expected: dict[str, Any]) -> None:
    """Inline, by address, by the provider's file id, with their hints; files need no beta any more (August 2026)."""
    assert blocks(Role.USER, media) == [expected]
    assert blocks(Role.USER, Part(media, CacheHint())) == [{**expected, "cache_control": EPHEMERAL}]
    assert "anthropic-beta" not in sent(ask(said(Role.USER, media))).headers


@pytest.mark.parametrize(
    "media",
    [
        Media(MediaKind.AUDIO, data=b"x", media_type="audio/wav"),
        Media(MediaKind.VIDEO, uri="https://h/a.mp4"),
        Media(MediaKind.IMAGE, data=b"x", media_type="image/svg+xml"),
        Media(MediaKind.IMAGE, data=b"x"),
        Media(MediaKind.IMAGE, uri="gs://bucket/a.png"),
        Media(MediaKind.IMAGE, uri="data:,x"),
        Media(MediaKind.DOCUMENT, data=b"\xff", media_type="text/plain"),
        Media(MediaKind.DOCUMENT, data=b"x", media_type="application/msword"),
    ],
)
def test_media_that_the_api_does_not_read(media: Media) -> None:
    """Another backend may."""
    assert refused(ask(said(Role.USER, media))) is Failure.UNSUPPORTED


def test_tools() -> None:
    """Schemas byte for byte, hints and strictness where they are said; a tool without parameters takes an object."""
    function = FunctionTool("f", "does", SCHEMA, strict=True)
    prompt = ask(tools=(Tool(function, CacheHint()), Tool(FunctionTool("g"))))
    assert f'"input_schema":{SCHEMA}' in sent(prompt).body.decode()
    assert body(prompt)["tools"] == [
        {
            "name": "f",
            "description": "does",
            "input_schema": json.loads(SCHEMA),
            "strict": True,
            "cache_control": EPHEMERAL,
        },
        {"name": "g", "input_schema": {"type": "object"}},
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (ToolChoice(), None),
        (ToolChoice(ToolMode.AUTO), {"type": "auto"}),
        (ToolChoice(ToolMode.NONE, parallel=False), {"type": "none"}),
        (ToolChoice(ToolMode.REQUIRED), {"type": "any"}),
        (ToolChoice(name="f"), {"type": "tool", "name": "f"}),
        (ToolChoice(parallel=False), {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(name="f", parallel=True), {"type": "tool", "name": "f", "disable_parallel_tool_use": False}),
    ],
)
def test_tool_choice(choice: ToolChoice | None, expected: dict[str, Any] | None) -> None:
    """Only where there is something to choose from: the API refuses it otherwise."""
    assert body(ask(tools=(Tool(FunctionTool("f")),), tool_choice=choice)).get("tool_choice") == expected
    assert "tool_choice" not in body(ask(tool_choice=choice))


def test_sampling() -> None:
    """Under the API's own names; what it has no name for is refused."""
    sampling = Sampling(9, temperature=0.0, top_p=0.5, top_k=3, stop=("END", "\n\nHuman:"))
    found = body(ask(sampling=sampling))
    assert {name: found[name] for name in ("max_tokens", "temperature", "top_p", "top_k", "stop_sequences")} == {
        "max_tokens": 9,
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 3,
        "stop_sequences": ["END", "\n\nHuman:"],
    }


NO_SAMPLING = {"options": {"api_version": "2026-10-21"}}


@pytest.mark.parametrize(
    ("sampling", "backend"),
    [
        (Sampling(seed=1), {}),
        (Sampling(frequency_penalty=0.0), {}),
        (Sampling(presence_penalty=1.0), {}),
        (Sampling(temperature=1.5), {}),
        (Sampling(stop=(" \n",)), {}),
        (Sampling(temperature=0.2), {"model": "claude-opus-4-7"}),
        (Sampling(top_k=1), {"model": "claude-sonnet-5"}),
        (Sampling(top_p=0.9), NO_SAMPLING),
    ],
)
def test_sampling_that_the_api_or_the_model_does_not_know(sampling: Sampling, backend: dict[str, Any]) -> None:
    """Its 400 would end the call; so it is not asked."""
    assert refused(ask(sampling=sampling), **backend) is Failure.UNSUPPORTED


def test_a_temperature_of_1_is_what_every_model_has() -> None:
    """It is left out where the word itself would be refused."""
    one = ask(sampling=Sampling(temperature=1.0))
    assert body(one, model="claude-sonnet-4-5")["temperature"] == 1.0
    assert "temperature" not in body(one, model="claude-opus-5")
    assert "temperature" not in body(one, **NO_SAMPLING)


@pytest.mark.parametrize(
    ("prompt", "backend", "expected"),
    [
        (ask(sampling=Sampling(7)), {"params": {"max_tokens": 8}}, 7),
        (ask(), {"params": {"max_tokens": 8}, "options": {"max_output": 9}}, 8),
        (ask(), {"params": {"max_output_tokens": 8}}, 8),
        (ask(), {"params": {"max_tokens": None}, "options": {"max_output": 9}}, 9),
        (ask(), {"model": "claude-opus-5"}, 16_384),
        (ask(reasoning=ReasoningOptions(budget_tokens=2048)), {}, 6144),
        (ask(reasoning=ReasoningOptions(ReasoningEffort.HIGH)), {}, 16_384),
        (ask(reasoning=ReasoningOptions(ReasoningEffort.NONE)), {"model": "claude-opus-5"}, 4096),
    ],
)
def test_the_output_limit(prompt: Prompt, backend: dict[str, Any], expected: int) -> None:
    """The request's, else the backend's, else room for an answer, and for thinking where there will be some."""
    assert body(prompt, **backend)["max_tokens"] == expected


def test_params_fill_what_is_left_open() -> None:
    """Null leaves a field out; thinking takes away the defaults that it excludes; options come last and win."""
    params = {"temperature": 0.2, "top_k": 5, "service_tier": "auto", "metadata": None}
    found = body(ask(), params=params)
    assert (found["temperature"], found["service_tier"], "metadata" in found) == (0.2, "auto", False)
    thinking = body(ask(reasoning=ReasoningOptions(budget_tokens=1024)), params=params)
    assert thinking.keys() & {"temperature", "top_k", "top_p"} == set()
    assert body(ask(sampling=Sampling(temperature=0.5)), params=params)["temperature"] == 0.5
    chosen = ask(provider_options_json={"anthropic": '{"max_tokens": 5,"metadata":{"user_id": "1.0"}}', "openai": "{}"})
    assert b'"max_tokens":5' in sent(chosen, params=params).body
    assert b'"metadata":{"user_id": "1.0"}' in sent(chosen, params=params).body


EFFORT = ReasoningEffort


@pytest.mark.parametrize(
    ("model", "reasoning", "thinking", "effort"),
    [
        ("m", ReasoningOptions(), None, None),
        ("m", ReasoningOptions(EFFORT.LOW), {"type": "adaptive"}, "low"),
        ("m", ReasoningOptions(budget_tokens=2000), {"type": "enabled", "budget_tokens": 2000}, None),
        ("m", ReasoningOptions(EFFORT.MAX, 2000), {"type": "enabled", "budget_tokens": 2000}, "max"),
        ("m", ReasoningOptions(EFFORT.NONE), {"type": "disabled"}, None),
        ("claude-opus-4-6", ReasoningOptions(EFFORT.MINIMAL), {"type": "adaptive"}, "low"),
        ("claude-opus-4-6", ReasoningOptions(EFFORT.MAX, show=True), {"type": "adaptive"}, "max"),
        ("claude-opus-4-7", ReasoningOptions(EFFORT.NONE), None, None),
        (
            "claude-opus-4-8",
            ReasoningOptions(EFFORT.HIGH, show=True),
            {"type": "adaptive", "display": "summarized"},
            "high",
        ),
        ("claude-opus-4-8", ReasoningOptions(show=True), None, None),
        ("claude-opus-5", ReasoningOptions(EFFORT.MEDIUM), None, "medium"),
        ("claude-opus-5", ReasoningOptions(show=True), {"type": "adaptive", "display": "summarized"}, None),
        ("claude-opus-5", ReasoningOptions(EFFORT.NONE), {"type": "disabled"}, None),
        ("claude-sonnet-5-5", ReasoningOptions(EFFORT.NONE), {"type": "between_tools"}, None),
        ("claude-opus-4-5", ReasoningOptions(EFFORT.MAX), None, "high"),
        ("claude-haiku-4-5", ReasoningOptions(EFFORT.MEDIUM), {"type": "enabled", "budget_tokens": 8192}, None),
        ("claude-haiku-4-5", ReasoningOptions(EFFORT.NONE), None, None),
        ("claude-sonnet-4-5", ReasoningOptions(budget_tokens=0), None, None),
    ],
)
def test_how_hard_to_think(
    model: str, reasoning: ReasoningOptions, thinking: dict[str, Any] | None, effort: str | None
) -> None:
    """A word where the model has words, a budget where it has budgets, its own default where nothing is asked."""
    found = body(ask(reasoning=reasoning), model=model)
    assert (found.get("thinking"), found.get("output_config", {}).get("effort")) == (thinking, effort)


BUDGET = ReasoningOptions(budget_tokens=1024)


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("claude-opus-5", {"reasoning": BUDGET}),
        ("claude-opus-5-5", {"reasoning": ReasoningOptions(EFFORT.NONE)}),
        ("m", {"reasoning": ReasoningOptions(budget_tokens=1023)}),
        ("m", {"reasoning": BUDGET, "sampling": Sampling(1024)}),
        ("claude-haiku-4-5", {"reasoning": ReasoningOptions(EFFORT.LOW), "sampling": Sampling(1000)}),
        ("claude-3-haiku-20240307", {"reasoning": ReasoningOptions(EFFORT.LOW)}),
        ("m", {"reasoning": BUDGET, "sampling": Sampling(temperature=0.5)}),
        ("m", {"reasoning": BUDGET, "sampling": Sampling(top_k=5)}),
        ("m", {"reasoning": BUDGET, "sampling": Sampling(top_p=0.9)}),
        ("m", {"reasoning": BUDGET, "tool_choice": ToolChoice(name="f")}),
        ("claude-opus-5-5", {"tool_choice": ToolChoice(ToolMode.REQUIRED)}),
    ],
)
def test_thinking_that_does_not_go_together(model: str, more: dict[str, Any]) -> None:
    """What the API would refuse is refused here, where the next candidate may still do it."""
    assert refused(ask(tools=(Tool(FunctionTool("f")),), **more), model=model) is Failure.UNSUPPORTED


def test_structured_output() -> None:
    """A schema, byte for byte, beside the effort; any JSON at all is not to be had."""
    prompt = ask(
        response_format=JsonSchemaFormat("n", SCHEMA, "d", strict=False), reasoning=ReasoningOptions(EFFORT.LOW)
    )
    text = sent(prompt, params={"output_config": {"task_budget": 1}}).body.decode()
    assert f'"format":{{"type":"json_schema","schema":{SCHEMA}}}' in text
    assert json.loads(text)["output_config"].keys() == {"task_budget", "effort", "format"}
    assert body(ask(response_format=TextFormat())) == body(ask())
    assert refused(ask(response_format=JsonObjectFormat())) is Failure.UNSUPPORTED


def test_it_does_not_embed() -> None:
    """Anthropic has no vectors."""
    with pytest.raises(BackendError) as caught:
        AnthropicFormat(Backend("b", "anthropic", "m", "m")).batches(EmbedPrompt(("a",)))
    assert caught.value.failure is Failure.UNSUPPORTED
