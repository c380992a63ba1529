"""Bodies that come compressed though nobody asked for it."""

from __future__ import annotations

import gzip
import zlib

import pytest

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.http_packed import UNPACKED_BYTES, Unpacker
from tests.support.virtual import run_virtual

BODY = b"data: hedge\n\n" * 100
RAW = zlib.compress(BODY)[2:-4]


def unpacked(coding: str, packed: bytes, step: int) -> list[bytes]:
    """Read *packed* to its end when it comes *step* bytes at a time."""
    left = [packed[at : at + step] for at in range(0, len(packed), step)]

    async def arrive() -> bytes:
        return left.pop(0) if left else b""

    async def main() -> list[bytes]:
        reader, pieces = Unpacker(coding, arrive), []
        while data := await reader.read():
            pieces.append(data)
        assert await reader.read() == b""
        return pieces

    return run_virtual(main())


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", RAW),
        ("identity", BODY),
    ],
)
def test_a_packed_body_is_unpacked_as_it_comes(coding: str, packed: bytes, step: int) -> None:
    """However it is cut; deflate with zlib around it and without."""
    assert b"".join(unpacked(coding, packed, step)) == BODY


@pytest.mark.parametrize("step", [1000, 10**6])
def test_a_bomb_goes_off_in_small_pieces(step: int) -> None:
    """A reader decides how much it takes."""
    pieces = unpacked("gzip", gzip.compress(bytes(5_000_000)), step)
    assert sum(map(len, pieces)) == 5_000_000
    assert max(map(len, pieces)) <= UNPACKED_BYTES


def test_nothing_packed_is_nothing() -> None:
    """As with a status that has no body."""
    assert unpacked("gzip", b"", 1) == []


@pytest.mark.parametrize("step", [1, 10_000])
@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", b"this is not gzip"),
        ("gzip", gzip.compress(BODY)[:-9]),
        ("gzip", gzip.compress(BODY)[:-8] + b"12345678"),
        ("deflate", b"\xff\xff\xff"),
        ("br", b"any"),
        ("gzip, br", gzip.compress(BODY)),
    ],
)
def test_garbage_is_told(coding: str, packed: bytes, step: int) -> None:
    """What is no such compression, one cut short, a wrong sum, and codings that are not known."""
    with pytest.raises(BackendError) as caught:
        unpacked(coding, packed, step)
    assert caught.value.failure is Failure.PROTOCOL
