"""Bodies as a broken network, a broken proxy or a broken provider would send them."""

from __future__ import annotations

import random

_WORDS = (b"null", b"{}", b"[]", b'""', b"-1", b"1e999", b"\xff\xfe", b"\r\n\r\n", b"data:", b'"index":-1', b"\\ud800")
_LONGEST = 64


def mutated(body: bytes, draw: random.Random) -> bytes:
    """Return *body* with one to four random faults: bytes flipped, cut, doubled, moved or replaced by awkward words."""
    for _ in range(draw.randint(1, 4)):
        body = draw.choice((_flip, _cut, _double, _drop, _swap, _replace))(body, draw)
    return body


def _span(body: bytes, draw: random.Random) -> tuple[int, int]:
    start = draw.randrange(len(body) + 1)
    return start, min(len(body), start + draw.randint(1, _LONGEST))


def _flip(body: bytes, draw: random.Random) -> bytes:
    if not body:
        return body
    at = draw.randrange(len(body))
    return body[:at] + bytes([draw.randrange(256)]) + body[at + 1 :]


def _cut(body: bytes, draw: random.Random) -> bytes:
    return body[: draw.randrange(len(body) + 1)]


def _double(body: bytes, draw: random.Random) -> bytes:
    start, end = _span(body, draw)
    return body[:end] + body[start:]


def _drop(body: bytes, draw: random.Random) -> bytes:
    start, end = _span(body, draw)
    return body[:start] + body[end:]


def _swap(body: bytes, draw: random.Random) -> bytes:
    (start, middle), other = _span(body, draw), draw.randrange(len(body) + 1)
    piece, rest = body[start:middle], body[:start] + body[middle:]
    return rest[:other] + piece + rest[other:]


def _replace(body: bytes, draw: random.Random) -> bytes:
    start, end = _span(body, draw)
    return body[:start] + draw.choice(_WORDS) + body[end:]
