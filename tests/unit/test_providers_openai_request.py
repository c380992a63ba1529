"""What a prompt becomes on OpenAI's wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import (
    Kind,
    Media,
    MediaKind,
    Message,
    Part,
    ProviderBlock,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
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
from quickthorn_server.providers.openai_request import RequestForm

OPENAI = "https://api.openai.com/v1"
SCHEMA = '{"type":"object", "properties":{"z":{"minimum":40.0},"a":{"const":1e2}}}'


def said(role: Role, *kinds: Kind) -> Message:
    return Message(role, tuple(Part(kind) for kind in kinds))


def ask(*messages: Message, **more: Any) -> Prompt:
    return Prompt(messages or (said(Role.USER, Text("hi")),), **more)


def body_text(prompt: Prompt, *, whole: bool = True, base_url: str = OPENAI, **params: Any) -> str:
    backend = Backend("b", "openai", "m", "m", base_url=base_url, params=params)
    return RequestForm(backend).body(prompt, whole=whole).decode()


def body(prompt: Prompt, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body_text(prompt, **more))
    return found


def turns(*messages: Message) -> list[Any]:
    found: list[Any] = body(ask(*messages))["messages"]
    return found


def test_the_smallest_request() -> None:
    """Nothing is sent that was not asked for."""
    assert body(ask()) == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_a_stream_asks_for_its_usage() -> None:
    """Without being asked, OpenAI reports no usage of a stream."""
    found = body(ask(), whole=False)
    assert found["stream"] is True
    assert found["stream_options"] == {"include_usage": True}


def test_a_conversation_with_tools() -> None:
    """System first, calls on the assistant's turn, results as tool messages right behind it."""
    found = body(
        ask(
            said(Role.USER, Text("what is it like?")),
            said(Role.ASSISTANT, Reasoning("hm"), Text("I ask."), ToolCall("c1", "weather", '{"city": "Oslo"}')),
            said(Role.USER, ToolResult("c1", (Part(Text("rain")),)), Text("and?")),
            said(Role.SYSTEM, Text("now in verse")),
            system=(Part(Text("be brief")),),
        )
    )
    function = {"name": "weather", "arguments": '{"city": "Oslo"}'}
    assert found["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "what is it like?"},
        {
            "role": "assistant",
            "content": "I ask.",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "user", "content": "and?"},
        {"role": "system", "content": "now in verse"},
    ]


def test_what_a_tool_returns_beside_text_follows_all_tool_messages() -> None:
    """A tool message carries text only, and nothing may stand between two of them."""
    picture = Media(MediaKind.IMAGE, uri="https://x/y.png")
    found = turns(
        said(Role.USER, ToolResult("c1", (Part(Text("see")), Part(picture))), ToolResult("c2", (Part(Text("two")),)))
    )
    assert found == [
        {"role": "tool", "tool_call_id": "c1", "content": "see"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
    ]


def test_an_assistant_turn_of_calls_alone_has_no_content() -> None:
    """As OpenAI itself writes it."""
    assert turns(said(Role.ASSISTANT, ToolCall("c", "f", "{}")))[0]["content"] is None
    assert turns(said(Role.ASSISTANT, Refusal("no")))[0] == {"role": "assistant", "content": None, "refusal": "no"}


@pytest.mark.parametrize(
    ("media", "item"),
    [
        (
            Media(MediaKind.IMAGE, data=b"\x89PNG", media_type="image/png", detail="low"),
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "low"}},
        ),
        (
            Media(MediaKind.DOCUMENT, data=b"%PDF", media_type="application/pdf", filename="a.pdf"),
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        ),
        (Media(MediaKind.DOCUMENT, provider_file_id="file-1"), {"type": "file", "file": {"file_id": "file-1"}}),
        (Media(MediaKind.IMAGE, provider_file_id="file-2"), {"type": "file", "file": {"file_id": "file-2"}}),
        (
            Media(MediaKind.AUDIO, data=b"ID3", media_type="audio/mpeg"),
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
        ),
        (
            Media(MediaKind.VIDEO, uri="https://x/v.mp4"),
            {"type": "video_url", "video_url": {"url": "https://x/v.mp4"}},
        ),
    ],
)
def test_media(media: Media, item: dict[str, Any]) -> None:
    """Bytes go as data URIs, addresses as they are, files by id."""
    found = turns(said(Role.USER, Text("look"), media))[0]["content"]
    assert found == [{"type": "text", "text": "look"}, item]


@pytest.mark.parametrize(
    "kind", [ProviderBlock("anthropic", "x", "{}"), Media(MediaKind.AUDIO, uri="https://x/a.mp3"), Reasoning("hm")]
)
def test_what_cannot_be_carried_fails_here_and_not_there(kind: Kind) -> None:
    """Another backend may carry it, so the failure is not one of the request."""
    with pytest.raises(BackendError) as caught:
        body(ask(said(Role.USER, kind)))
    assert caught.value.failure is Failure.UNSUPPORTED


def test_tools_and_schemas_are_sent_byte_for_byte() -> None:
    """Order of keys and form of numbers decide structured output and cache prefixes: 40.0 stays 40.0."""
    text = body_text(
        ask(
            tools=(Tool(FunctionTool("f", "does f", SCHEMA, strict=True)), Tool(FunctionTool("g"))),
            response_format=JsonSchemaFormat("r", SCHEMA, "an r", strict=False),
        )
    )
    assert text.count(SCHEMA) == 2
    found = json.loads(text)
    assert found["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "does f", "parameters": json.loads(SCHEMA), "strict": True},
        },
        {"type": "function", "function": {"name": "g"}},
    ]
    form = {"name": "r", "schema": json.loads(SCHEMA), "description": "an r", "strict": False}
    assert found["response_format"] == {"type": "json_schema", "json_schema": form}


def test_blocks_of_our_own_go_verbatim() -> None:
    """A tool that the provider runs itself is the caller's JSON."""
    block = ProviderBlock("openai", "web_search", '{"type": "web_search","n":1.0}')
    assert block.json in body_text(ask(tools=(Tool(block),)))


@pytest.mark.parametrize(
    ("choice", "fields"),
    [
        (ToolChoice(ToolMode.AUTO), {"tool_choice": "auto"}),
        (ToolChoice(ToolMode.NONE), {"tool_choice": "none"}),
        (ToolChoice(ToolMode.REQUIRED, parallel=False), {"tool_choice": "required", "parallel_tool_calls": False}),
        (ToolChoice(name="f"), {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        (ToolChoice(parallel=True), {"parallel_tool_calls": True}),
        (None, {}),
    ],
)
def test_the_choice_of_tools(choice: ToolChoice | None, fields: dict[str, Any]) -> None:
    """Sent as given, and only beside tools: OpenAI refuses a choice without any."""
    tools = (Tool(FunctionTool("f")),)
    found = body(ask(tools=tools, tool_choice=choice))
    assert {key: found[key] for key in ("tool_choice", "parallel_tool_calls") if key in found} == fields
    assert "tool_choice" not in body(ask(tool_choice=choice))


@pytest.mark.parametrize(("form", "kind"), [(JsonObjectFormat(), "json_object"), (TextFormat(), None), (None, None)])
def test_plain_formats(form: Any, kind: str | None) -> None:
    """Text is the default and is not spelled out."""
    assert body(ask(response_format=form)).get("response_format", {}).get("type") == kind


def test_every_tunable_arrives() -> None:
    """Zero is a value, absent is not."""
    sampling = Sampling(10, 0.0, 0.5, 7, 0.1, -0.1, 0, ("a", "b"))
    found = body(ask(sampling=sampling, reasoning=ReasoningOptions(ReasoningEffort.MAX)))
    assert {key: value for key, value in found.items() if key not in {"model", "messages"}} == {
        "max_completion_tokens": 10,
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "seed": 0,
        "stop": ["a", "b"],
        "reasoning_effort": "xhigh",
    }


@pytest.mark.parametrize(
    ("base_url", "params", "name"),
    [
        (OPENAI, {}, "max_completion_tokens"),
        ("", {}, "max_completion_tokens"),
        ("http://127.0.0.1:8000/v1", {}, "max_tokens"),
        (OPENAI, {"max_tokens": 5}, "max_tokens"),
        ("http://127.0.0.1:8000/v1", {"max_completion_tokens": 5}, "max_completion_tokens"),
        ("http://127.0.0.1:8000/v1", {"max_output_tokens": 5}, "max_tokens"),
    ],
)
def test_the_output_limit_has_two_names(base_url: str, params: dict[str, Any], name: str) -> None:
    """OpenAI's models want one, everybody else's the other; `params` decide the name, and the call's value wins."""
    asked, unasked = (
        body(ask(sampling=Sampling(10)), base_url=base_url, **params),
        body(ask(), base_url=base_url, **params),
    )
    assert {key: value for key, value in asked.items() if key.startswith("max_")} == {name: 10}
    assert [key for key in unasked if key.startswith("max_")] == [name] * len(params)


def test_params_fill_what_the_call_leaves_open() -> None:
    """A null there leaves a field out, for servers that do not know it."""
    found = body(
        ask(sampling=Sampling(temperature=0.9)), whole=False, temperature=0.2, top_p=0.3, stream_options=None, user="u"
    )
    assert found["temperature"] == 0.9
    assert found["top_p"] == 0.3
    assert found["user"] == "u"
    assert "stream_options" not in found


def test_provider_options_come_last_and_win_byte_for_byte() -> None:
    """They replace whole members of the top level, with the caller's very text; another provider's are not read."""
    options = '{"temperature": 1.0, "logit_bias":{"z":40.0,"a":1},"messages":[], "stop":null}'
    text = body_text(
        ask(
            sampling=Sampling(temperature=0.5, stop=("x",)),
            provider_options_json={"openai": options, "anthropic": '{"top_k":1}'},
        )
    )
    assert '"temperature":1.0' in text
    assert '{"z":40.0,"a":1}' in text
    found = json.loads(text)
    assert found["messages"] == []
    assert found["stop"] is None
    assert "top_k" not in found


def test_provider_options_that_are_no_object_are_the_callers_fault() -> None:
    """The edge refuses them first; this is the second net."""
    with pytest.raises(BackendError) as caught:
        body(ask(provider_options_json={"openai": "[1]"}))
    assert caught.value.failure is Failure.INVALID
