"""The Responses API: what a prompt becomes on its wire, what its answers become here, and back again."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Chunk, End, FinishReason, Opened, UsageReport
from quickthorn_server.core.completion import Fold
from quickthorn_server.core.content import (
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
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    Prompt,
    ReasoningEffort,
    ReasoningOptions,
    Sampling,
    Tool,
    ToolChoice,
    ToolMode,
)
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.openai import OpenAiFormat

SCHEMA = '{"type":"object", "properties":{"z":{"minimum":40.0}}}'
OPENED = Opened(http_status=200)


def wire(**more: Any) -> OpenAiFormat:
    return OpenAiFormat(Backend("b", "openai", "m", "m", options={"api": "responses"}, **more))


def text_of(prompt: Prompt, *, whole: bool = True, **more: Any) -> str:
    return wire(**more).request(prompt, whole=whole).body.decode()


def body(prompt: Prompt, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text_of(prompt, **more))
    return found


def said(role: Role, *kinds: Kind) -> Message:
    return Message(role, tuple(Part(kind) for kind in kinds))


def ask(*messages: Message, **more: Any) -> Prompt:
    return Prompt(messages or (said(Role.USER, Text("hi")),), **more)


def items(*messages: Message) -> list[Any]:
    found: list[Any] = body(ask(*messages))["input"]
    return found


def test_the_smallest_request() -> None:
    """Nothing is stored at the provider, and nothing is asked for that was not."""
    assert body(ask()) == {"model": "m", "store": False, "input": [{"role": "user", "content": "hi"}]}
    assert body(ask(), whole=False)["stream"] is True
    assert wire().request(ask(), whole=True).url == "https://api.openai.com/v1/responses"


def test_a_path_alone_says_which_interface_is_meant() -> None:
    """Unless `api` says otherwise."""
    by_path = Backend("b", "openai", "m", "m", path="/responses")
    assert b'"input"' in OpenAiFormat(by_path).request(ask(), whole=True).body
    chat = Backend("b", "openai", "m", "m", path="/x/responses", options={"api": "chat"})
    assert b'"messages"' in OpenAiFormat(chat).request(ask(), whole=True).body


def test_a_conversation_with_tools() -> None:
    """One plain system text is the instructions; every turn is an item, or several."""
    found = body(
        ask(
            said(Role.USER, Text("what is it like?")),
            said(Role.ASSISTANT, Text("I ask."), Text("Now."), ToolCall("c1", "weather", '{"city": "Oslo"}')),
            said(Role.USER, ToolResult("c1", (Part(Text("rain")),)), Text("and?")),
            said(Role.SYSTEM, Text("now in verse")),
            said(Role.ASSISTANT, Refusal("no")),
            system=(Part(Text("be brief")),),
        )
    )
    assert found["instructions"] == "be brief"
    texts = [{"type": "output_text", "text": "I ask."}, {"type": "output_text", "text": "Now."}]
    assert found["input"] == [
        {"role": "user", "content": "what is it like?"},
        {"role": "assistant", "content": texts},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "Oslo"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        {"role": "user", "content": "and?"},
        {"role": "developer", "content": "now in verse"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ]
    several = body(ask(system=(Part(Text("a")), Part(Text("b")))))
    assert "instructions" not in several
    assert several["input"][0]["role"] == "developer"


@pytest.mark.parametrize(
    ("media", "item"),
    [
        (
            Media(MediaKind.IMAGE, uri="https://x/y.png", detail="low"),
            {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
        ),
        (
            Media(MediaKind.IMAGE, data=b"\x89PNG", media_type="image/png"),
            {"type": "input_image", "image_url": "data:image/png;base64,iVBORw=="},
        ),
        (Media(MediaKind.IMAGE, provider_file_id="f1"), {"type": "input_image", "file_id": "f1"}),
        (Media(MediaKind.DOCUMENT, provider_file_id="f2"), {"type": "input_file", "file_id": "f2"}),
        (Media(MediaKind.DOCUMENT, uri="https://x/a.pdf"), {"type": "input_file", "file_url": "https://x/a.pdf"}),
        (
            Media(MediaKind.DOCUMENT, data=b"%PDF", media_type="application/pdf", filename="a.pdf"),
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        ),
    ],
)
def test_media_from_the_user_and_from_tools(media: Media, item: dict[str, Any]) -> None:
    """Results of tools hold pictures and documents like anything that a user shows."""
    content = [{"type": "input_text", "text": "look"}, item]
    assert items(said(Role.USER, Text("look"), media)) == [{"role": "user", "content": content}]
    result = ToolResult("c", (Part(Text("look")), Part(media)))
    assert items(said(Role.USER, result)) == [{"type": "function_call_output", "call_id": "c", "output": content}]


@pytest.mark.parametrize(
    "prompt",
    [
        ask(said(Role.USER, Media(MediaKind.AUDIO, data=b"x", media_type="audio/wav"))),
        ask(said(Role.USER, ProviderBlock("anthropic", "x", "{}"))),
        ask(said(Role.USER, Reasoning("hm"))),
        ask(said(Role.ASSISTANT, Media(MediaKind.IMAGE, data=b"x"))),
        ask(sampling=Sampling(seed=0)),
        ask(sampling=Sampling(stop=("x",))),
        ask(reasoning=ReasoningOptions(budget_tokens=9)),
    ],
)
def test_what_cannot_be_carried_fails_here_and_not_there(prompt: Prompt) -> None:
    """Another backend may carry it."""
    with pytest.raises(BackendError) as caught:
        body(prompt)
    assert caught.value.failure is Failure.UNSUPPORTED


def test_tools_and_formats_are_sent_byte_for_byte() -> None:
    """Flat here, where chat completions nest them."""
    search = ProviderBlock("openai", "web_search", '{"type": "web_search","n":1.0}')
    text = text_of(
        ask(
            tools=(Tool(FunctionTool("f", "does f", SCHEMA, strict=True)), Tool(FunctionTool("g")), Tool(search)),
            tool_choice=ToolChoice(name="f", parallel=False),
            response_format=JsonSchemaFormat("r", SCHEMA, strict=True),
        )
    )
    assert text.count(SCHEMA) == 2
    assert search.json in text
    found = json.loads(text)
    parameters = json.loads(SCHEMA)
    assert found["tools"][:2] == [
        {"type": "function", "name": "f", "description": "does f", "parameters": parameters, "strict": True},
        {"type": "function", "name": "g", "parameters": None},
    ]
    assert found["tool_choice"] == {"type": "function", "name": "f"}
    assert found["parallel_tool_calls"] is False
    assert found["text"] == {"format": {"type": "json_schema", "name": "r", "schema": parameters, "strict": True}}
    assert body(ask(response_format=JsonObjectFormat()))["text"] == {"format": {"type": "json_object"}}
    shell = ProviderBlock("openai", "custom", '{"type":"custom","name":"shell"}')
    chosen = body(ask(tools=(Tool(shell),), tool_choice=ToolChoice(name="shell")))
    assert chosen["tool_choice"] == {"type": "custom", "name": "shell"}
    assert body(ask(tools=(Tool(shell),), tool_choice=ToolChoice(ToolMode.AUTO)))["tool_choice"] == "auto"


def test_thinking_is_asked_for_sealed() -> None:
    """By whoever thinks: a model that does not refuses the wish.  Summaries are for those who want to see them."""
    sealed = ["reasoning.encrypted_content"]
    found = body(ask(reasoning=ReasoningOptions(ReasoningEffort.MAX, show=True)))
    assert (found["reasoning"], found["include"]) == ({"effort": "xhigh", "summary": "auto"}, sealed)
    assert body(ask(), capabilities=frozenset({"reasoning"}))["include"] == sealed
    assert "include" not in body(ask())
    with_params = body(
        ask(reasoning=ReasoningOptions(ReasoningEffort.LOW)), params={"reasoning": {"summary": "detailed"}}
    )
    assert with_params["reasoning"] == {"effort": "low", "summary": "detailed"}


@pytest.mark.parametrize(
    "part",
    [
        Part(Reasoning("hm"), opaque=OpaqueState("openai", "", "", b'{"a":')),
        Part(Reasoning("hm"), opaque=OpaqueState("openai", "", "", b'{"a":1},{"b":2}')),
        Part(Reasoning("hm"), opaque=OpaqueState("openai", "", "", b"{\xff}")),
        Part(Media(MediaKind.IMAGE, b"x", media_type="image/png"), opaque=OpaqueState("openai", "", "", b"\xff")),
    ],
)
def test_state_that_was_never_given_out_is_refused(part: Part) -> None:
    """It would end its item early, and write the rest of the request."""
    with pytest.raises(BackendError) as caught:
        items(Message(Role.ASSISTANT, (part,)))
    assert caught.value.failure is Failure.INVALID


def test_params_fill_and_options_win() -> None:
    """Byte for byte, as everywhere."""
    options = {"openai": '{"store":true, "metadata":{"z":40.0}}'}
    text = text_of(
        ask(sampling=Sampling(9, 0.5, 0.1), provider_options_json=options), params={"user": "u", "temperature": 1}
    )
    assert '{"z":40.0}' in text
    found = json.loads(text)
    assert (found["store"], found["user"], found["temperature"]) == (True, "u", 0.5)
    assert (found["max_output_tokens"], found["top_p"]) == (9, 0.1)


PNG = base64.b64encode(b"\x89PNG").decode()
SUMMARY = '[{"type":"summary_text","text":"h"},{"type":"summary_text","text":"m"}]'
OUTPUT = [
    f'{{"id": "rs_1","type":"reasoning","summary":{SUMMARY},"encrypted_content":"gAAA","n":1.0}}',
    '{"type":"web_search_call","id":"ws_1", "status":"completed","action":{"n":40.0}}',
    (
        '{"type":"message","id":"msg_1","role":"assistant","phase":"commentary","content":[{"type":"output_text",'
        '"text":"\\u00e4b","annotations":[{"type":"url_citation","start_index":1,"end_index":2,"url":"https://a",'
        '"title":"A"}]}]}'
    ),
    '{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\\"a\\":1}"}',
    '{"type":"function_call","id":"fc_2","call_id":"c2","name":"g","arguments":""}',
    '{"type":"custom_tool_call","id":"ct_1","call_id":"c3","name":"shell","input":"ls"}',
    '{"type":"image_generation_call","id":"ig_1","status":"completed","output_format":"png","result":"' + PNG + '"}',
    '{"type":"message","id":"msg_2","role":"assistant","content":[{"type":"output_text","text":"x","annotations":[]}]}',
]
USAGE = (
    '"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},"output_tokens":5,'
    '"output_tokens_details":{"reasoning_tokens":3}},"tool_usage":{"web_search":{"num_requests":2}}'
)


def response(output: list[str], status: str = "completed", more: str = USAGE) -> str:
    return f'{{"id":"resp_1","model":"m-1","status":"{status}","output":[{",".join(output)}],{more}}}'


def read_whole(text: str) -> list[Chunk]:
    return list(wire().whole(text.encode(), OPENED))


def read_stream(*events: str) -> list[Chunk]:
    reading = wire().reading(OPENED)
    chunks: list[Chunk] = []
    for event in (*(f"data: {text}\n\n".encode() for text in events), b""):
        if not reading.done:
            chunks += reading.take(event)
            reading.check()
    return chunks


def events(output: list[str], end: str) -> list[str]:
    """Return the events in which a response streams, its texts in two pieces."""
    told = ['{"type":"response.created","response":{"model":"m-1","status":"in_progress"}}']
    for place, text in enumerate(output):
        item = json.loads(text)
        at = f'"output_index":{place}'
        told.append(f'{{"type":"response.output_item.added",{at},"item":{json.dumps(_begun(item))}}}')
        for kind, part, piece in _deltas(item):
            told.append(json.dumps({"type": kind, "output_index": place, "content_index": part, "delta": piece}))
        told.append(f'{{"type":"response.output_item.done", {at}, "item": {text}}}')
    return [*told, end]


def _begun(item: dict[str, Any]) -> dict[str, Any]:
    return {key: "" if key in {"arguments", "input"} else value for key, value in item.items() if key != "content"}


def _deltas(item: dict[str, Any]) -> list[tuple[str, int, str]]:
    match item["type"]:
        case "message":
            text = item["content"][0].get("text", "")
            return [("response.output_text.delta", 0, piece) for piece in (text[:1], text[1:])]
        case "reasoning":
            return [("response.reasoning_summary_text.delta", 0, each["text"]) for each in item["summary"]]
        case "function_call":
            return [("response.function_call_arguments.delta", 0, item["arguments"])]
        case "custom_tool_call":
            return [("response.custom_tool_call_input.delta", 0, item["input"])]
        case _:
            return []


def folded(chunks: list[Chunk]) -> tuple[tuple[Part, ...], End | None]:
    fold = Fold()
    fold.add(chunks)
    return fold.parts(), fold.end


NOTE = '{"type":"url_citation","start_index":1,"end_index":2,"url":"https://a","title":"A"}'
PARTS = (
    Part(Reasoning("hm"), opaque=OpaqueState("openai", "", "rs_1", OUTPUT[0].encode())),
    Part(ProviderBlock("openai", "web_search_call", OUTPUT[1])),
    Part(
        Text("äb"),
        citations=(Citation("https://a", "A", "", 2, 3, NOTE),),
        opaque=OpaqueState("openai", "", "msg_1", b"phase:commentary"),
    ),
    Part(ToolCall("c1", "f", '{"a":1}')),
    Part(ToolCall("c2", "g", "{}")),
    Part(ToolCall("c3", "shell", "ls"), opaque=OpaqueState("openai", "", "", b"custom")),
    Part(
        Media(MediaKind.IMAGE, b"\x89PNG", media_type="image/png"),
        opaque=OpaqueState(
            "openai",
            "",
            "ig_1",
            b'{"type":"image_generation_call","id":"ig_1","status":"completed","output_format":"png"}',
        ),
    ),
    Part(Text("x")),
)


def test_a_whole_response_and_its_stream_fold_alike() -> None:
    """Thoughts, searches, texts with their sources, calls, pictures: each is a part, blocks byte for byte."""
    one = read_whole(response(OUTPUT))
    streamed = read_stream(*events(OUTPUT, f'{{"type":"response.completed","response":{response([])}}}'))
    assert folded(one) == folded(streamed) == (PARTS, End(FinishReason.TOOL_CALLS))
    usage = Usage(9, 5, 4, 2, reasoning_tokens=3, units={"web_search": 2})
    for chunks in (one, streamed):
        assert chunks[0] == Opened("m-1", http_status=200)
        assert [chunk.usage for chunk in chunks if isinstance(chunk, UsageReport)] == [usage]


def test_an_answer_goes_back_as_it_came() -> None:
    """Sealed thinking and blocks byte for byte, a custom call with a custom result, a picture as what drew it."""
    answers = (Part(ToolResult("c1", (Part(Text("1")),))), Part(ToolResult("c3", (Part(Text("2")),))))
    prompt = ask(Message(Role.ASSISTANT, PARTS), Message(Role.USER, answers))
    text = text_of(prompt)
    assert OUTPUT[0] in text
    assert OUTPUT[1] in text
    found = json.loads(text)["input"]
    commentary = {"role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "äb"}]}
    assert found[2:] == [
        commentary,
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c3", "name": "shell", "input": "ls"},
        json.loads(OUTPUT[6]),
        {"role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "c3", "output": "2"},
    ]


def test_thinking_that_is_not_sealed_is_no_state() -> None:
    """Its item is stored nowhere: sent back, it would be refused."""
    bare = '{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]}'
    assert folded(read_whole(response([bare])))[0] == (Part(Reasoning("hm")),)
    assert items(said(Role.ASSISTANT, Reasoning("hm"))) == []


def test_state_of_one_interface_is_not_sent_to_the_other() -> None:
    """A route may hold backends of both: each reads its own, and the other's thinking stays here."""
    sealed = (Part(Reasoning("hm"), opaque=OpaqueState("openai", "", "", b'[{"data":"x"}]')), PARTS[0], Part(Text("x")))
    turn = Message(Role.ASSISTANT, sealed)
    assert [item.get("type", "message") for item in items(turn)] == ["reasoning", "message"]
    chat = json.loads(OpenAiFormat(Backend("b", "openai", "m", "m")).request(ask(turn), whole=True).body)
    assert chat["messages"] == [{"role": "assistant", "content": "x", "reasoning_details": [{"data": "x"}]}]
    alone = json.loads(
        OpenAiFormat(Backend("b", "openai", "m", "m"))
        .request(ask(Message(Role.ASSISTANT, sealed[1:])), whole=True)
        .body
    )
    assert alone["messages"] == [{"role": "assistant", "content": "x"}]


@pytest.mark.parametrize(
    ("status", "more", "reason"),
    [
        ("completed", USAGE, FinishReason.STOP),
        ("incomplete", '"incomplete_details":{"reason":"max_output_tokens"}', FinishReason.LENGTH),
        ("incomplete", '"incomplete_details":{"reason":"content_filter"}', FinishReason.CONTENT_FILTER),
        ("incomplete", '"incomplete_details":{"reason":"new"}', FinishReason.OTHER),
        ("incomplete", '"incomplete_details":null', FinishReason.OTHER),
    ],
)
def test_finish_reasons(status: str, more: str, reason: FinishReason) -> None:
    """The same from a stream and from a whole response."""
    text = response(OUTPUT[7:], status, more)
    assert folded(read_whole(text))[1] == End(reason)
    streamed = read_stream(*events(OUTPUT[7:], f'{{"type":"response.{status}","response":{text}}}'))
    assert folded(streamed)[1] == End(reason)


def test_a_refusal_is_one_part() -> None:
    """And the end says so."""
    item = '{"type":"message","content":[{"type":"refusal","refusal":"I cannot."}]}'
    expected = ((Part(Refusal("I cannot.")),), End(FinishReason.REFUSAL))
    assert folded(read_whole(response([item]))) == expected
    assert (
        folded(read_stream(*events([item], f'{{"type":"response.completed","response":{response([])}}}'))) == expected
    )


@pytest.mark.parametrize(
    ("event", "failure"),
    [
        ('{"type":"error","code":"rate_limit_exceeded","message":"x"}', Failure.RATE_LIMITED),
        ('{"type":"error","error":{"code":"insufficient_quota"}}', Failure.QUOTA_EXHAUSTED),
        (
            '{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error"}}}',
            Failure.UNAVAILABLE,
        ),
        ('{"type":"response.completed","response":{"status":"in_progress"}}', Failure.PROTOCOL),
        ('{"error":{"code":"context_length_exceeded"}}', Failure.CONTEXT_LENGTH),
        ('{"type":"response.output_text.delta"}', Failure.PROTOCOL),
        ('{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":7}', Failure.PROTOCOL),
        ('{"type":"response.output_text.delta","output_index":[],"delta":"x"}', Failure.PROTOCOL),
        ('{"type":"response.function_call_arguments.delta","output_index":0,"delta":"x"}', Failure.PROTOCOL),
        ('{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call"}}', Failure.PROTOCOL),
        ('{"type":"response.output_item.done","output_index":0,"item":[]}', Failure.PROTOCOL),
        ('{"type":[]}', Failure.PROTOCOL),
        ("[1]", Failure.PROTOCOL),
        ("{", Failure.PROTOCOL),
        ('{"type":"something.new"}', Failure.PROTOCOL),
        ("[DONE]", Failure.PROTOCOL),
    ],
)
def test_streams_that_break(event: str, failure: Failure) -> None:
    """What an event says, or garbage, or an end without an end; events that are not known are skipped."""
    with pytest.raises(BackendError) as caught:
        read_stream(event)
    assert caught.value.failure is failure


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        (response([], "failed", '"error":{"code":"server_error"}'), Failure.UNAVAILABLE),
        (response([], "queued"), Failure.PROTOCOL),
        ("{}", Failure.PROTOCOL),
        ('{"output":{},"status":"completed"}', Failure.PROTOCOL),
        ('{"output":[7],"status":"completed"}', Failure.PROTOCOL),
        (response(['{"type":"image_generation_call","result":"%%%"}']), Failure.PROTOCOL),
        (response(['{"type":"x","y":' + "[" * 1010 + "]" * 1010 + "}"]), Failure.PROTOCOL),
    ],
)
def test_whole_responses_that_are_none(text: str, failure: Failure) -> None:
    """A clean failure, whatever came."""
    with pytest.raises(BackendError) as caught:
        read_whole(text)
    assert caught.value.failure is failure
