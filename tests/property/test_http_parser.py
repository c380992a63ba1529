"""Replies over HTTP/1.1: cut anywhere they read the same, and whatever comes instead ends in one word."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.http_parser import HEAD_BYTES, ReplyParser
from tests.support.laws import law

INTERIM = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\ncontent-length: 9\r\n\r\n"]
FRAMINGS = ["length", "chunked", "close"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that can be told from outside about a reply that was read to its end."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    failure: Failure | None
    complete: bool
    reusable: bool


def read(pieces: list[bytes], *, properly: bool = True) -> Outcome:
    """Feed *pieces*, taking the body now and then, then the end of the connection."""
    parser, body = ReplyParser(), b""
    for place, piece in enumerate(pieces):
        if parser.broken:
            break
        parser.feed(piece)
        if place % 3 == 0:
            body += parser.take()
    reusable = parser.complete and parser.reusable
    parser.end(properly=properly)
    failure = None
    if parser.complete:
        parser.check()
    else:
        with pytest.raises(BackendError) as caught:
            parser.check()
        failure = caught.value.failure
    headers = tuple(parser.headers.items()) if parser.answered else ()
    body += parser.take()
    return Outcome(parser.status if parser.answered else 0, headers, body, failure, parser.complete, reusable)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


def chunked(body: bytes, dice: random.Random) -> bytes:
    pieces = cut(body, [dice.randrange(1000) for _ in range(3)])
    extension = dice.choice([b"", b";a=b", b';a="b c"'])
    trailers = dice.choice([b"", b"x-sum: 1\r\n", b"x-sum: 1\r\nx-id: c\r\n"])
    return b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces) + b"0\r\n%b\r\n" % trailers


def reply(body: bytes, framing: str, seed: int) -> bytes:
    """Return a sound reply that carries *body*."""
    dice = random.Random(seed)
    head = b"".join(dice.choices(INTERIM, k=dice.randrange(3))) + b"HTTP/1.1 201 Made\r\nX-Id:  a \r\nx-id: b\r\n"
    if framing == "length":
        return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    if framing == "chunked":
        return head + b"Transfer-Encoding: Chunked\r\n\r\n" + chunked(body, dice)
    return head + b"\r\n" + body


BODIES = st.binary(max_size=60) | st.sampled_from(
    [b"", b"\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 70_000]
)
PLACES = st.lists(st.integers(0, 10**6), max_size=12)
SEEDS = st.integers(0, 10**6)
GARBAGE = st.binary(max_size=8) | st.sampled_from(
    [b"\r\n", b"\n", b"\0", b":", b"ffffffffffffffffff", b"HTTP/1.1 101 X\r\n"]
)


@law(300)
@given(BODIES, st.sampled_from(FRAMINGS), SEEDS, PLACES)
def test_a_sound_reply_is_read_however_it_is_cut(body: bytes, framing: str, seed: int, places: list[int]) -> None:
    """Status, the first of each header, the body and nothing else; interim answers and trailers are not seen."""
    outcome = read(cut(reply(body, framing, seed), places))
    assert (outcome.status, outcome.body, outcome.failure) == (201, body, None)
    assert dict(outcome.headers)[b"x-id"].strip() == b"a"
    assert b"link" not in dict(outcome.headers)
    assert outcome.reusable is (framing != "close")


@law(300)
@given(BODIES, st.sampled_from(FRAMINGS), SEEDS, st.integers(0, 10**6), PLACES)
def test_a_cut_reply_is_lost_but_what_came_is_there(
    body: bytes, framing: str, seed: int, end: int, places: list[int]
) -> None:
    """Unless its end is the connection's, and that was a proper one."""
    whole = reply(body, framing, seed)
    outcome = read(cut(whole[: end % len(whole)], places), properly=True)
    assert body.startswith(outcome.body)
    assert outcome.complete is (framing == "close" and outcome.status == 201)
    assert outcome.failure is (None if outcome.complete else Failure.LOST)
    assert read(cut(whole[: end % len(whole)], places), properly=False).failure is Failure.LOST


@law(600)
@given(
    BODIES, st.sampled_from(FRAMINGS), SEEDS, st.lists(st.tuples(SEEDS, st.integers(0, 4), GARBAGE), max_size=3), PLACES
)
def test_garbage_reads_the_same_however_it_is_cut(
    body: bytes, framing: str, seed: int, slips: list[tuple[int, int, bytes]], places: list[int]
) -> None:
    """Bytes lost, added or changed anywhere: one outcome, which is a whole reply, LOST or PROTOCOL."""
    data = reply(body, framing, seed)
    for at, dropped, added in slips:
        start = at % (len(data) + 1)
        data = data[:start] + added + data[start + dropped :]
    outcome = read([data])
    assert read(cut(data, places)) == outcome
    assert outcome.complete or outcome.failure in {Failure.LOST, Failure.PROTOCOL}


@law(200)
@given(st.binary(max_size=200), PLACES)
def test_any_bytes_at_all(data: bytes, places: list[int]) -> None:
    """No HTTP in it, so no answer in it."""
    assert read(cut(data, places)) == read([data])


@pytest.mark.parametrize("step", [1, 1000, 2 * HEAD_BYTES])
@pytest.mark.parametrize(("excess", "failure"), [(0, None), (1, Failure.PROTOCOL)])
def test_a_head_has_a_limit_to_the_byte(step: int, excess: int, failure: Failure | None) -> None:
    """Interim heads count; where it is cut does not."""
    start, end = INTERIM[0] + b"HTTP/1.1 200 OK\r\nx: ", b"\r\ncontent-length: 2\r\n\r\n"
    data = start + b"a" * (HEAD_BYTES - len(start) - len(end) + excess) + end + b"ok"
    assert read([data[at : at + step] for at in range(0, len(data), step)]).failure is failure


@pytest.mark.parametrize("framing", [b"x: " + b"a" * HEAD_BYTES, b"x: 1\r\n" * HEAD_BYTES])
def test_trailers_have_a_limit_too(framing: bytes) -> None:
    """What is no body is not gathered without end."""
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
    outcome = read([head, *(framing[at : at + 5000] for at in range(0, len(framing), 5000))])
    assert (outcome.body, outcome.failure) == (b"ok", Failure.PROTOCOL)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 204 No\r\ncontent-length: 2\r\n\r\n", b""),
        (b"HTTP/1.0 200\r\n\r\nok", b"ok"),
    ],
)
def test_what_old_servers_send_is_read(data: bytes, body: bytes) -> None:
    """Bare line feeds, padded sizes, a body that cannot be, no reason phrase."""
    outcome = read([data])
    assert (outcome.body, outcome.failure) == (body, None)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        b"HTTP/1.1 099 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n",
    ],
)
def test_what_cannot_be_told_apart_is_refused(head: bytes) -> None:
    """Protocols nobody asked for, codings that are not undone, lengths that contradict each other."""
    assert read([head + b"abcdef"]).failure is Failure.PROTOCOL
