"""Server-sent events come out the same, however their bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.sse import EVENT_BYTES, Event, SseDecoder


def decoded(*pieces: bytes) -> list[Event]:
    decoder = SseDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.finish()


@pytest.mark.parametrize(
    ("text", "events"),
    [
        (b"data: a\n\n", [Event(b"", b"a")]),
        (b"data:a\r\n\r\ndata:  b\r\n\r\n", [Event(b"", b"a"), Event(b"", b" b")]),
        (b"data: a\r\ndata: b\r\n\r\n", [Event(b"", b"a\nb")]),
        (b"data: a\r\rdata: b\r\r", [Event(b"", b"a"), Event(b"", b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event(b"", b"a")]),
        (b": keep alive\n\n:\n\ndata: a\n: inside\ndata: b\n\n", [Event(b"", b"a\nb")]),
        (b"event: error\ndata: a\nid: 7\nretry: 10\n\ndata: b\n\n", [Event(b"error", b"a"), Event(b"", b"b")]),
        (b"event: lonely\n\ndata: b\n\n", [Event(b"", b"b")]),
        (b"data\n\ndata:\n\n", [Event(b"", b""), Event(b"", b"")]),
        (b"data\ndata: a\n\n", [Event(b"", b"\na")]),
        (b"database: a\nunknown\n\n", []),
        (b"data: a\n\n\n\n\ndata: unfinished", [Event(b"", b"a"), Event(b"", b"unfinished")]),
        ("data: é😀\n\n".encode(), [Event(b"", "é😀".encode())]),
        (b"", []),
    ],
)
def test_what_the_standard_says(text: bytes, events: list[Event]) -> None:
    """Line ends of three kinds, a byte order mark, comments, several data lines, unknown fields; whole or bytewise."""
    assert decoded(text) == events
    assert decoded(*(bytes([byte]) for byte in text)) == events


PIECES = st.lists(
    st.sampled_from(
        [b"data: x", b"data:", b"data", b"event: e", b": c", b"\n", b"\r", b"\r\n", b"\xef\xbb\xbf", b"\xc3", b"\xa9"]
    ),
    max_size=30,
)


@given(PIECES, st.lists(st.integers(0, 200), max_size=12))
def test_any_re_chunking_gives_the_same_events(pieces: list[bytes], cuts: list[int]) -> None:
    """Where the network cuts the bytes makes no difference, not even inside CR LF or a character."""
    text = b"".join(pieces)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert decoded(*(text[a:b] for a, b in pairwise(edges))) == decoded(text)


@pytest.mark.parametrize("line", [b"x" * 65536, b"data: " + b"x" * 65530 + b"\n", b": " + b"x" * 65534])
def test_an_endless_event_ends_in_an_error(line: bytes) -> None:
    """Above 32 MiB a line, or the lines of one event, are a fault of the provider's; nothing is kept without bound."""
    decoder = SseDecoder()

    def feed() -> None:
        for _ in range(2 * EVENT_BYTES // len(line)):
            assert decoder.feed(line) == []

    with pytest.raises(BackendError) as caught:
        feed()
    assert caught.value.failure is Failure.PROTOCOL


def test_a_picture_comes_in_one_event() -> None:
    """Image models send megabytes of base64 in a single line."""
    decoder, picture = SseDecoder(), b"x" * 12_000_000
    stream = b"data: " + picture + b"\n\n"
    found = [event for at in range(0, len(stream), 65536) for event in decoder.feed(stream[at : at + 65536])]
    assert [event.data for event in found] == [picture]


def test_a_comment_line_is_no_event_however_many_come() -> None:
    """Keep-alive comments cost nothing: a stream may consist of them for hours."""
    decoder = SseDecoder()
    line = b": " + b"-" * 4092 + b"\n\n"
    for _ in range(2 * EVENT_BYTES // len(line)):
        assert decoder.feed(line) == []
