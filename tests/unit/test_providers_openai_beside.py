"""What OpenAI-shaped answers hold beside words and function calls, and how it goes back with the next turn."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Chunk, End, FinishReason, Opened
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
    ToolResult,
)
from quickthorn_server.core.dialects import DIALECTS
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import Prompt, Tool, ToolChoice
from quickthorn_server.providers.event_stream import EventReading
from quickthorn_server.providers.openai_reply import Answer
from quickthorn_server.providers.openai_request import RequestForm
from quickthorn_server.providers.sse import SseDecoder

OPENED = Opened(http_status=200)
WAV = b"RIFF\x00\x00\x00\x00WAVE"
PNG = b"\x89PNG"


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def folded(chunks: list[Chunk]) -> Fold:
    fold = Fold()
    fold.add(chunks)
    return fold


def whole(message: dict[str, Any], *, reason: str = "stop", choice: Any = None, **more: Any) -> Fold:
    answer = Answer(OPENED, "openrouter")
    choices = [{"message": message, "finish_reason": reason, **(choice or {})}]
    answer.whole(json.dumps({"choices": choices, **more}).encode())
    answer.finish()
    return folded(answer.burst())


def streamed(*deltas: dict[str, Any], reason: str = "stop", last: Any = None, **more: Any) -> Fold:
    reading = EventReading(Answer(OPENED, "openrouter"), SseDecoder())
    chunks: list[Chunk] = []
    ends = {"delta": {}, "finish_reason": reason, **(last or {})}
    for choice in (*({"delta": delta} for delta in deltas), ends):
        chunks += reading.take(b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n")
        reading.check()
    chunks += reading.take(b"data: [DONE]\n\n")
    reading.check()
    return folded(chunks)


def again(*parts: Part, provider: str = "openrouter", answers: tuple[Part, ...] = ()) -> list[Any]:
    """Return the messages in which an answer goes back, with *answers* of the user behind it."""
    turns = [Message(Role.ASSISTANT, parts), *([Message(Role.USER, answers)] if answers else [])]
    form = RequestForm(Backend("b", provider, "m", "m"), DIALECTS[provider])
    found: list[Any] = json.loads(form.body(Prompt(tuple(turns)), whole=True))["messages"]
    return found


NOTE = {"type": "url_citation", "url_citation": {"start_index": 1, "end_index": 3, "url": "https://a", "title": "A"}}


def test_sources_are_placed_in_bytes() -> None:
    """The wire counts characters; an offset beyond the text, or none, means the whole part."""
    odd = {"type": "url_citation", "url_citation": {"start_index": 2, "end_index": 99, "url": "https://b"}}
    expected = (
        Citation("https://a", "A", "", 2, 5, json.dumps(NOTE, separators=(",", ":"))),
        Citation("https://b", provider_json=json.dumps(odd, separators=(",", ":"))),
    )
    said = Part(Text("äbäc"), citations=expected)
    assert whole({"content": "äbäc", "annotations": [NOTE, odd]}).parts() == (said,)
    assert streamed({"content": "äb"}, {"annotations": [NOTE]}, {"content": "äc", "annotations": [odd]}).parts() == (
        said,
    )


def test_what_perplexity_searched_is_cited_once() -> None:
    """Every event of a stream names all of it again; an address that has a result is that result."""
    result = {"url": "https://a", "title": "A", "snippet": "s"}
    found: dict[str, Any] = {"search_results": [result], "citations": ["https://a", "b"]}
    told = json.dumps(result, separators=(",", ":"))
    citations = (Citation("https://a", "A", "s", provider_json=told), Citation("b"))
    assert whole({"content": "x [1]"}, **found).parts() == (Part(Text("x [1]"), citations=citations),)
    assert streamed({"content": "x "}, {"content": "[1]"}, **found).parts()[0].citations == citations


def test_sound_comes_with_its_words_and_goes_back_by_its_name() -> None:
    """The provider has both: it is told the identifier only."""
    state = OpaqueState("openrouter", "", "audio_1", b"")
    words = Part(Text("hello"), opaque=OpaqueState("openrouter", "", "", b"transcript"))
    sound = Part(Media(MediaKind.AUDIO, WAV, media_type="audio/wav"), opaque=state)
    one = {"id": "audio_1", "data": base64_of(WAV), "transcript": "hello", "expires_at": 1}
    assert whole({"content": None, "audio": one}).parts() == (words, sound)
    pieces = [{"id": "audio_1", "transcript": "hel"}, {"transcript": "lo"}, {"data": base64_of(WAV[:6])}]
    deltas = [{"audio": piece} for piece in (*pieces, {"data": base64_of(WAV[6:]), "expires_at": 1})]
    assert streamed(*deltas).parts() == (words, sound)
    assert again(words, sound) == [{"role": "assistant", "content": None, "audio": {"id": "audio_1"}}]


@pytest.mark.parametrize("state", [b'[],"model":"other"', b"[\xff]", b"["])
def test_thinking_that_was_never_given_out_is_refused(state: bytes) -> None:
    """Bytes that are not one JSON value would write the rest of the request."""
    with pytest.raises(BackendError) as caught:
        again(Part(Reasoning("hm"), opaque=OpaqueState("openrouter", "", "", state)))
    assert caught.value.failure is Failure.INVALID


def test_pictures_come_as_media_and_go_back_as_pictures() -> None:
    """By their bytes or by their address, as OpenRouter gives them."""
    pictures = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64_of(PNG)}"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
    ]
    parts = (
        Part(Text("look")),
        Part(Media(MediaKind.IMAGE, PNG, media_type="image/png")),
        Part(Media(MediaKind.IMAGE, uri="https://x/y.png")),
    )
    assert whole({"content": "look", "images": pictures}).parts() == parts
    assert streamed({"content": "look"}, {"images": pictures[:1]}, {"images": pictures[1:]}).parts() == parts
    assert again(*parts) == [{"role": "assistant", "content": "look", "images": pictures}]


def test_the_calls_of_before_2023_come_and_go_back() -> None:
    """They have a name only: the identifier holds it, and the result finds its way."""
    call = Part(ToolCall("function_call:f", "f", '{"a":1}'))
    said = {"content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}}
    one = whole(said, reason="function_call")
    assert one.parts() == (call,)
    assert one.end == End(FinishReason.TOOL_CALLS)
    pieces = [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": '{"a":1}'}}]
    assert streamed(*pieces).parts() == (call,)
    assert again(call, answers=(Part(ToolResult("function_call:f", (Part(Text("7")),))),)) == [
        {"role": "assistant", **said},
        {"role": "function", "name": "f", "content": "7"},
    ]


def test_calls_of_custom_tools_come_as_they_were_written_and_go_back_so() -> None:
    """Their input is free text, not JSON."""
    call = Part(ToolCall("c", "shell", "ls -l"), opaque=OpaqueState("openrouter", "", "", b"custom"))
    said = {"id": "c", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}}
    assert whole({"tool_calls": [said]}).parts() == (call,)
    pieces: list[dict[str, Any]] = [
        {"index": 0, "id": "c", "type": "custom", "custom": {"name": "shell", "input": ""}},
        {"index": 0, "custom": {"input": "ls "}},
        {"index": 0, "custom": {"input": "-l"}},
    ]
    assert streamed(*({"tool_calls": [piece]} for piece in pieces)).parts() == (call,)
    assert again(call)[0]["tool_calls"] == [said]


def test_a_custom_tool_is_chosen_as_one() -> None:
    """A choice of a function's name would be refused."""
    block = ProviderBlock("openai", "custom", '{"type":"custom","custom":{"name":"shell"}}')
    prompt = Prompt((), tools=(Tool(block),), tool_choice=ToolChoice(name="shell"))
    body = json.loads(RequestForm(Backend("b", "openai", "m", "m")).body(prompt, whole=True))
    assert body["tool_choice"] == {"type": "custom", "custom": {"name": "shell"}}


DETAILS = [
    {"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0},
    {"type": "reasoning.encrypted", "data": "x", "index": 1},
]


def test_sealed_thinking_goes_back_untouched() -> None:
    """A stream's pieces are joined; words without a seal are no state, so that any provider may answer next."""
    state = OpaqueState("openrouter", "", "", json.dumps(DETAILS, separators=(",", ":")).encode())
    part = Part(Reasoning("hm"), opaque=state)
    assert whole({"content": "x", "reasoning": "hm", "reasoning_details": DETAILS}).parts()[0] == part
    pieces: list[dict[str, Any]] = [
        {"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "m", "signature": "s", "index": 0}]},
        {"reasoning_details": [DETAILS[1]]},
    ]
    (told,) = streamed(*pieces).parts()
    assert told.kind == Reasoning("hm")
    assert json.loads(told.opaque.data if told.opaque else b"") == DETAILS
    assert again(part, Part(Text("x")))[0]["reasoning_details"] == DETAILS
    plain = [{"type": "reasoning.text", "text": "hm", "index": 0}]
    assert whole({"content": "x", "reasoning_details": plain}).parts()[0] == Part(Reasoning("hm"))


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ("deepseek", {"content": None, "reasoning_content": "hm"}),
        ("openrouter", {"content": None, "reasoning": "hm"}),
        ("mistral", {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
        ("groq", {"content": None}),
    ],
)
def test_thinking_goes_back_with_the_calls_it_led_to(provider: str, told: dict[str, Any]) -> None:
    """Under the dialect's name, and mostly only there: elsewhere nobody reads it."""
    call = Part(ToolCall("123456789", "f", "{}"))
    function = {"id": "123456789", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert again(Part(Reasoning("hm")), call, provider=provider) == [
        {"role": "assistant", "tool_calls": [function], **told}
    ]
    (without_calls,) = again(Part(Reasoning("hm")), Part(Text("x")), provider=provider)
    assert without_calls["content"] == "x"
    assert ("reasoning_content" in without_calls) is (provider == "deepseek")  # which asks for it after calls, too


def test_what_is_told_of_an_answer_is_kept_and_not_sent_back() -> None:
    """Log probabilities that were asked for, and what a filter found in an answer that it ended."""
    first, second = {"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.0}
    both = ProviderBlock("openrouter", "logprobs", json.dumps({"content": [first, second]}, separators=(",", ":")))
    fold = whole({"content": "ab"}, choice={"logprobs": {"content": [first, second], "refusal": None}})
    assert fold.parts() == (Part(Text("ab")), Part(both))
    found = {"hate": {"filtered": True}}
    ended = streamed({"content": "a"}, reason="content_filter", last={"content_filter_results": found})
    block = ProviderBlock("openrouter", "content_filter_results", '{"hate":{"filtered":true}}')
    assert ended.parts() == (Part(Text("a")), Part(block))
    assert again(Part(Text("a")), Part(block), Part(both)) == [{"role": "assistant", "content": "a"}]


@pytest.mark.parametrize(
    "message",
    [
        {"annotations": [1]},
        {"annotations": [{}]},
        {"images": [{"image_url": "x"}]},
        {"images": [{"image_url": {"url": "data:image/png;base64,%%%"}}]},
        {"audio": {"data": 7}},
        {"audio": {"data": "a"}},
        {"audio": {"transcript": 7}},
        {"reasoning_details": ["x"]},
        {"reasoning_details": [{"type": "reasoning.text", "text": 7}]},
        {"function_call": {"name": 7}},
        {"tool_calls": [{"custom": "x"}]},
    ],
)
def test_malformed_odds_are_a_protocol_failure(message: dict[str, Any]) -> None:
    """Never anything but a clean failure."""
    with pytest.raises(BackendError) as caught:
        whole({"content": "x", **message})
    assert caught.value.failure is Failure.PROTOCOL
