"""What Anthropic's wire says, as chunks."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickthorn_server.core.catalogue import Backend
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
from quickthorn_server.core.content import (
    Citation,
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
from quickthorn_server.providers.anthropic import AnthropicFormat
from quickthorn_server.providers.anthropic_usage import usage

WIRE = AnthropicFormat(Backend("b", "anthropic", "m", "m"))
OPENED = Opened(provider_request_id="r", http_status=200)
END = End(FinishReason.STOP)


def event(kind: str, **more: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


def begin(index: int, kind: str, **more: Any) -> bytes:
    return event("content_block_start", index=index, content_block={"type": kind, **more})


def delta(index: int, kind: str, **more: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **more})


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def said(index: int, text: str) -> bytes:
    return begin(index, "text", text="") + delta(index, "text_delta", text=text) + stop(index)


def ending(reason: str = "end_turn", sequence: str | None = None, **more: Any) -> bytes:
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": sequence}, **more)


START = event("message_start", message={"model": "m-1", "content": []})
PING = event("ping")
STOP = event("message_stop")


def read(*pieces: bytes) -> list[list[Chunk]]:
    """Return the bursts of a stream that comes in *pieces*; raises what it fails with."""
    reading = WIRE.reading(OPENED)
    bursts: list[list[Chunk]] = []
    for piece in (*pieces, b""):
        if not reading.done:
            bursts.append(list(reading.take(piece)))
            reading.check()
    return [burst for burst in bursts if burst]


def flat(*pieces: bytes) -> list[Chunk]:
    return [chunk for burst in read(*pieces) for chunk in burst]


def parts(*pieces: bytes) -> tuple[Part, ...]:
    return folded(flat(*pieces)).parts()


def folded(chunks: list[Chunk]) -> Fold:
    fold = Fold()
    fold.add(chunks)
    return fold


def whole(content: list[Any], reason: str = "end_turn", **more: Any) -> list[Chunk]:
    message = {"type": "message", "model": "m-1", "content": content, "stop_reason": reason, **more}
    return list(WIRE.whole(json.dumps(message).encode(), OPENED))


def failure(*pieces: bytes) -> BackendError:
    with pytest.raises(BackendError) as caught:
        read(*pieces)
    return caught.value


def test_a_plain_stream() -> None:
    """Usage as soon as it is known, text piece by piece, the end only at the marker; a ping says nothing."""
    started = event("message_start", message={"model": "m-1", "usage": {"input_tokens": 3, "output_tokens": 1}})
    assert read(
        started,
        PING,
        begin(0, "text", text=""),
        delta(0, "text_delta", text="Hel") + delta(0, "text_delta", text="lo"),
        stop(0),
        ending("stop_sequence", "!", usage={"output_tokens": 2}),
        STOP,
    ) == [
        [Opened("m-1", "r", 200), UsageReport(Usage(3, 1))],
        [TextDelta(0, "Hello")],
        [UsageReport(Usage(3, 2))],
        [End(FinishReason.STOP, "!")],
    ]


def test_thinking_and_its_state() -> None:
    """A signature belongs to its own part, whether or not the thinking is shown; so does what is encrypted whole."""
    signed, hidden = OpaqueState("anthropic", "", "", b"sig"), OpaqueState("anthropic", "", "redacted_thinking", b"enc")
    streamed = [
        START,
        begin(0, "thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="hm"),
        delta(0, "signature_delta", signature="sig"),
        stop(0),
        begin(1, "redacted_thinking", data="enc"),
        stop(1),
        begin(2, "thinking", thinking=""),
        delta(2, "signature_delta", signature="sig"),
        stop(2),
        ending(),
        STOP,
    ]
    expected = (
        Part(Reasoning("hm"), opaque=signed),
        Part(Reasoning(""), opaque=hidden),
        Part(Reasoning(""), opaque=signed),
    )
    assert parts(*streamed) == expected
    assert ReasoningDelta(0, "hm") in flat(*streamed)
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "enc"},
        {"type": "thinking", "thinking": "", "signature": "sig"},
    ]
    assert folded(whole(content)).parts() == expected


def test_tool_calls() -> None:
    """Arguments as the model wrote them, piece by piece; a call without any has an empty object."""
    assert flat(
        begin(0, "tool_use", id="a", name="f", input={}),
        delta(0, "input_json_delta", partial_json=""),
        delta(0, "input_json_delta", partial_json='{"x": '),
        delta(0, "input_json_delta", partial_json="40.0}"),
        stop(0),
        begin(1, "tool_use", id="b", name="g", input={}, caller={"type": "direct"}),
        stop(1),
        ending("tool_use"),
        STOP,
    ) == [
        ToolCallDelta(0, "a", "f"),
        ToolCallDelta(0, arguments_json='{"x": '),
        ToolCallDelta(0, arguments_json="40.0}"),
        ToolCallDelta(1, "b", "g"),
        ToolCallDelta(1, arguments_json="{}"),
        End(FinishReason.TOOL_CALLS),
    ]


def test_whole_arguments_are_the_bytes_of_the_body() -> None:
    """No number loses its form, no member its place."""
    body = (
        b'{"type":"message", "content": [ {"type":"tool_use","id":"a","name":"f","input": {"z": 1.0,"a":1e2} } ],'
        b' "stop_reason":"tool_use"}'
    )
    assert folded(list(WIRE.whole(body, OPENED))).parts() == (Part(ToolCall("a", "f", '{"z": 1.0,"a":1e2}')),)


def test_arguments_that_come_with_the_beginning_of_a_call() -> None:
    """Some servers that speak like Anthropic send them there, and no pieces."""
    began = begin(0, "tool_use", id="a", name="f", input={"x": 1})
    assert parts(began, stop(0), ending("tool_use"), STOP) == (Part(ToolCall("a", "f", '{"x": 1}')),)


def test_blocks_that_no_type_describes() -> None:
    """Calls of the provider's own tools, their results and whatever comes later, verbatim; input as it was written."""
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"n": 1.0}]}
    assert parts(
        begin(0, "server_tool_use", id="s", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"query":'),
        delta(0, "input_json_delta", partial_json=' "x"}'),
        stop(0),
        event("content_block_start", index=1, content_block=result),
        stop(1),
        begin(2, "compaction", content=None),
        delta(2, "compaction_delta", content="summary"),
        begin(3, "server_tool_use", id="t", name="x", input={}),
        delta(3, "input_json_delta", partial_json='{"cut'),
        ending("pause_turn"),
        STOP,
    ) == tuple(
        Part(ProviderBlock("anthropic", kind, text))
        for kind, text in (
            ("server_tool_use", '{"type":"server_tool_use","id":"s","name":"web_search","input":{"query": "x"}}'),
            ("web_search_tool_result", json.dumps(result)),
            ("compaction", '{"type":"compaction","content":"summary"}'),
            ("server_tool_use", '{"type": "server_tool_use", "id": "t", "name": "x", "input": {}}'),
        )
    )


SOURCES = {
    "char_location": ("", "Doc"),
    "page_location": ("", "Doc"),
    "content_block_location": ("", "Doc"),
    "search_result_location": ("https://s", "Title"),
    "web_search_result_location": ("https://w", "Title"),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_citations(kind: str) -> None:
    """Every kind of source, verbatim beside what is common to all; it supports the whole of its part."""
    uri, title = SOURCES[kind]
    source: dict[str, Any] = {"type": kind, "cited_text": "c", "start": 1.0}
    source |= {"document_title": title} if not uri else {"title": title}
    source |= {"url": uri} if "web" in kind else {"source": uri} if uri else {}
    citation = Citation(uri, title, "c", None, None, json.dumps(source))
    streamed = parts(
        begin(0, "text", text="", citations=[]),
        delta(0, "citations_delta", citation=source),
        delta(0, "text_delta", text="yes"),
        stop(0),
        said(1, "no"),
        ending(),
        STOP,
    )
    assert streamed == (Part(Text("yes"), citations=(citation,)), Part(Text("no")))
    content = [{"type": "text", "text": "yes", "citations": [source]}, {"type": "text", "text": "no"}]
    assert folded(whole(content)).parts() == streamed


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("refusal", FinishReason.REFUSAL),
        ("pause_turn", FinishReason.OTHER),
        ("something new", FinishReason.OTHER),
    ],
)
def test_stop_reasons(said: str, reason: FinishReason) -> None:
    """An empty answer with a reason is an answer."""
    assert flat(ending(said), STOP) == [End(reason)]
    assert whole([], said)[-1] == End(reason)


ALL: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "hm", "signature": "sig"},
    {"type": "redacted_thinking", "data": "enc"},
    {"type": "text", "text": "look", "citations": [{"type": "web_search_result_location", "url": "u", "n": 1.0}]},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1.0}},
    {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"encrypted_content": "e"}]},
    {
        "type": "tool_use",
        "id": "t",
        "name": "f",
        "input": {"a": 1.0},
        "caller": {"type": "code_execution_20260120", "tool_id": "s"},
        "toolset_name": "browser",
    },
]


def streamed(content: list[dict[str, Any]]) -> bytes:
    """Return *content* as the stream of it."""
    pieces = [START]
    for index, block in enumerate(content):
        late = {"thinking": "", "signature": "", "text": "", "citations": [], "input": {}}
        pieces.append(
            event(
                "content_block_start", index=index, content_block={**block, **{k: late[k] for k in late if k in block}}
            )
        )
        pieces += [delta(index, "citations_delta", citation=each) for each in block.get("citations", ())]
        if block["type"] == "thinking":
            pieces.append(delta(index, "thinking_delta", thinking=block["thinking"]))
            pieces.append(delta(index, "signature_delta", signature=block["signature"]))
        if "text" in block:
            pieces += [delta(index, "text_delta", text=letter) for letter in block["text"]]
        if "input" in block:
            text = json.dumps(block["input"])
            pieces += [delta(index, "input_json_delta", partial_json=text[:3])]
            pieces += [delta(index, "input_json_delta", partial_json=text[3:])]
        pieces.append(stop(index))
    pieces.append(event("message_delta", delta={"stop_reason": "tool_use", "container": {"id": "c", "n": 1.0}}))
    return b"".join([*pieces, STOP])


def test_a_whole_message_and_its_stream_fold_alike() -> None:
    """One answer, two ways to send it, the same parts and end."""
    one = folded(whole(ALL, "tool_use", container={"id": "c", "n": 1.0}))
    two = folded(flat(streamed(ALL)))
    assert [_loose(part) for part in one.parts()] == [_loose(part) for part in two.parts()]
    assert one.end == two.end == End(FinishReason.TOOL_CALLS)
    assert len(one.parts()) == len(ALL) + 1


def _loose(part: Part) -> Any:
    """Return a part without regard to the white space of JSON that this test itself wrote in two ways."""
    if isinstance(part.kind, ProviderBlock):
        return part.kind.type, json.loads(part.kind.json)
    return part


def test_an_answer_can_be_sent_back() -> None:
    """Thinking with its state, sources, calls and the provider's own blocks: as they came."""
    answer = Message(Role.ASSISTANT, folded(flat(streamed(ALL))).parts())
    sent = json.loads(WIRE.request(Prompt((Message(Role.USER, (Part(Text("hi")),)), answer)), whole=True).body)
    assert sent["messages"][1] == {"role": "assistant", "content": ALL}
    assert sent["container"] == "c"


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [START],
        [START, said(0, "a")],
        [START, said(0, "a"), ending()],
        [START, said(0, "a"), STOP],
        [START, begin(0, "text", text=""), ending()[:-30]],
    ],
)
def test_a_stream_that_ends_early_is_a_protocol_failure(pieces: list[bytes]) -> None:
    """Without a reason to stop, or without the marker behind it, something is missing."""
    assert failure(*pieces).failure is Failure.PROTOCOL


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {\n\n",
        b"data: [1]\n\n",
        b"data: null\n\n",
        b"data: {}\n\n",
        b"data: \xff\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
        b'data: {"type":[]}\n\n',
        event("message_start"),
        event("message_start", message={"usage": [1]}),
        delta(0, "text_delta", text="a"),
        begin(0, "text", text=7),
        begin(0, "text", text="a") + begin(0, "text", text="b"),
        begin(0, "text", text="") + delta(0, "thinking_delta", thinking="a"),
        begin(0, "tool_use", id="a", name="", input={}),
        begin(0, "tool_use", id=1, name="f", input={}),
        begin(0, "tool_use", id="a", name="f", input={}) + delta(0, "text_delta", text="a"),
        begin(0, "tool_use", id="a", name="f", input={}) + delta(0, "input_json_delta", partial_json=None),
        begin(0, "thinking", thinking="", signature=[1]),
        begin(0, "redacted_thinking") + stop(0),
        event("content_block_start", index=[], content_block={"type": "text", "text": ""}),
        stop(3),
        ending(reason=7),  # type: ignore[arg-type]  # a provider may
    ],
)
def test_what_is_no_event_of_an_answer_is_a_protocol_failure(garbage: bytes) -> None:
    """Garbage, truncated JSON and JSON of other shapes fail cleanly, even if the stream goes on."""
    assert failure(garbage, ending(), STOP).failure is Failure.PROTOCOL


@pytest.mark.parametrize("deep", [100, 500, 990, 1020, 5000])
def test_deep_json_is_taken_or_refused(deep: int) -> None:
    """It never ends in another exception, whichever of the two readers of JSON gives up first."""
    block = b'{"type":"x","y":' + b"[" * deep + b"]" * deep + b"}"
    began = b'data: {"type":"content_block_start","index":0,"content_block":' + block + b"}\n\n"
    body = b'{"type":"message","content":[' + block + b'],"stop_reason":"end_turn"}'
    assert _outcome(lambda: flat(began, ending(), STOP)) == _outcome(lambda: WIRE.whole(body, OPENED))


def _outcome(take: Callable[[], object]) -> Failure | None:
    try:
        take()
    except BackendError as error:
        return error.failure
    return None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b'{"type":"message"}', b'{"type":"message","content":{}}', b'{"content":[1]}'],
)
def test_a_whole_answer_that_is_none(body: bytes) -> None:
    """As clean as a stream's."""
    with pytest.raises(BackendError) as caught:
        WIRE.whole(body, OPENED)
    assert caught.value.failure is Failure.PROTOCOL


def test_words_of_later_versions_say_nothing() -> None:
    """Unknown events, and unknown deltas and blocks, which travel as they are."""
    assert flat(START, event("news", index=0), said(0, "a"), ending(), STOP)[1:] == [TextDelta(0, "a"), END]


def test_nothing_behind_the_marker_counts() -> None:
    """Neither in the same read nor in another."""
    assert flat(said(0, "a") + ending() + STOP + said(1, "b") + b"data: {") == [TextDelta(0, "a"), END]


def test_an_error_in_the_stream() -> None:
    """What came before it in the same read is passed on, usage too; its prose goes nowhere."""
    started = event("message_start", message={"usage": {"input_tokens": 1, "output_tokens": 1}})
    reading = WIRE.reading(OPENED)
    error = event("error", error={"type": "overloaded_error", "message": "sk-123 said so"})
    burst = reading.take(started + begin(0, "text", text="a") + error)
    assert burst == [UsageReport(Usage(1, 1)), TextDelta(0, "a")]
    with pytest.raises(BackendError) as caught:
        reading.check()
    assert caught.value.failure is Failure.OVERLOADED
    assert (caught.value.http_status, caught.value.provider_request_id) == (200, "r")
    assert "sk-123" not in str(caught.value)
    with pytest.raises(BackendError) as whole_error:
        WIRE.whole(b'{"type":"error","error":{"type":"rate_limit_error"}}', OPENED)
    assert whole_error.value.failure is Failure.RATE_LIMITED


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({"input_tokens": 5, "output_tokens": 3}, Usage(5, 3)),
        (
            {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 20},
            Usage(35, 3, 10, 20),
        ),
        (
            {
                "input_tokens": 5,
                "cache_creation_input_tokens": 20,
                "cache_creation": {"ephemeral_5m_input_tokens": 8, "ephemeral_1h_input_tokens": 12},
            },
            Usage(25, None, None, 20, 12),
        ),
        (
            {
                "input_tokens": 5,
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_5m_input_tokens": 8, "ephemeral_1h_input_tokens": 12},
            },
            Usage(35, None, None, 30, None),
        ),
        (
            {
                "input_tokens": 1,
                "output_tokens": 9,
                "output_tokens_details": {"thinking_tokens": 4},
                "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
            },
            Usage(1, 9, reasoning_tokens=4, units={"web_search": 2}),
        ),
        ({"output_tokens": 1, "server_tool_use": {"web_search_requests": 0}}, Usage(None, 1)),
        (
            {
                "input_tokens": 1,
                "output_tokens": 2,
                "iterations": [
                    {"type": "compaction", "input_tokens": 100, "output_tokens": 10, "cache_read_input_tokens": 7},
                    {"type": "message", "input_tokens": 1, "output_tokens": 2},
                ],
            },
            Usage(108, 12, 7),
        ),
        ({"input_tokens": None, "output_tokens": "3", "cache_creation": [], "iterations": [1]}, Usage()),
        ({"cache_read_input_tokens": 3}, Usage(None, None, 3)),
    ],
)
def test_usage_has_one_meaning(reported: dict[str, Any], expected: Usage) -> None:
    """Input with what was read from and written to the cache; what is not told, or no longer holds, is unknown."""
    assert usage(reported) == expected


def test_counts_of_a_stream_are_cumulative() -> None:
    """The last report says what the call used; what it leaves out still stands."""
    first = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0}
    chunks = flat(
        event("message_start", message={"usage": first}),
        ending(usage={"input_tokens": 9, "output_tokens": 7, "cache_read_input_tokens": None}),
        STOP,
    )
    reports = [chunk.usage for chunk in chunks if isinstance(chunk, UsageReport)]
    assert reports == [Usage(7, 1, 4, 0), Usage(13, 7, 4, 0)]


LETTERS = st.text(max_size=4)
BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, LETTERS),
    st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": "s"}, LETTERS),
    st.builds(lambda text: {"type": "tool_use", "id": "t", "name": "f", "input": {"x": text}}, LETTERS),
    st.builds(lambda text: {"type": "server_tool_use", "id": "s", "name": "w", "input": {"x": text}}, LETTERS),
)


@settings(max_examples=50)
@given(st.lists(BLOCKS, max_size=6), st.data())
def test_where_the_network_cuts_changes_nothing_of_the_answer(
    content: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Bursts differ, their fold does not."""
    stream = streamed(content)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    edges = [0, *sorted(cuts), len(stream)]
    assert parts(*(stream[a:b] for a, b in pairwise(edges) if a < b)) == parts(stream)


def test_a_part_that_comes_whole_is_one_chunk() -> None:
    """Blocks of the provider's own have no deltas in our contract."""
    began = begin(0, "server_tool_use", id="s", name="w", input={"q": 1})
    assert flat(began, stop(0), ending(), STOP)[0] == WholePart(
        0,
        Part(ProviderBlock("anthropic", "server_tool_use", began.decode().split('"content_block": ')[1].rstrip()[:-1])),
    )
