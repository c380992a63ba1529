"""What OpenAI's wire says, as chunks."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickthorn_server.core.chunk import (
    Chunk,
    End,
    FinishReason,
    Opened,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    WholePart,
)
from quickthorn_server.core.completion import Fold
from quickthorn_server.core.content import Part, Reasoning, Refusal, Text, ToolCall
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.event_stream import EventReading
from quickthorn_server.providers.openai_reply import Answer, whole_answer
from quickthorn_server.providers.openai_usage import usage
from quickthorn_server.providers.sse import SseDecoder

OPENED = Opened(provider_request_id="r", http_status=200)
STOP = {"delta": {}, "finish_reason": "stop"}


def event(choice: Any = None, **more: Any) -> bytes:
    choices = [] if choice is None else [choice]
    return b"data: " + json.dumps({"choices": choices, **more}).encode() + b"\n\n"


def delta(**said: Any) -> bytes:
    return event({"index": 0, "delta": said, "finish_reason": None})


def call(index: int | None = None, **function: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"function": {key: function[key] for key in ("name", "arguments") if key in function}}
    if index is not None:
        said["index"] = index
    if "id" in function:
        said["id"] = function["id"]
    return said


def read(*pieces: bytes) -> list[list[Chunk]]:
    """Return the bursts of a stream that comes in *pieces*; raises what it fails with."""
    reading = EventReading(Answer(OPENED), SseDecoder())
    bursts: list[list[Chunk]] = []
    for piece in (*pieces, b""):
        if not reading.done:
            bursts.append(list(reading.take(piece)))
            reading.check()
    return [burst for burst in bursts if burst]


def flat(*pieces: bytes) -> list[Chunk]:
    return [chunk for burst in read(*pieces) for chunk in burst]


def parts(*pieces: bytes) -> tuple[Part, ...]:
    fold = Fold()
    fold.add(flat(*pieces))
    return fold.parts()


def failure(*pieces: bytes) -> Failure:
    with pytest.raises(BackendError) as caught:
        read(*pieces)
    return caught.value.failure


def whole(message: dict[str, Any], reason: str = "stop", **more: Any) -> list[Chunk]:
    return whole_answer(
        json.dumps({"choices": [{"message": message, "finish_reason": reason}], **more}).encode(), OPENED
    )


def looked_at_closely(data: bytes) -> list[Chunk]:
    answer = Answer(OPENED)
    answer.whole(data)
    answer.finish()
    return answer.burst()


def outcome(read_whole: Callable[[bytes], list[Chunk]], payload: Any) -> object:
    try:
        return read_whole(json.dumps(payload).encode())
    except BackendError as error:
        return error.failure, str(error)


DONE = b"data: [DONE]\n\n"
END = End(FinishReason.STOP)


def test_a_plain_stream() -> None:
    """The model's name, text piece by piece, usage after the finish reason, and the end only at [DONE]."""
    assert read(
        event({"delta": {"role": "assistant", "content": ""}}, model="m-1"),
        delta(content="Hel"),
        delta(content="lo"),
        event(STOP),
        event(usage={"prompt_tokens": 3, "completion_tokens": 2}),
        DONE,
    ) == [
        [Opened("m-1", "r", 200)],
        [TextDelta(0, "Hel")],
        [TextDelta(0, "lo")],
        [UsageReport(Usage(3, 2))],
        [END],
    ]


PLAIN_MESSAGE: dict[str, Any] = {"role": "assistant", "content": "Hello", "refusal": None, "annotations": []}
PLAIN_CHOICE: dict[str, Any] = {"index": 0, "message": PLAIN_MESSAGE, "logprobs": None, "finish_reason": "stop"}
PLAIN_USAGE: dict[str, Any] = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
PLAIN_ANSWER: dict[str, Any] = {"id": "c-1", "model": "m-1", "choices": [PLAIN_CHOICE], "usage": PLAIN_USAGE}
CALL = {"id": "t", "function": {"name": "f", "arguments": "{}"}}


ODD_USAGES: list[Any] = [None, {}, [], 7, PLAIN_USAGE | {"prompt_tokens_details": {"cached_tokens": 2}}]
ODD_CHOICES: list[Any] = [
    {"index": 1},
    {"finish_reason": "length"},
    {"finish_reason": None},
    {"finish_reason": "content_filter", "content_filter_results": {"hate": {"filtered": True}}},
    {"finish_reason": "error"},
    {"finish_reason": "new"},
    {"finish_reason": []},
    {"stop_reason": "END"},
    {"logprobs": {"content": [{"token": "a"}]}},
    {"message": None},
]
ODD_MESSAGES: list[Any] = [
    {"content": None},
    {"content": ""},
    {"content": 7},
    {"content": [{"type": "text", "text": "Hi"}]},
    {"refusal": "No."},
    {"tool_calls": [{"id": "t", "function": {"name": "f", "arguments": "{}"}}]},
    {"reasoning_content": "Hm."},
    {"annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}]},
]
ODD_PAYLOADS: list[Any] = [
    *({"usage": each} for each in ODD_USAGES),
    *({"model": each} for each in (None, "", 7)),
    *({"choices": each} for each in ([], None, 7, [PLAIN_CHOICE] * 2, ["x"])),
    *({name: {"message": "x"}} for name in ("error", "citations", "search_results", "x_groq")),
    *({"choices": [PLAIN_CHOICE | each]} for each in ODD_CHOICES),
    *({"choices": [PLAIN_CHOICE | {"message": PLAIN_MESSAGE | each}]} for each in ODD_MESSAGES),
]


@pytest.mark.parametrize("payload", [PLAIN_ANSWER, *(PLAIN_ANSWER | odd for odd in ODD_PAYLOADS), [], 7, None])
def test_a_plain_answer_is_read_as_any_other(payload: Any) -> None:
    """The short way says what the long one would, or leaves the answer to it."""
    assert outcome(lambda data: whole_answer(data, OPENED), payload) == outcome(looked_at_closely, payload)


def test_neighbouring_pieces_of_one_read_become_one_delta() -> None:
    """A burst costs one message, however many tokens are in it; order between parts is kept."""
    assert read(
        delta(reasoning_content="a") + delta(reasoning_content="b") + delta(content="c") + delta(content="d"),
        delta(content="e") + delta(tool_calls=[call(0, id="x", name="f", arguments="{")]) + delta(content="g"),
        event(STOP) + DONE,
    ) == [
        [ReasoningDelta(0, "ab"), TextDelta(1, "cd")],
        [TextDelta(1, "e"), ToolCallDelta(2, "x", "f", "{"), TextDelta(1, "g")],
        [END],
    ]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_has_two_names(name: str) -> None:
    """OpenRouter and Groq say one, DeepSeek and vLLM the other."""
    assert flat(delta(**{name: "hm"}), event(STOP), DONE) == [ReasoningDelta(0, "hm"), END]


def test_thinking_inside_content() -> None:
    """Mistral's reasoning models send content as a list."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    said = [thinking, {"type": "text", "text": "yes"}, {"type": "reference", "reference_ids": [1]}]
    assert parts(delta(content=said), event(STOP), DONE) == (Part(Reasoning("hm")), Part(Text("yes")))


def test_parallel_tool_calls_by_index() -> None:
    """Each call is a part, in order of first appearance; id and name come once."""
    assert flat(
        delta(tool_calls=[call(1, id="b", name="g", arguments="")]),
        delta(tool_calls=[call(0, id="a", name="f", arguments="")]),
        delta(tool_calls=[call(1, arguments='{"x"'), call(0, arguments="{}")]),
        delta(tool_calls=[call(1, arguments=":1}")]),
        event({"delta": {}, "finish_reason": "tool_calls"}),
        DONE,
    ) == [
        ToolCallDelta(0, "b", "g"),
        ToolCallDelta(1, "a", "f"),
        ToolCallDelta(0, arguments_json='{"x"'),
        ToolCallDelta(1, arguments_json="{}"),
        ToolCallDelta(0, arguments_json=":1}"),
        End(FinishReason.TOOL_CALLS),
    ]


def test_a_call_without_arguments_ends_as_an_empty_object() -> None:
    """Every client would have to do it otherwise: "" is no JSON."""
    expected = (Part(ToolCall("a", "f", "{}")),)
    assert parts(delta(tool_calls=[call(0, id="a", name="f", arguments="")]), event(STOP), DONE) == expected
    for nothing in ("", None):
        fold = Fold()
        fold.add(whole({"content": None, "tool_calls": [call(id="a", name="f", arguments=nothing)]}))
        assert fold.parts() == expected


def test_calls_without_an_index() -> None:
    """Some servers leave it out: a new id begins a new call."""
    assert parts(
        delta(tool_calls=[call(id="a", name="f", arguments="{")]),
        delta(tool_calls=[call(arguments="}")]),
        delta(tool_calls=[call(id="b", name="g", arguments="{}")]),
        event(STOP),
        DONE,
    ) == (Part(ToolCall("a", "f", "{}")), Part(ToolCall("b", "g", "{}")))


def test_calls_that_all_say_index_0() -> None:
    """Gemini's compatible endpoint does: a new id with a name is a new call, a repeated id is not."""
    assert parts(
        delta(tool_calls=[call(0, id="a", name="f", arguments="{}")]),
        delta(tool_calls=[call(0, id="b", name="g", arguments="{")]),
        event(STOP),
        DONE,
    ) == (Part(ToolCall("a", "f", "{}")), Part(ToolCall("b", "g", "{")))
    assert parts(
        delta(tool_calls=[call(0, id="a", name="f", arguments="{")]),
        delta(tool_calls=[call(0, id="a", name="f", arguments="}")]),
        event(STOP),
        DONE,
    ) == (Part(ToolCall("a", "f", "{}")),)


def test_pieces_go_to_the_last_call_at_their_index() -> None:
    """Where every call of a turn says index 0, a piece that says no more belongs to the one that was named last."""
    assert parts(
        delta(tool_calls=[call(0, id="a", name="f", arguments='{"a":')]),
        delta(tool_calls=[call(0, arguments="1}")]),
        delta(tool_calls=[call(0, id="b", name="f", arguments='{"a":')]),
        delta(tool_calls=[call(0, arguments="2}")]),
        event(STOP),
        DONE,
    ) == (Part(ToolCall("a", "f", '{"a":1}')), Part(ToolCall("b", "f", '{"a":2}')))


@pytest.mark.parametrize("indexes", [(0, 1), (None, None)])
def test_calls_without_identifiers_get_some(indexes: tuple[int | None, int | None]) -> None:
    """A result must name its call, so calls that come without a name of their own are given one, each another."""
    named = tuple(call(index, name="f", arguments="{}") for index in indexes)
    expected = (Part(ToolCall("call_r_0", "f", "{}")), Part(ToolCall("call_r_1", "f", "{}")))
    assert parts(*(delta(tool_calls=[each]) for each in named), event(STOP), DONE) == expected
    fold = Fold()
    fold.add(whole({"content": None, "tool_calls": list(named)}))
    assert fold.parts() == expected


@pytest.mark.parametrize("reported", [{"prompt_tokens": "3", "completion_tokens": -2}, {"total_tokens": None}])
def test_a_usage_without_numbers_is_none(reported: dict[str, Any]) -> None:
    """What cannot be counted is unknown, and unknown is not "reported"."""
    chunks = flat(delta(content="a"), event(STOP), event(usage=reported), DONE)
    assert not any(isinstance(chunk, UsageReport) for chunk in chunks)


def test_what_names_an_answer_without_headers() -> None:
    """Two answers of one conversation must not give the same name to their calls: the body's identifier counts."""
    reading = EventReading(Answer(Opened(http_status=200)), SseDecoder())
    said = event({"delta": {"tool_calls": [call(0, name="f", arguments="{}")]}}, model="m", id="chatcmpl-7")
    assert list(reading.take(said)) == [
        Opened("m", "chatcmpl-7", 200),
        ToolCallDelta(0, "call_chatcmpl-7_0", "f", "{}"),
    ]


def test_a_name_that_comes_late_is_waited_for() -> None:
    """The first delta of a call carries its name, whatever the server sends first."""
    assert flat(
        delta(tool_calls=[call(0, id="a", arguments="{")]),
        delta(tool_calls=[call(0, name="f", arguments="}")]),
        event(STOP),
        DONE,
    ) == [ToolCallDelta(0, "a", "f", "{}"), END]
    assert failure(delta(tool_calls=[call(0, id="a", arguments="{")]), event(STOP), DONE) is Failure.PROTOCOL


def test_arguments_as_an_object() -> None:
    """Some servers send the object itself instead of its text."""
    fold = Fold()
    fold.add(whole({"tool_calls": [call(id="a", name="f", arguments={"city": "Oslo", "n": 1.0})]}))
    assert fold.parts() == (Part(ToolCall("a", "f", '{"city":"Oslo","n":1.0}')),)


def test_a_refusal_is_one_part_at_its_end() -> None:
    """A refusal has no deltas in our contract; the finish reason says REFUSAL, whatever the provider calls it."""
    refused = WholePart(0, Part(Refusal("I cannot.")))
    end = End(FinishReason.REFUSAL)
    assert flat(delta(refusal="I "), delta(refusal="cannot."), event(STOP), DONE) == [refused, end]
    assert whole({"content": None, "refusal": "I cannot."})[-2:] == [refused, end]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", FinishReason.STOP),
        ("eos", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("model_length", FinishReason.LENGTH),
        ("tool_calls", FinishReason.TOOL_CALLS),
        ("function_call", FinishReason.TOOL_CALLS),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("something new", FinishReason.OTHER),
    ],
)
def test_finish_reasons(said: str, reason: FinishReason) -> None:
    """An empty answer with a finish reason is an answer."""
    assert flat(event({"delta": {}, "finish_reason": said}), DONE) == [End(reason)]


def test_the_stop_sequence_that_vllm_names() -> None:
    """A number there is a token's, and says nothing to a caller."""
    for named, expected in (("###", "###"), (128001, ""), (None, "")):
        assert flat(event({"delta": {}, "finish_reason": "stop", "stop_reason": named}), DONE) == [
            End(FinishReason.STOP, expected)
        ]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("error", Failure.UNAVAILABLE),
        ("abort", Failure.UNAVAILABLE),
        ("insufficient_system_resource", Failure.OVERLOADED),
    ],
)
def test_finish_reasons_that_are_failures(word: str, expected: Failure) -> None:
    """A provider that gives up has not answered."""
    assert failure(delta(content="a"), event({"delta": {}, "finish_reason": word}), DONE) is expected


def test_only_the_first_of_several_choices_counts() -> None:
    """Whoever asks for n > 1 by provider options gets one answer, not a mixture."""
    other = event({"index": 1, "delta": {"content": "X"}, "finish_reason": "length"})
    assert parts(other, delta(content="a"), other, event(STOP), DONE) == (Part(Text("a")),)


@pytest.mark.parametrize(
    "pieces",
    [
        [delta(content="a")],
        [delta(content="a"), DONE],
        [],
        [b": ping\n\n"],
        [b"data: {\n\n"],
        [event(STOP)[:-20]],
        [b"data: [1]\n\n"],
        [b"data: null\n\n"],
        [b"data: \xff\n\n"],
        [b'data: {"choices":{"a":1}}\n\n'],
        [b'data: {"choices":[null]}\n\n'],
        [b'data: {"choices":[{"delta":[1]}]}\n\n'],
        [b'data: {"choices":[{"delta":{"content":7}}]}\n\n'],
        [b'data: {"choices":[{"delta":{"reasoning":{"a":1}}}]}\n\n'],
        [b'data: {"choices":[{"delta":{"content":[{"type":"text"}]}}]}\n\n'],
        [b'data: {"choices":[{"delta":{"refusal":[1]}}]}\n\n'],
        [b'data: {"choices":[{"delta":{"tool_calls":[1]}}]}\n\n'],
        [b'data: {"choices":[{"delta":{"tool_calls":[{"index":[],"function":{"name":"f"}}]}}]}\n\n'],
        [b'data: {"choices":[{"delta":{},"finish_reason":{}}]}\n\n'],
        [b'data: {"choices":[],"usage":[1]}\n\n'],
        [b'data: {"choices":[{"delta":{"content":"\\ud800"}}]}\n\n'],
        [b"data: " + b"[" * 100_000 + b"\n\n"],
    ],
)
def test_what_is_no_answer_is_a_protocol_failure(pieces: list[bytes]) -> None:
    """Cut streams, garbage, truncated JSON and JSON of other shapes fail cleanly."""
    assert failure(*pieces) is Failure.PROTOCOL


def test_the_end_of_the_stream_may_stand_for_done() -> None:
    """Several servers send no [DONE], or no blank line behind it."""
    assert flat(delta(content="a"), event(STOP)) == [TextDelta(0, "a"), END]
    assert flat(delta(content="a"), event(STOP), b"data: [DONE]") == [TextDelta(0, "a"), END]


def test_nothing_behind_done_counts() -> None:
    """Neither in the same read nor in another."""
    assert flat(delta(content="a") + event(STOP) + DONE + delta(content="b") + b"data: {") == [TextDelta(0, "a"), END]


def test_what_came_before_a_failure_in_the_same_read_counts() -> None:
    """Text that arrived is passed on, usage is kept, and then the lane fails."""
    reading = EventReading(Answer(OPENED), SseDecoder())
    error = {"message": "sk-123 said so", "type": "server_error"}
    burst = reading.take(delta(content="a") + event(error=error, usage={"prompt_tokens": 1, "completion_tokens": 1}))
    assert burst == [TextDelta(0, "a"), UsageReport(Usage(1, 1))]
    with pytest.raises(BackendError) as caught:
        reading.check()
    assert caught.value.failure is Failure.UNAVAILABLE
    assert "sk-123" not in str(caught.value)
    assert (caught.value.http_status, caught.value.provider_request_id) == (200, "r")


def test_a_whole_message_and_its_stream_fold_alike() -> None:
    """One answer, two ways to send it, the same parts, usage and end."""
    calls = [call(0, id="a", name="f", arguments='{"x":1}'), call(1, id="b", name="g", arguments="")]
    said = {"reasoning_content": "hm", "content": "yes", "tool_calls": calls}
    one = whole(said, "tool_calls", model="m-1", usage={"prompt_tokens": 1, "completion_tokens": 2})
    fold, streamed = Fold(), Fold()
    fold.add(one)
    streamed.add(
        flat(
            delta(reasoning_content="hm"),
            delta(content="y"),
            delta(content="es"),
            delta(tool_calls=calls),
            event({"delta": {}, "finish_reason": "tool_calls"}),
            DONE,
        )
    )
    assert one[0] == Opened("m-1", "r", 200)
    assert fold.parts() == streamed.parts()
    assert len(fold.parts()) == 4
    assert fold.end == streamed.end == End(FinishReason.TOOL_CALLS)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}, Usage(5, 3)),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 3,
                "total_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(5, 3, cache_read_tokens=4, reasoning_tokens=2),
        ),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 3,
                "total_tokens": 10,
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(5, 5, reasoning_tokens=2),
        ),
        ({"prompt_tokens": 5, "prompt_cache_hit_tokens": 4}, Usage(5, None, cache_read_tokens=4)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cache_write_tokens": 3}}, Usage(5, cache_write_tokens=3)),
        ({"prompt_tokens": 5, "cache_creation_input_tokens": 3}, Usage(5, cache_write_tokens=3)),
        ({"prompt_tokens": 5, "num_search_queries": 2}, Usage(5, units={"web_search": 2})),
        ({"prompt_tokens": 5, "server_tool_use": {"web_search_requests": 2}}, Usage(5, units={"web_search": 2})),
        ({"prompt_tokens": 5, "num_sources_used": 3, "num_search_queries": 0}, Usage(5, units={"web_source": 3})),
        ({"prompt_tokens": "5", "completion_tokens": -1, "prompt_tokens_details": None}, Usage()),
        ({"prompt_tokens": 2**80, "completion_tokens": 1.5}, Usage()),
    ],
)
def test_usage_has_one_meaning(reported: dict[str, Any], expected: Usage) -> None:
    """Input with cache reads, output with reasoning (xAI leaves it out of the output); what is no number is unknown."""
    assert usage(reported) == expected


def test_groq_may_report_usage_in_its_own_place() -> None:
    """Where it was not asked for, there is none but this."""
    assert flat(event(STOP, x_groq={"id": "r", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}), DONE) == [
        UsageReport(Usage(1, 2)),
        END,
    ]
    assert flat(event(STOP, x_groq={"id": "r"}), DONE) == [END]


SAID = st.one_of(
    st.builds(lambda text: delta(content=text), st.text(max_size=4)),
    st.builds(lambda text: delta(reasoning=text), st.text(max_size=4)),
    st.builds(
        lambda index, text: delta(tool_calls=[call(index, id=f"c{index}", name="f", arguments=text)]),
        st.integers(0, 2),
        st.text(max_size=4),
    ),
)


@settings(max_examples=50)
@given(st.lists(SAID, max_size=8), st.data())
def test_where_the_network_cuts_changes_nothing_of_the_answer(said: list[bytes], data: st.DataObject) -> None:
    """Bursts differ, their fold does not."""
    stream = b"".join([*said, event(STOP), DONE])
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    edges = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges) if a < b]
    assert parts(*pieces) == parts(stream)
