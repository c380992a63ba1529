"""What Bedrock's wire says, as chunks and failures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Burst, Chunk, End, FinishReason, Opened, UsageReport
from quickthorn_server.core.completion import Fold
from quickthorn_server.core.content import (
    Media,
    MediaKind,
    Message,
    OpaqueState,
    Part,
    ProviderBlock,
    Reasoning,
    Role,
    Text,
    ToolCall,
)
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.bedrock import BedrockFormat
from quickthorn_server.providers.bedrock_usage import usage
from tests.support.frames import converse, event, exception, framed

OPENED = Opened(provider_request_id="r", http_status=200)
WIRE = BedrockFormat(Backend("b", "bedrock", "m", "m", options={"aws_region": "us-east-1"}))


def start(place: int, **block: Any) -> bytes:
    return event("contentBlockStart", contentBlockIndex=place, start=block)


def delta(place: int, **piece: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=place, delta=piece)


def stop(place: int) -> bytes:
    return event("contentBlockStop", contentBlockIndex=place)


def stream(body: bytes, said: list[Chunk] | None = None) -> list[Chunk]:
    """Return the chunks of a stream that comes at once, also in *said*; raises what it fails with."""
    reading = WIRE.reading(OPENED)
    chunks: list[Chunk] = [] if said is None else said
    for piece in (body, b""):
        if not reading.done:
            chunks += reading.take(piece)
            reading.check()
    return chunks


def whole(*content: dict[str, Any], reason: str = "end_turn", **more: Any) -> Burst:
    said = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": reason, **more}
    return WIRE.whole(json.dumps(said, separators=(",", ":")).encode(), OPENED)


def folded(chunks: Burst) -> tuple[Part, ...]:
    fold = Fold()
    fold.add(chunks)
    return fold.parts()


CITATION = {
    "title": "T",
    "source": "s",
    "sourceContent": [{"text": "quoted "}, {"text": "words"}],
    "location": {"web": {"url": "https://x", "domain": "x"}},
}
ASKED = {"toolUseId": "s1", "name": "nova_grounding", "type": "server_tool_use"}
FOUND = {"toolUseId": "s1", "type": "nova_grounding_result", "status": "success"}


def test_a_whole_answer_and_its_stream_are_the_same_parts() -> None:
    """Thinking, text, citations, calls, pictures and the blocks of the provider's own tools; they round-trip."""
    streamed = stream(
        converse(
            delta(0, reasoningContent={"text": "h"}),
            delta(0, reasoningContent={"text": "m"}),
            delta(0, reasoningContent={"signature": "si"}),
            delta(0, reasoningContent={"signature": "g"}),
            stop(0),
            delta(1, reasoningContent={"redactedContent": "AP8="}),
            delta(2, text="So"),
            delta(2, text="."),
            delta(2, citation=CITATION),
            stop(2),
            start(3, toolUse={"toolUseId": "c1", "name": "f"}),
            delta(3, toolUse={"input": '{"a":'}),
            delta(3, toolUse={"input": "123456789012345678901234567890}"}),
            stop(3),
            start(4, toolUse={"toolUseId": "c2", "name": "g"}),
            stop(4),
            start(5, toolUse=ASKED),
            delta(5, toolUse={"input": '{"q":1}'}),
            stop(5),
            start(6, toolResult=FOUND),
            delta(6, toolResult=[{"text": "t"}]),
            delta(6, toolResult=[{"json": {"b": 1, "a": 2}}]),
            stop(6),
            start(7, image={"format": "png"}),
            delta(7, image={"source": {"bytes": "cG5n"}}),
            stop(7),
            event("newlyInvented", x=1),
            reason="tool_use",
        )
    )
    at_once = whole(
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "AP8="}},
        {"citationsContent": {"content": [{"text": "So"}, {"text": "."}], "citations": [CITATION]}},
        {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 123456789012345678901234567890}}},
        {"toolUse": {"toolUseId": "c2", "name": "g", "input": {}}},
        {"toolUse": {**ASKED, "input": {"q": 1}}},
        {"toolResult": {**FOUND, "content": [{"text": "t"}, {"json": {"b": 1, "a": 2}}]}},
        {"image": {"format": "png", "source": {"bytes": "cG5n"}}},
        reason="tool_use",
    )
    parts = folded(streamed)
    assert parts == folded(at_once)
    assert [part.kind for part in parts[:5]] == [
        Reasoning("hm"),
        Reasoning(""),
        Text("So."),
        ToolCall("c1", "f", '{"a":123456789012345678901234567890}'),
        ToolCall("c2", "g", "{}"),
    ]
    assert [part.opaque for part in parts[:2]] == [
        OpaqueState("bedrock", "", "signature", b"sig"),
        OpaqueState("bedrock", "", "redacted", b"\x00\xff"),
    ]
    assert [(each.uri, each.title, each.cited_text) for each in parts[2].citations] == [
        ("https://x", "T", "quoted words")
    ]
    assert [part.kind.type for part in parts[5:7] if isinstance(part.kind, ProviderBlock)] == ["toolUse", "toolResult"]
    assert parts[7].kind == Media(MediaKind.IMAGE, b"png", media_type="image/png")
    assert streamed[-1] == End(FinishReason.TOOL_CALLS)
    sent = json.loads(WIRE.request(Prompt((Message(Role.ASSISTANT, parts),)), whole=True).body)
    assert folded(whole(*sent["messages"][0]["content"])) == parts


def test_what_we_have_no_word_for_travels_byte_for_byte() -> None:
    """Arguments, blocks and citations of a whole answer, with their blanks and their numbers."""
    body = (
        b'{"output":{"message":{"content":[{"toolUse":{"name":"f","toolUseId":"c","input":{ "a":1.50e1 }}},'
        b'{"searchResult":{ "x":1e2}},{"citationsContent":{"content":[{"text":"t"}],"citations":[{ "title":"T"}]}}]}},'
        b'"stopReason":"end_turn"}'
    )
    call, block, cited = folded(WIRE.whole(body, OPENED))
    assert call.kind == ToolCall("c", "f", '{ "a":1.50e1 }')
    assert block.kind == ProviderBlock("bedrock", "searchResult", '{"searchResult":{ "x":1e2}}')
    assert [each.provider_json for each in cited.citations] == ['{ "title":"T"}']


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("guardrail_intervened", FinishReason.CONTENT_FILTER),
        ("content_filtered", FinishReason.CONTENT_FILTER),
        ("malformed_model_output", FinishReason.OTHER),
        ("malformed_tool_use", FinishReason.OTHER),
        ("newly_invented", FinishReason.OTHER),
    ],
)
def test_finish_reasons(word: str, reason: FinishReason) -> None:
    """In our words; what is unknown is `other`."""
    assert stream(converse(reason=word))[-1] == End(reason)


def test_the_stop_sequence() -> None:
    """Which one it was stands among the model's own fields, where they were asked for."""
    more = {"stop_sequence": "END"}
    said = event("messageStop", stopReason="stop_sequence", additionalModelResponseFields=more) + event("metadata")
    ends = (stream(said)[-1], whole(reason="stop_sequence", additionalModelResponseFields=more)[-1])
    assert ends == (End(FinishReason.STOP, "END"),) * 2


def test_a_prompt_router_names_the_model_it_chose() -> None:
    """At the end of the stream, which is when it says so."""
    trace = {"promptRouter": {"invokedModelId": "claude"}}
    chunks = stream(event("messageStop", stopReason="end_turn") + event("metadata", trace=trace))
    assert Opened("claude", "r", 200) in chunks


def test_the_end_is_enough() -> None:
    """A stream whose usage got lost is an answer all the same, of unknown usage."""
    chunks = stream(delta(0, text="a") + event("messageStop", stopReason="end_turn"))
    assert chunks[-1] == End(FinishReason.STOP)
    assert not [chunk for chunk in chunks if isinstance(chunk, UsageReport)]


def test_what_follows_the_end_is_of_no_interest() -> None:
    """Even in the same read: the answer is complete."""
    assert stream(converse(delta(0, text="a")) + exception("internalServerException"))[-1] == End(FinishReason.STOP)


@pytest.mark.parametrize(
    ("reported", "meant"),
    [
        ({"inputTokens": 12, "outputTokens": 250, "totalTokens": 262}, Usage(12, 250)),
        (
            {"inputTokens": 12, "outputTokens": 5, "totalTokens": 1045, "cacheReadInputTokens": 1028},
            Usage(1040, 5, 1028),
        ),
        (
            {"inputTokens": 1040, "outputTokens": 5, "totalTokens": 1045, "cacheReadInputTokens": 1028},
            Usage(1040, 5, 1028),
        ),
        (
            {
                "inputTokens": 1,
                "outputTokens": 2,
                "totalTokens": 33,
                "cacheReadInputTokens": 10,
                "cacheWriteInputTokens": 20,
                "cacheDetails": [{"ttl": "5m", "inputTokens": 13}, {"ttl": "1h", "inputTokens": 7}],
            },
            Usage(31, 2, 10, 20, 7),
        ),
        ({"outputTokens": 2}, Usage(None, 2)),
        ({"inputTokens": -1, "outputTokens": "x"}, Usage()),
    ],
)
def test_usage_is_told_by_its_sum(reported: dict[str, Any], meant: Usage) -> None:
    """Whether the cache's tokens are among the input, no name says, but the total does."""
    assert usage(reported) == meant


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (delta(0, text="cut"), Failure.PROTOCOL),
        (b"", Failure.PROTOCOL),
        (converse()[:-40].replace(b"end_turn", b"end_tura"), Failure.PROTOCOL),
        (exception("throttlingException"), Failure.RATE_LIMITED),
        (exception("throttlingException", "Too many tokens per day, please wait"), Failure.QUOTA_EXHAUSTED),
        (exception("modelStreamErrorException"), Failure.UNAVAILABLE),
        (exception("internalServerException"), Failure.UNAVAILABLE),
        (exception("serviceUnavailableException"), Failure.OVERLOADED),
        (exception("validationException"), Failure.INVALID),
        (exception("validationException", "prompt is too long: 9 tokens > 8 maximum"), Failure.CONTEXT_LENGTH),
        (exception("newlyInventedException"), Failure.UNAVAILABLE),
        (framed({":message-type": "error", ":error-code": "InternalFailure"}, b""), Failure.UNAVAILABLE),
        (event("contentBlockDelta", contentBlockIndex=0), Failure.PROTOCOL),
        (delta(0, text=5), Failure.PROTOCOL),
        (delta(0, toolUse={"input": "{}"}), Failure.PROTOCOL),
        (start(0, toolUse={"toolUseId": "x"}), Failure.PROTOCOL),
        (framed({":event-type": "metadata"}, b"[]"), Failure.PROTOCOL),
    ],
    ids=lambda value: value.value if isinstance(value, Failure) else "stream",
)
def test_streams_that_fail(body: bytes, failure: Failure) -> None:
    """Exceptions among the events, no end, and garbage; what was said before still counts."""
    said: list[Chunk] = []
    with pytest.raises(BackendError) as error:
        stream(delta(7, text="before") + body, said)
    assert error.value.failure is failure
    assert [part.kind for part in folded(said)][:1] == [Text("before")]


@pytest.mark.parametrize(
    ("status", "kind", "message", "failure"),
    [
        (429, "ThrottlingException", "", Failure.RATE_LIMITED),
        (429, "ModelNotReadyException", "", Failure.OVERLOADED),
        (400, "ServiceQuotaExceededException", "", Failure.QUOTA_EXHAUSTED),
        (400, "ValidationException", "temperature: 5 is greater than 1", Failure.INVALID),
        (400, "ValidationException", "Input is too long for requested model.", Failure.CONTEXT_LENGTH),
        (
            400,
            "ValidationException",
            "input length and `max_tokens` exceed context limit: 8 + 2 > 9",
            Failure.CONTEXT_LENGTH,
        ),
        (400, "ValidationException", "Too many input tokens. Max input tokens: 8192", Failure.CONTEXT_LENGTH),
        (400, "ValidationException", "messages.0.content.1: image exceeds 5 MB maximum", Failure.TOO_LARGE),
        (400, "ValidationException", "The provided model identifier is invalid.", Failure.NOT_FOUND),
        (403, "AccessDeniedException", "You don't have access to the model", Failure.FORBIDDEN),
        (403, "AccessDeniedException", "Authentication failed: check your API Key", Failure.UNAUTHENTICATED),
        (403, "ExpiredTokenException", "", Failure.UNAUTHENTICATED),
        (403, "UnrecognizedClientException", "", Failure.UNAUTHENTICATED),
        (403, "InvalidSignatureException", "", Failure.UNAUTHENTICATED),
        (404, "ResourceNotFoundException", "", Failure.NOT_FOUND),
        (408, "ModelTimeoutException", "", Failure.TIMEOUT),
        (424, "ModelErrorException", "", Failure.UNAVAILABLE),
        (503, "ServiceUnavailableException", "", Failure.OVERLOADED),
        (418, "", "", Failure.INVALID),
    ],
)
def test_errors_by_name(status: int, kind: str, message: str, failure: Failure) -> None:
    """The name stands in a header or in the body; the words stay here."""
    body = {"message": message}
    in_header = WIRE.failure(
        status,
        lambda name: {"x-amzn-errortype": f"{kind}:http://internal/", "x-amzn-requestid": "r"}.get(name, ""),
        json.dumps(body).encode(),
    )
    in_body = WIRE.failure(status, lambda _: "", json.dumps({"__type": f"com.amazon#{kind}", **body}).encode())
    assert (in_header.failure, in_body.failure, in_header.provider_request_id) == (failure, failure, "r")
    assert str(in_header) == f"the provider says: {failure.value}"


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"message":["x"]}', b"\xff"])
def test_an_error_without_words(body: bytes) -> None:
    """Then the status says it."""
    assert WIRE.failure(502, lambda _: "", body).failure is Failure.UNAVAILABLE
