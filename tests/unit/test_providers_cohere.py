"""What a prompt becomes on Cohere's wire, and what its answers say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Burst, Chunk, End, FinishReason, Opened, UsageReport
from quickthorn_server.core.completion import Fold
from quickthorn_server.core.content import (
    Citation,
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
from quickthorn_server.core.embedding import EmbedInput, EmbedPrompt, InputType, TokenIds
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
from quickthorn_server.core.secret import Secret
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.cohere import CohereFormat

OPENED = Opened(provider_request_id="r", http_status=200)
SCHEMA = '{"type":"object", "properties":{"z":{"minimum":40.0},"a":{"const":1e2}}}'
HI = Message(Role.USER, (Part(Text("hi")),))
PNG = Media(MediaKind.IMAGE, b"png", media_type="image/png")
PLAN = ProviderBlock("cohere", "tool_plan", '{"tool_plan":"I will look."}')


def wire(**more: Any) -> CohereFormat:
    return CohereFormat(Backend("b", "cohere", "command", "m", **more))


def body(prompt: Prompt, *, whole: bool = True, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(wire(**more).request(prompt, whole=whole).body)
    return found


def turn(role: Role, *kinds: Kind) -> Any:
    return body(Prompt((Message(role, tuple(map(Part, kinds))),)))["messages"]


def function(name: str, *, strict: bool | None = None) -> Tool:
    return Tool(FunctionTool(name, strict=strict))


@pytest.mark.parametrize("base", ["", "https://api.cohere.com", "https://api.cohere.com/v2/"])
def test_a_request_goes_to_the_chat_of_version_two(base: str) -> None:
    """With the key as a bearer, whichever of its addresses is configured."""
    sent = wire(base_url=base, api_key=Secret("k"), headers={"X-Client-Name": "us"}).request(Prompt((HI,)), whole=True)
    assert sent.url == "https://api.cohere.com/v2/chat"
    assert sent.headers == {"Content-Type": "application/json", "Authorization": "Bearer k", "X-Client-Name": "us"}


def test_settings_have_coheres_names() -> None:
    """What the request leaves open the backend's params fill, null takes a field out, and options come last."""
    sampling = Sampling(9, 0.5, 0.9, 40, 0.1, 0.2, 7, ("END",))
    asked = body(Prompt((HI,), sampling=sampling), whole=False)
    del asked["messages"]
    assert asked == {
        "model": "command",
        "stream": True,
        "max_tokens": 9,
        "temperature": 0.5,
        "p": 0.9,
        "k": 40,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "seed": 7,
        "stop_sequences": ["END"],
    }
    given = Prompt((HI,), provider_options_json={"cohere": '{"safety_mode":"OFF","k":1.50,"p":null}'})
    sent = wire(params={"max_output_tokens": 5, "k": 3, "seed": None}).request(given, whole=True).body.decode()
    assert sent.endswith('"stream":false,"k":1.50,"max_tokens":5,"safety_mode":"OFF","p":null}')


def test_an_assistants_turn_goes_back_as_it_came() -> None:
    """Thinking, text, the plan, the calls byte for byte, and what was cited."""
    cited = Part(Text("So."), citations=(Citation(provider_json='{"start":0, "end":2}'),))
    call = ToolCall("c1", "look", '{"q": 1.0}')
    message = Message(Role.ASSISTANT, (Part(Reasoning("hm")), cited, Part(PLAN), Part(call), Part(Refusal("no"))))
    assert body(Prompt((message,)))["messages"] == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "text", "text": "So."},
                {"type": "text", "text": "no"},
            ],
            "tool_plan": "I will look.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q": 1.0}'}}],
            "citations": [{"start": 0, "end": 2}],
        }
    ]


@pytest.mark.parametrize(
    "foreign", ['{"type":"web_search_result_location","url":"u"}', '{"segment":{}}', "no json", "{}", '{"start":NaN}']
)
def test_sources_that_others_named_are_not_sent(foreign: str) -> None:
    """Cohere would refuse them, and another model's answer goes on all the same."""
    said = Part(Text("So."), citations=(Citation(provider_json=foreign),))
    assert body(Prompt((Message(Role.ASSISTANT, (said,)),)))["messages"] == [{"role": "assistant", "content": "So."}]


def test_tool_results_are_messages_of_their_own() -> None:
    """A text as it is, several pieces as a list, a document as one; what else the user says follows."""
    notes = Media(MediaKind.DOCUMENT, "é".encode(), media_type="text/plain", filename="n.txt")
    results = (
        ToolResult("c1", (Part(Text("one")),)),
        ToolResult("c2", (Part(Text("two")), Part(notes))),
        ToolResult("c3", ()),
    )
    assert turn(Role.USER, *results, Text("go on")) == [
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {
            "role": "tool",
            "tool_call_id": "c2",
            "content": [
                {"type": "text", "text": "two"},
                {"type": "document", "document": {"data": {"title": "n.txt", "text": "é"}}},
            ],
        },
        {"role": "tool", "tool_call_id": "c3", "content": ""},
        {"role": "user", "content": "go on"},
    ]


def test_pictures_and_documents_of_users() -> None:
    """A picture inline or by address with its detail; a text document beside the messages, where it can be cited."""
    linked = Media(MediaKind.IMAGE, uri="https://x/y.png", detail="high")
    notes = Media(MediaKind.DOCUMENT, b"n", media_type="text/markdown")
    asked = body(Prompt((Message(Role.USER, (Part(PNG), Part(linked), Part(notes))),)))
    assert asked["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "high"}},
    ]
    assert asked["documents"] == [{"id": "doc:0", "data": {"text": "n"}}]


@pytest.mark.parametrize(
    ("choice", "names", "word"),
    [
        (None, ["a", "b"], None),
        (ToolChoice(ToolMode.AUTO), ["a", "b"], None),
        (ToolChoice(ToolMode.REQUIRED, parallel=True), ["a", "b"], "REQUIRED"),
        (ToolChoice(ToolMode.NONE), ["a", "b"], "NONE"),
        (ToolChoice(name="b"), ["b"], "REQUIRED"),
    ],
)
def test_tool_choice(choice: ToolChoice | None, names: list[str], word: str | None) -> None:
    """Auto is the default and is left out; one tool by name is the only one, and required."""
    asked = body(Prompt((HI,), tools=(function("a"), function("b")), tool_choice=choice))
    assert [tool["function"]["name"] for tool in asked["tools"]] == names
    assert asked.get("tool_choice") == word


def test_schemas_travel_byte_for_byte() -> None:
    """Of tools and of answers alike."""
    tool = Tool(FunctionTool("f", "does", SCHEMA, strict=True))
    asked = wire().request(Prompt((HI,), tools=(tool,), response_format=JsonSchemaFormat("n", SCHEMA)), whole=True)
    text = asked.body.decode()
    assert '"function":{"name":"f","description":"does","parameters":' + SCHEMA + "}" in text
    assert '"response_format":{"type":"json_object","json_schema":' + SCHEMA + "}" in text
    assert '"strict_tools":true' in text
    assert body(Prompt((HI,), response_format=JsonObjectFormat()))["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("reasoning", "thinking"),
    [
        (ReasoningOptions(), None),
        (ReasoningOptions(budget_tokens=500), {"type": "enabled", "token_budget": 500}),
        (ReasoningOptions(budget_tokens=0), {"type": "disabled"}),
        (ReasoningOptions(ReasoningEffort.NONE), {"type": "disabled"}),
    ],
)
def test_thinking(reasoning: ReasoningOptions, thinking: Any) -> None:
    """A budget, or none at all."""
    assert body(Prompt((HI,), reasoning=reasoning)).get("thinking") == thinking


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt((HI,), reasoning=ReasoningOptions(ReasoningEffort.HIGH)),
        Prompt((HI,), tools=(function("a", strict=True), function("b", strict=False))),
        Prompt((HI,), tools=(function("a"),), tool_choice=ToolChoice(parallel=False)),
        Prompt((HI,), tools=(Tool(ProviderBlock("openai", "x", "{}")),)),
        *(
            Prompt((Message(Role.USER, (Part(kind),)),))
            for kind in (
                Media(MediaKind.AUDIO, b"a", media_type="audio/wav"),
                Media(MediaKind.IMAGE, provider_file_id="f"),
                Media(MediaKind.DOCUMENT, b"%PDF", media_type="application/pdf"),
                Media(MediaKind.DOCUMENT, b"\xff", media_type="text/plain"),
                Media(MediaKind.DOCUMENT, uri="https://x/y.txt", media_type="text/plain"),
                ToolResult("c", (Part(PNG),)),
                ProviderBlock("openai", "x", "{}"),
            )
        ),
    ],
)
def test_what_it_cannot_carry_is_refused(prompt: Prompt) -> None:
    """Another provider may carry it."""
    with pytest.raises(BackendError) as error:
        body(prompt)
    assert error.value.failure is Failure.UNSUPPORTED


def stream(*events: dict[str, Any]) -> list[Chunk]:
    reading = wire().reading(OPENED)
    chunks = list(reading.take(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)))
    reading.check()
    if not reading.done:
        chunks += reading.take(b"")
        reading.check()
    return chunks


def event(kind: str, index: int = 0, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": message}}


def end(reason: str = "COMPLETE", **more: Any) -> dict[str, Any]:
    return {"type": "message-end", "delta": {"finish_reason": reason, **more}}


def folded(chunks: Burst) -> tuple[Part, ...]:
    fold = Fold()
    fold.add(chunks)
    return fold.parts()


def cite(start: int, finish: int, **more: Any) -> dict[str, Any]:
    source = {"type": "document", "id": "d", "document": {"id": "d", "title": "T", "url": "https://x", "text": "t"}}
    return {"start": start, "end": finish, "text": "w", "sources": [source], **more}


def test_a_whole_answer_and_its_stream_are_the_same_parts() -> None:
    """Thinking, text with its citations in bytes, the plan, and calls with and without arguments."""
    late, early, plan = cite(3, 5, content_index=1), cite(0, 2, content_index=1), cite(0, 1, type="PLAN")
    streamed = stream(
        event("message-start"),
        event("content-start", content={"type": "thinking", "thinking": ""}),
        event("content-delta", content={"thinking": "hm"}),
        event("content-start", 1, content={"type": "text", "text": ""}),
        event("content-delta", 1, content={"text": "äö "}),
        event("citation-start", 0, citations=early),
        event("citation-start", 1, citations=late),
        event("content-delta", 1, content={"text": "ü!"}),
        event("content-end", 1),
        event("tool-plan-delta", tool_plan="I will"),
        event("tool-plan-delta", tool_plan=" look."),
        event("tool-call-start", tool_calls={"id": "c1", "function": {"name": "f", "arguments": ""}}),
        event("tool-call-delta", tool_calls={"function": {"arguments": '{"a":'}}),
        event("tool-call-delta", tool_calls={"function": {"arguments": "1.0}"}}),
        event("tool-call-start", 1, tool_calls={"id": "c2", "function": {"name": "g", "arguments": ""}}),
        event("citation-start", 2, citations=plan),
        {"type": "debug", "prompt": "unknown"},
        end("TOOL_CALL", usage={"tokens": {"input_tokens": 9.0, "output_tokens": 2}, "cached_tokens": 4}),
    )
    message = {
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "äö ü!"}],
        "tool_plan": "I will look.",
        "tool_calls": [
            {"id": "c1", "function": {"name": "f", "arguments": '{"a":1.0}'}},
            {"id": "c2", "function": {"name": "g", "arguments": ""}},
        ],
        "citations": [early, late, plan],
    }
    whole = wire().whole(json.dumps({"message": message, "finish_reason": "TOOL_CALL"}).encode(), OPENED)
    parts = folded(streamed)
    assert parts == folded(whole)
    assert [part.kind for part in parts] == [
        Reasoning("hm"),
        Text("äö ü!"),
        PLAN,
        ToolCall("c1", "f", '{"a":1.0}'),
        ToolCall("c2", "g", "{}"),
    ]
    assert [(each.start, each.end, each.uri, each.title) for each in parts[1].citations] == [
        (0, 4, "https://x", "T"),
        (5, 8, "https://x", "T"),
    ]
    assert [(each.start, json.loads(each.provider_json)) for each in parts[2].citations] == [(None, plan)]
    assert UsageReport(Usage(9, 2, 4)) in streamed
    assert streamed[-1] == End(FinishReason.TOOL_CALLS)
    sent = body(Prompt((Message(Role.ASSISTANT, parts),)))["messages"][0]
    assert {**sent["tool_calls"][1]["function"]} == {"name": "g", "arguments": "{}"}
    assert (sent["content"], sent["tool_plan"]) == (message["content"], message["tool_plan"])


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("COMPLETE", FinishReason.STOP),
        ("STOP_SEQUENCE", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("ERROR_TOXIC", FinishReason.CONTENT_FILTER),
        ("NEWLY_INVENTED", FinishReason.OTHER),
    ],
)
def test_finish_reasons(word: str, reason: FinishReason) -> None:
    """In our words; what is unknown is `other`."""
    assert stream(end(word))[-1] == End(reason)


@pytest.mark.parametrize(
    ("events", "failure"),
    [
        ([end("ERROR", error="no")], Failure.UNAVAILABLE),
        ([end("ERROR", error="no", error_type="INVALID_TOOL_GENERATION")], Failure.PROTOCOL),
        ([end("TIMEOUT")], Failure.TIMEOUT),
        ([{"message": "too many tokens", "id": "x"}], Failure.CONTEXT_LENGTH),
        ([event("content-delta", content={"text": "cut"})], Failure.PROTOCOL),
        ([event("tool-call-delta", 3, tool_calls={"function": {"arguments": "1"}})], Failure.PROTOCOL),
        ([event("content-delta", content={"text": 5})], Failure.PROTOCOL),
        ([event("content-delta", content=None)], Failure.PROTOCOL),
    ],
)
def test_streams_that_fail(events: list[dict[str, Any]], failure: Failure) -> None:
    """Errors at the end, errors instead of it, no end, and garbage."""
    with pytest.raises(BackendError) as error:
        stream(*events)
    assert error.value.failure is failure


@pytest.mark.parametrize(
    ("status", "payload", "failure"),
    [
        (400, {"message": "invalid request"}, Failure.INVALID),
        (400, {"message": "too many tokens: size limit exceeded by 25836 tokens."}, Failure.CONTEXT_LENGTH),
        (401, {"message": "invalid api token"}, Failure.UNAUTHENTICATED),
        (402, {"message": "billing"}, Failure.QUOTA_EXHAUSTED),
        (404, {"message": "model 'x' not found"}, Failure.NOT_FOUND),
        (429, {"message": "You are using a Trial key, limited to 10 API calls / minute."}, Failure.RATE_LIMITED),
        (429, {"message": "You are using a Trial key, limited to 1000 API calls / month."}, Failure.QUOTA_EXHAUSTED),
        (498, {"message": "blocked"}, Failure.CONTENT_FILTERED),
        (503, [], Failure.OVERLOADED),
        (504, None, Failure.UNAVAILABLE),
    ],
)
def test_errors_by_status(status: int, payload: Any, failure: Failure) -> None:
    """The status says it, but for what only the words know; the words themselves stay here."""
    headers = {"retry-after": "7", "x-debug-trace-id": "t"}
    error = wire().failure(status, lambda name: headers.get(name, ""), json.dumps(payload).encode())
    assert (error.failure, error.retry_after, error.provider_request_id) == (failure, 7.0, "t")
    assert str(error) == f"the provider says: {failure.value}"


def test_texts_are_embedded_in_batches_and_pictures_alone() -> None:
    """96 texts at most in a request, and the order of the inputs."""
    inputs: list[EmbedInput] = [*(str(number) for number in range(100)), PNG, PNG, "last"]
    prompt = EmbedPrompt(tuple(inputs), InputType.QUERY, 256, {"cohere": '{"truncate":"END"}'})
    batches = wire(params={"embedding_types": None}).batches(prompt)
    asked = [json.loads(batch.outgoing.body) for batch in batches]
    assert [batch.count for batch in batches] == [96, 4, 1, 1, 1]
    assert [each["input_type"] for each in asked] == ["search_query", "search_query", "image", "image", "search_query"]
    assert asked[0]["texts"] + asked[1]["texts"] == [str(number) for number in range(100)]
    assert asked[2] == {
        "model": "command",
        "input_type": "image",
        "images": ["data:image/png;base64,cG5n"],
        "output_dimension": 256,
        "truncate": "END",
    }


def test_tokens_cannot_be_embedded() -> None:
    """Another provider may."""
    with pytest.raises(BackendError) as error:
        wire().batches(EmbedPrompt((TokenIds((1,)),)))
    assert error.value.failure is Failure.UNSUPPORTED


@pytest.mark.parametrize(
    "reply", [b"", b"{}", b'{"embeddings":{}}', b'{"embeddings":{"float":[[1],["x"]]}}', b'{"embeddings":[[1]]}']
)
def test_an_answer_without_a_vector_for_each_input(reply: bytes) -> None:
    """It is no answer, and nothing else is raised for it."""
    [batch] = wire().batches(EmbedPrompt(("a", "b")))
    with pytest.raises(BackendError) as error:
        wire().embedded(reply, batch)
    assert error.value.failure is Failure.PROTOCOL
