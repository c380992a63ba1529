"""What servers that speak like OpenAI do in their own way."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import (
    CacheHint,
    Kind,
    Media,
    MediaKind,
    Message,
    Part,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from quickthorn_server.core.dialects import COMPATIBLE, DIALECTS, OPENAI, Dialect, dialect_of
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.features import Feature
from quickthorn_server.core.known import KNOWN
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonSchemaFormat,
    Prompt,
    ReasoningEffort,
    ReasoningOptions,
    Sampling,
    Tool,
)
from quickthorn_server.providers.openai import OpenAiFormat


def sent(provider: str, *messages: Message, whole: bool = True, base_url: str = "", **more: Any) -> dict[str, Any]:
    backend = Backend("b", provider, "m", "m", base_url=base_url)
    prompt = Prompt(messages or (Message(Role.USER, (Part(Text("hi")),)),), **more)
    found: dict[str, Any] = json.loads(OpenAiFormat(backend).request(prompt, whole=whole).body)
    return found


def content(provider: str, *parts: Part) -> Any:
    return sent(provider, Message(Role.USER, parts))["messages"][0]["content"]


def think(effort: ReasoningEffort | None = None, budget: int | None = None) -> ReasoningOptions:
    return ReasoningOptions(effort, budget)


def test_every_row_is_a_provider_with_what_its_wire_carries() -> None:
    """The table of providers is built from the rows: nothing is said twice."""
    for word, row in DIALECTS.items():
        assert KNOWN[word].carries == row.carries
        assert row.base_url == "" or urlsplit(row.base_url).hostname
        assert (Feature.THINKING_BUDGET in row.carries) is bool(row.budget)
        assert set(row.efforts) == set(ReasoningEffort)
        assert row.schemas or Feature.STRICT_SCHEMA not in row.carries


@pytest.mark.parametrize("provider", sorted({*DIALECTS, "openai"}))
def test_every_dialect_takes_the_whole_of_what_it_is_said_to_carry(provider: str) -> None:
    """Nothing that eligibility lets through fails when it is written."""
    carries = KNOWN[provider].carries
    given = {
        Feature.TEMPERATURE: ("temperature", 0.5),
        Feature.TOP_P: ("top_p", 0.5),
        Feature.TOP_K: ("top_k", 3),
        Feature.FREQUENCY_PENALTY: ("frequency_penalty", 0.5),
        Feature.PRESENCE_PENALTY: ("presence_penalty", 0.5),
        Feature.SEED: ("seed", 1),
        Feature.STOP: ("stop", ("x",)),
    }
    sampling: dict[str, Any] = dict(value for feature, value in given.items() if feature in carries)
    body = sent(provider, sampling=Sampling(9, **sampling), reasoning=think(ReasoningEffort.LOW))
    assert {DIALECTS[provider].names.get(name, name) if provider in DIALECTS else name for name in sampling} <= set(
        body
    )
    addresses = {
        Feature.IMAGE_URI: MediaKind.IMAGE,
        Feature.DOCUMENT_URI: MediaKind.DOCUMENT,
        Feature.AUDIO_URI: MediaKind.AUDIO,
        Feature.VIDEO_URI: MediaKind.VIDEO,
    }
    for feature in carries & addresses.keys():
        assert content(provider, Part(Media(addresses[feature], uri="https://x/y")))


@pytest.mark.parametrize(
    ("provider", "reasoning", "fields"),
    [
        ("groq", think(ReasoningEffort.MINIMAL), {"reasoning_effort": "low"}),
        ("groq", think(ReasoningEffort.MAX), {"reasoning_effort": "high"}),
        ("deepseek", think(ReasoningEffort.MAX), {"reasoning_effort": "max"}),
        ("deepseek", think(ReasoningEffort.NONE), {"thinking": {"type": "disabled"}}),
        ("together", think(ReasoningEffort.NONE), {"reasoning": {"enabled": False}}),
        ("openrouter", think(ReasoningEffort.MAX), {"reasoning": {"effort": "xhigh"}}),
        ("openrouter", think(ReasoningEffort.LOW, 2048), {"reasoning": {"max_tokens": 2048}}),
        ("mistral", think(ReasoningEffort.LOW), {"reasoning_effort": "high"}),
        ("vllm", think(budget=9), {"thinking_token_budget": 9}),
        ("fireworks", think(budget=9), {"reasoning_effort": 9}),
        ("perplexity", think(ReasoningEffort.NONE), {"reasoning_effort": "minimal"}),
        ("zai", think(ReasoningEffort.LOW), {"thinking": {"type": "enabled"}}),
    ],
)
def test_thinking_is_set_where_and_how_the_server_reads_it(
    provider: str, reasoning: ReasoningOptions, fields: dict[str, Any]
) -> None:
    """A word that a server does not know is its nearest."""
    found = sent(provider, reasoning=reasoning)
    assert {name: value for name, value in found.items() if name not in {"model", "messages"}} == fields


@pytest.mark.parametrize(
    ("provider", "more"),
    [
        ("groq", {"reasoning": think(budget=9)}),
        ("deepseek", {"response_format": JsonSchemaFormat("n", "{}")}),
    ],
)
def test_what_a_dialect_has_no_field_for_is_refused_here_and_not_there(provider: str, more: dict[str, Any]) -> None:
    """Another backend may carry it."""
    with pytest.raises(BackendError) as caught:
        sent(provider, **more)
    assert caught.value.failure is Failure.UNSUPPORTED


def test_fields_have_their_own_names() -> None:
    """The output limit and the seed; usage of a stream is asked for where that is understood."""
    asked = Sampling(9, seed=1)
    assert sent("mistral", sampling=asked, whole=False).items() >= {"max_tokens": 9, "random_seed": 1}.items()
    assert "stream_options" not in sent("mistral", whole=False)
    assert sent("groq", sampling=asked)["max_completion_tokens"] == 9
    assert sent("groq", whole=False)["stream_options"] == {"include_usage": True}


def test_mistral_knows_calls_by_nine_letters_and_digits() -> None:
    """Every other identifier becomes the same one in the call and in its result, in every turn."""
    calls = [
        ToolCall("call_with_a_long_name", "f", "{}"),
        ToolCall("another_one", "f", "{}"),
        ToolCall("aB3456789", "f", "{}"),
    ]
    found = sent(
        "mistral",
        Message(Role.ASSISTANT, tuple(Part(call) for call in calls)),
        Message(Role.USER, tuple(Part(ToolResult(call.id, (Part(Text("x")),))) for call in calls)),
    )["messages"]
    named = [call["id"] for call in found[0]["tool_calls"]]
    assert named == [result["tool_call_id"] for result in found[1:]]
    assert named[2] == "aB3456789"
    assert len(set(named)) == 3
    assert all(len(name) == 9 and name.isalnum() for name in named)
    assert sent("groq", Message(Role.ASSISTANT, (Part(calls[0]),)))["messages"][0]["tool_calls"][0]["id"] == calls[0].id


def test_instructions_within_a_conversation_are_told_by_the_user_where_they_must_come_first() -> None:
    """The nearest thing there is; elsewhere they are instructions."""
    late = Message(Role.SYSTEM, (Part(Text("in verse")),))
    assert sent("perplexity", late)["messages"] == [{"role": "user", "content": "in verse"}]
    assert sent("openrouter", late)["messages"] == [{"role": "system", "content": "in verse"}]


@pytest.mark.parametrize(
    ("provider", "kind", "item"),
    [
        (
            "mistral",
            Media(MediaKind.DOCUMENT, uri="https://x/a.pdf", filename="a.pdf"),
            {"type": "document_url", "document_url": "https://x/a.pdf", "document_name": "a.pdf"},
        ),
        (
            "openrouter",
            Media(MediaKind.DOCUMENT, uri="https://x/a.pdf"),
            {"type": "file", "file": {"filename": "document", "file_data": "https://x/a.pdf"}},
        ),
        (
            "vllm",
            Media(MediaKind.AUDIO, uri="https://x/a.mp3"),
            {"type": "audio_url", "audio_url": {"url": "https://x/a.mp3"}},
        ),
    ],
)
def test_media_where_dialects_differ(provider: str, kind: Kind, item: dict[str, Any]) -> None:
    """By the kind of content part that the server documents."""
    assert content(provider, Part(kind)) == [item]


@pytest.mark.parametrize(
    ("provider", "base_url", "dialect"),
    [
        ("openai", "", OPENAI),
        ("openai", "https://eu.api.openai.com/v1", OPENAI),
        ("openai", "http://127.0.0.1:8000/v1", COMPATIBLE),
        ("groq", "http://127.0.0.1:8000/v1", DIALECTS["groq"]),
    ],
)
def test_a_compatible_server_is_asked_for_more_than_openai(provider: str, base_url: str, dialect: Dialect) -> None:
    """It is known by its address alone, and says itself what it does not take; a word means its dialect anywhere."""
    assert dialect_of(provider, base_url) is dialect
    asked = sent(provider, base_url=base_url, sampling=Sampling(9))
    assert asked[dialect.limit] == 9
    assert (Feature.AUDIO_URI in dialect.carries) is (dialect is COMPATIBLE)


def test_cache_hints_go_where_they_are_read() -> None:
    """On content and tools for OpenRouter; five minutes is its default."""
    hinted = Part(Text("long"), cache=CacheHint(3600))
    mark = {"type": "ephemeral", "ttl": "1h"}
    assert content("openrouter", hinted) == [{"type": "text", "text": "long", "cache_control": mark}]
    tools = (Tool(FunctionTool("f"), CacheHint(300)),)
    assert sent("openrouter", tools=tools)["tools"][0]["cache_control"] == {"type": "ephemeral"}
    assert content("groq", hinted) == "long"


@pytest.mark.parametrize(
    ("model", "marked"),
    [("gpt-5.6-terra", True), ("gpt-6", True), ("gpt-5.5", False), ("gpt-4o", False), ("o4-mini", False)],
)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_openai_is_told_where_to_cache_since_models_know_it(api: str, model: str, marked: bool) -> None:
    """Older ones would refuse the mark, and are known not to carry it."""
    hinted = Part(Text("long"), cache=CacheHint())
    wire = OpenAiFormat(Backend("b", "openai", model, "m", options={"api": api}))
    body = json.loads(wire.request(Prompt((Message(Role.USER, (hinted,)),), system=(hinted,)), whole=True).body)
    mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    kind = "text" if api == "chat" else "input_text"
    written = [{"type": kind, "text": "long", **mark}] if marked else "long"
    assert (body["messages"] if api == "chat" else body["input"])[-1]["content"] == written
    assert json.dumps(body).count("prompt_cache_breakpoint") == 2 * marked


def test_options_are_read_by_both_names() -> None:
    """Those of the dialect's own name win."""
    given = {"openai": '{"user":"a","n":1}', "groq": '{"user":"b"}', "mistral": '{"user":"c"}'}
    found = sent("groq", provider_options_json=given)
    assert (found["user"], found["n"]) == ("b", 1)


@pytest.mark.parametrize(
    ("provider", "base_url", "path", "url"),
    [
        ("openai", "", "", "https://api.openai.com/v1/chat/completions"),
        ("openai", "https://api.openai.com", "", "https://api.openai.com/v1/chat/completions"),
        ("openai", "https://api.openai.com/v1/", "", "https://api.openai.com/v1/chat/completions"),
        ("openai", "https://x/v1/chat/completions", "", "https://x/v1/chat/completions"),
        ("openai", "http://127.0.0.1:8000/v1", "/other", "http://127.0.0.1:8000/v1/other"),
        ("groq", "", "", "https://api.groq.com/openai/v1/chat/completions"),
        ("groq", "https://api.groq.com", "", "https://api.groq.com/openai/v1/chat/completions"),
        ("xai", "https://api", "", "https://api/chat/completions"),
        ("ollama", "http://127.0.0.1:1143", "", "http://127.0.0.1:1143/chat/completions"),
        ("perplexity", "https://proxy/pplx", "", "https://proxy/pplx/chat/completions"),
    ],
)
def test_addresses(provider: str, base_url: str, path: str, url: str) -> None:
    """The bare host of a known service means its whole address; any other one is taken as it is."""
    wire = OpenAiFormat(Backend("b", provider, "m", "m", base_url=base_url, path=path))
    assert wire.request(Prompt(()), whole=True).url == url
