"""What Google's wire says, as chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Chunk, End, FinishReason, Opened, UsageReport
from quickthorn_server.core.completion import Fold
from quickthorn_server.core.content import (
    Citation,
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
from quickthorn_server.providers.gemini import GeminiFormat

WIRE = GeminiFormat(Backend("b", "gemini", "gemini-2.5-flash", "m"))
NEWER = GeminiFormat(Backend("b", "gemini", "gemini-3-pro", "m"))
OPENED = Opened(http_status=200)


def said(*parts: Any, reason: str | None = None, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": list(parts), "role": "model"}, "finishReason": reason, **more}
    return {"candidates": [{name: value for name, value in candidate.items() if value is not None}]}


def stream(*bodies: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(body).encode() + b"\r\n\r\n" for body in bodies)


def read(data: bytes, wire: GeminiFormat = WIRE) -> list[Chunk]:
    reading = wire.reading(OPENED)
    chunks = list(reading.take(data))
    reading.check()
    chunks += reading.take(b"")
    reading.check()
    return chunks


def folded(chunks: list[Chunk]) -> tuple[tuple[Part, ...], FinishReason | None]:
    fold = Fold()
    fold.add(chunks)
    return fold.parts(), None if fold.end is None else fold.end.reason


def both(*bodies: Any) -> tuple[tuple[Part, ...], FinishReason | None]:
    """Return what a stream folds to, which is what the array of its bodies folds to."""
    streamed = folded(read(stream(*bodies)))
    assert streamed == folded(list(WIRE.whole(json.dumps(bodies).encode(), OPENED)))
    return streamed


def signed(text: str) -> OpaqueState:
    return OpaqueState("gemini", "", "", text.encode())


def test_neighbours_of_a_kind_are_one_part_and_what_is_signed_stays_its_own() -> None:
    """A signature goes back on the very part it came on, be that an empty text."""
    parts, reason = both(
        said({"text": "let me ", "thought": True}),
        said({"text": "think", "thought": True}, {"text": ""}),
        said({"text": "An"}),
        said({"text": "swer."}),
        said({"text": " Signed.", "thoughtSignature": "c2ln"}),
        said({"text": " After."}),
        said({"text": "", "thoughtSignature": "ZW5k"}, reason="STOP"),
    )
    assert reason is FinishReason.STOP
    assert parts == (
        Part(Reasoning("let me think")),
        Part(Text("Answer.")),
        Part(Text(" Signed."), opaque=signed("c2ln")),
        Part(Text(" After.")),
        Part(Text(""), opaque=signed("ZW5k")),
    )


def test_calls_have_names_of_their_own_and_arguments_as_they_were_written() -> None:
    """An identifier is made up only where there is none, from the answer's own, so that no two turns share it."""
    first = b'{"responseId":"R1","candidates":[{"content":{"parts":[{"functionCall":{"name":"add","args":'
    body = first + (
        b'{"b" :1.0,\r\n "a":[1e2,"x:, y"]}},"thoughtSignature":"c2ln"},'
        b'{"functionCall":{"name":"now"}},{"functionCall":{"name":"now","id":"q7","args":{}}}]},"finishReason":"STOP"}]}'
    )
    parts, reason = folded(list(WIRE.whole(body, OPENED)))
    assert reason is FinishReason.TOOL_CALLS
    assert parts == (
        Part(ToolCall("call_R1_0", "add", '{"b": 1.0, "a": [1e2, "x:, y"]}'), opaque=signed("c2ln")),
        Part(ToolCall("call_R1_1", "now", "{}")),
        Part(ToolCall("q7", "now", "{}")),
    )


def test_media_is_typed_and_everything_else_is_a_block_byte_for_byte() -> None:
    """What no kind of ours describes comes out whole, its signature in it."""
    code = '{"executableCode": {"language":"PYTHON",  "code":"1+1\\u00e9"}, "thoughtSignature":"c2ln"}'
    sketch = '{"thought":true,"inlineData":{"mimeType":"image/png","data":"AA=="}}'
    parts = [
        code,
        '{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"2"}}',
        sketch,
        '{"inlineData":{"mimeType":"image/png","data":"_-8="},"thoughtSignature":"aW1n"}',
        '{"fileData":{"mimeType":"audio/wav","fileUri":"gs://b/a.wav"}}',
    ]
    body = f'{{"candidates":[{{"content":{{"parts":[{", ".join(parts)}]}},"finishReason":"STOP"}}]}}'
    found, _ = folded(list(WIRE.whole(body.encode(), OPENED)))
    assert found == (
        Part(ProviderBlock("gemini", "executableCode", code)),
        Part(ProviderBlock("gemini", "codeExecutionResult", parts[1])),
        Part(ProviderBlock("gemini", "inlineData", sketch)),
        Part(Media(MediaKind.IMAGE, data=b"\xff\xef", media_type="image/png"), opaque=signed("aW1n")),
        Part(Media(MediaKind.AUDIO, uri="gs://b/a.wav", media_type="audio/wav")),
    )


def test_an_answer_goes_back_as_it_came() -> None:
    """Every part of an answer, signatures and blocks included, is next turn's input; its sources are not."""
    parts = [
        {"text": "hm", "thought": True},
        {"executableCode": {"code": "1"}},
        {"text": "so", "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "Y2Fs"},
        {"functionCall": {"id": "x1", "name": "f", "args": {}}},
        {"inlineData": {"mimeType": "image/png", "data": "AAEC"}},
        {"text": "", "thoughtSignature": "ZW5k"},
    ]
    found, _ = both(said(*parts, reason="STOP", groundingMetadata={"webSearchQueries": ["q"]}))
    assert isinstance(found[-1].kind, ProviderBlock)
    sent = json.loads(WIRE.request(Prompt((Message(Role.ASSISTANT, found),)), whole=True).body)
    assert sent["contents"] == [{"role": "model", "parts": parts}]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("STOP", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        *((reason, FinishReason.CONTENT_FILTER) for reason in ("SAFETY", "RECITATION", "BLOCKLIST", "SPII")),
        *((reason, FinishReason.CONTENT_FILTER) for reason in ("PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR")),
        *((reason, FinishReason.OTHER) for reason in ("MALFORMED_FUNCTION_CALL", "LANGUAGE", "SOMETHING_NEW")),
    ],
)
def test_every_reason_to_stop_is_one_of_ours(reason: str, expected: FinishReason) -> None:
    """A filter that stops an answer ends it; words of tomorrow are OTHER; the last reason of a stream counts."""
    assert both(said({"text": "a"}, reason="STOP"), said(reason=reason)) == ((Part(Text("a")),), expected)


def test_a_blocked_prompt_is_an_answer_without_words() -> None:
    """Without a candidate the block itself is the end."""
    assert both({"promptFeedback": {"blockReason": "SAFETY"}}) == ((), FinishReason.CONTENT_FILTER)


def test_usage_is_merged_field_by_field_and_told_as_soon_as_it_is_known() -> None:
    """The last value of each count stands; thoughts are output, what tools read is input."""
    first = {"promptTokenCount": 9, "cachedContentTokenCount": 4}
    then = {"candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 23}
    last = {"promptTokenCount": 11, "toolUsePromptTokenCount": 2, "thoughtsTokenCount": 8}
    chunks = read(
        stream(
            said({"text": "a"}) | {"usageMetadata": first},
            said({"text": "b"}) | {"usageMetadata": then},
            said(reason="STOP") | {"usageMetadata": last},
        )
    )
    assert [chunk.usage for chunk in chunks if isinstance(chunk, UsageReport)] == [
        Usage(9, None, 4),
        Usage(9, 12, 4, reasoning_tokens=7),
        Usage(13, 13, 4, reasoning_tokens=8),
    ]


@pytest.mark.parametrize(("wire", "searches"), [(WIRE, 1), (NEWER, 2)])
def test_searches_are_counted_as_they_are_paid(wire: GeminiFormat, searches: int) -> None:
    """Before Gemini 3 a grounded prompt is one unit, since then each question asked is; an empty one is none."""
    grounding = {"webSearchQueries": ["", "a", "b"]}
    chunks = read(stream(said(reason="STOP", groundingMetadata=grounding)), wire)
    assert [chunk.usage.units for chunk in chunks if isinstance(chunk, UsageReport)] == [{"web_search": searches}]


def test_the_answer_names_its_model_and_itself() -> None:
    """Google's headers say neither."""
    chunks = read(stream(said({"text": "a"}, reason="STOP") | {"modelVersion": "gemini-x", "responseId": "R"}))
    assert chunks[0] == Opened("gemini-x", "R", 200)


def test_sources_are_cited_by_bytes_in_the_part_they_stand_in() -> None:
    """Indices are Google's own bytes, counted over the whole text; wrong ones give way to the words they quote."""
    supports = [
        {"segment": {"startIndex": 4, "endIndex": 7, "text": "big"}, "groundingChunkIndices": [0, 1]},
        {"segment": {"startIndex": 1, "endIndex": 3, "text": "Yes"}, "groundingChunkIndices": [1, 9]},
        {"segment": {"endIndex": 2, "text": "nowhere"}, "groundingChunkIndices": [0]},
    ]
    chunks = [{"web": {"uri": "u0", "title": "t0"}}, {"retrievedContext": {"uri": "u1", "text": "read"}}]
    parts, _ = both(
        said({"text": "Zü "}),
        said({"text": "big "}, {"executableCode": {}}),
        said({"text": "Yes."}),
        said(reason="STOP", groundingMetadata={"groundingChunks": chunks, "groundingSupports": supports}),
    )
    raw = [json.dumps(support) for support in supports]
    assert parts[0].citations == (
        Citation("u0", "t0", "", 4, 7, raw[0]),
        Citation("u1", "", "read", 4, 7, raw[0]),
    )
    assert parts[2].citations == (
        Citation("u1", "", "read", 0, 3, raw[1]),
        Citation("u0", "t0", "", None, None, raw[2]),
    )


@pytest.mark.parametrize("name", ["citations", "citationSources"])
def test_citations_of_what_was_learned_by_heart_are_said_once(name: str) -> None:
    """A stream repeats them; Vertex AI and the Gemini API call them differently."""
    source = {"startIndex": 2, "endIndex": 4, "uri": "u", "license": "mit"}
    told: dict[str, Any] = {"citationMetadata": {name: [source]}}
    parts, _ = both(said({"text": "abc"}, **told), said({"text": "def"}, reason="STOP", **told))
    assert parts == (Part(Text("abcdef"), citations=(Citation("u", "", "", 2, 4, json.dumps(source)),)),)


def test_sources_without_a_place_are_cited_for_the_last_part_and_all_metadata_comes_out() -> None:
    """In a stream the last value of each member counts, each byte for byte."""
    parts, _ = both(
        said({"text": "a"}, groundingMetadata={"webSearchQueries": ["q"]}),
        said(
            {"text": "", "thoughtSignature": "c2ln"},
            reason="STOP",
            groundingMetadata={"groundingChunks": [{"web": {"uri": "u"}}]},
        ),
    )
    assert parts[0].citations == (Citation("u", provider_json='{"web": {"uri": "u"}}'),)
    block = parts[-1].kind
    assert isinstance(block, ProviderBlock)
    assert (block.type, block.json) == (
        "groundingMetadata",
        '{"webSearchQueries":["q"],"groundingChunks":[{"web": {"uri": "u"}}]}',
    )


ERROR = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "k3y"}}
BARE = json.dumps({"error": {"code": 499, "status": "CANCELLED", "details": [{"reason": "X"}]}}, indent=2).encode()


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (stream(said({"text": "a"})), Failure.PROTOCOL),
        (stream(said({"text": "a"}, reason="FINISH_REASON_UNSPECIFIED")), Failure.PROTOCOL),
        (stream({"usageMetadata": {"promptTokenCount": 1}}), Failure.PROTOCOL),
        (b"", Failure.PROTOCOL),
        (stream(said({"text": "a"}), ERROR), Failure.OVERLOADED),
        (stream(said({"text": "a"}), [ERROR]), Failure.OVERLOADED),
        (stream(said({"text": "a"}, reason="STOP")) + BARE, Failure.UNAVAILABLE),
        (stream(said({"text": "a"}, reason="STOP")) + BARE.replace(b"\n", b"\r\n"), Failure.UNAVAILABLE),
        (b"data: {]\n\n", Failure.PROTOCOL),
        (stream(3), Failure.PROTOCOL),
        (stream(said({"functionCall": {"args": {}}})), Failure.PROTOCOL),
        (stream(said({"inlineData": {"data": "A"}})), Failure.PROTOCOL),
        (stream(said({"text": 7})), Failure.PROTOCOL),
        (stream(said({"text": "a"}, reason="STOP", groundingMetadata={"groundingSupports": {}})), Failure.PROTOCOL),
        (b"data: " + b"[" * 900 + b"]" * 900 + b"\n\n", Failure.PROTOCOL),
    ],
)
def test_what_is_broken_fails_cleanly_and_what_came_before_counts(data: bytes, failure: Failure) -> None:
    """No finish reason, an error as an event or bare between events, garbage: a failure without anybody's prose."""
    with pytest.raises(BackendError) as caught:
        read(data)
    assert caught.value.failure is failure
    assert "k3y" not in str(caught.value)


def test_bare_json_that_is_no_error_is_no_reason_to_fail() -> None:
    """Blank or foreign lines between events mean nothing."""
    data = stream(said({"text": "a"})) + b'   \n  \n"said": 1,\n\n' + stream(said(reason="STOP"))
    assert folded(read(data)) == ((Part(Text("a")),), FinishReason.STOP)


def test_an_api_of_the_first_days_ends_where_it_ends() -> None:
    """It rated each piece, counted nothing and never named a reason: that it ended is all there is to know."""
    rated = said({"text": "a"}, safetyRatings=[{"category": "X"}])
    assert both(rated, rated) == ((Part(Text("aa")),), FinishReason.OTHER)


def test_an_answer_that_came_whole_was_not_cut() -> None:
    """Words or calls without a reason are an answer, in one piece; a list of pieces may lack its end."""
    for part in ({"text": "a"}, {"functionCall": {"name": "f"}}):
        assert folded(list(WIRE.whole(json.dumps(said(part)).encode(), OPENED)))[1] is FinishReason.OTHER
    for body in (said(), [said({"text": "a"})]):
        with pytest.raises(BackendError) as caught:
            WIRE.whole(json.dumps(body).encode(), OPENED)
        assert caught.value.failure is Failure.PROTOCOL


def test_of_several_candidates_the_first_one_counts() -> None:
    """Whatever place it has in the list."""
    other = {"index": 1, "content": {"parts": [{"text": "no"}]}, "finishReason": "STOP"}
    one = {"content": {"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]}, "finishReason": "STOP"}
    chunks = list(WIRE.whole(json.dumps({"candidates": [other, one]}).encode(), OPENED))
    assert folded(chunks)[0] == (Part(ToolCall("call_0", "f", '{"a": 1}')),)
    assert isinstance(chunks[-1], End)
