"""AWS's own code behind its seam: frames out of bytes, signatures, and keys that are renewed."""

from __future__ import annotations

import asyncio
import struct
import threading
from binascii import crc32
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.bedrock_aws import Chain, Found, Frame, FrameDecoder, Key, signed
from quickthorn_server.providers.bedrock_keys import RENEWAL, RETRY, KeyRing
from quickthorn_server.providers.sse import EVENT_BYTES
from tests.support.frames import event, exception, framed
from tests.support.sigv4 import signature_of

BODY = event("a", x="ä") + exception("b", "no") + framed({}, b"") + event("c" * 200, y="z" * 5000)
KEY = Key("AKID", "secret", "token")


def frames(*pieces: bytes) -> list[Frame]:
    decoder = FrameDecoder()
    return [frame for piece in pieces for frame in decoder.feed(piece)]


@given(st.lists(st.integers(0, len(BODY)), max_size=30))
def test_frames_do_not_depend_on_how_they_are_cut(cuts: list[int]) -> None:
    """Any re-chunking of the same bytes gives the same frames."""
    places = [0, *sorted(cuts), len(BODY)]
    found = frames(*(BODY[start:end] for start, end in pairwise(places)))
    assert [(frame.name, frame.failed) for frame in found] == [
        ("a", False),
        ("b", True),
        ("", False),
        ("c" * 200, False),
    ]
    assert found == frames(BODY)


def _prelude(length: int, headers: int = 0) -> bytes:
    start = struct.pack("!II", length, headers)
    return start + struct.pack("!I", crc32(start))


@pytest.mark.parametrize(
    "body",
    [
        _prelude(EVENT_BYTES + 1),
        _prelude(15),
        _prelude(0),
        _prelude(2**32 - 1),
        _prelude(64, 2**31),
        b"\x00\x00\x00\x40" + bytes(8),
        BODY[:20] + bytes([BODY[20] ^ 1]) + BODY[21:],
        b"HTTP/1.1 200 OK\r\n",
        framed({"same": "a"}, b"")[:-4] + b"\0\0\0\0",
    ],
    ids=lambda body: f"{len(body)} bytes",
)
def test_what_is_no_frame_is_refused_at_once(body: bytes) -> None:
    """Wrong checksums and impossible lengths, the latter before anything is kept for them."""
    with pytest.raises(BackendError) as error:
        frames(body)
    assert error.value.failure is Failure.PROTOCOL


def test_frames_before_garbage_still_count() -> None:
    """What came before it in the same read has been said."""
    found: list[Frame] = []
    with pytest.raises(BackendError):
        found.extend(FrameDecoder().feed(event("a") + b"garbage" * 9))
    decoder = FrameDecoder().feed(event("a") + b"garbage" * 9)
    assert next(decoder).name == "a"


@pytest.mark.parametrize("path", ["/model/m.x-v1:0/converse", "/model/arn:aws:b:1:p%2Fx/converse-stream"])
def test_a_signature_is_that_of_the_request_on_the_wire(path: str) -> None:
    """Recomputed from what is sent, as AWS's "Create a signed request" says, it is the same."""
    url, body = f"http://127.0.0.1:8080{path}", b'{"a":1}'
    sent = signed(url, {"Content-Type": "application/json", "X-A": " b  c "}, body, key=KEY, region="eu-west-1")
    assert sent["X-Amz-Security-Token"] == "token"
    assert sent["Authorization"].endswith(signature_of(path, {"host": "127.0.0.1:8080", **sent}, body, "secret"))
    assert "secret" not in repr(sent) + repr(KEY)


def test_the_chain_finds_what_the_environment_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The key of now, also when it has changed; without any there is none, and nobody raises."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert Chain().look() == Found()
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    assert Chain().look() == Found()
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    chain = Chain()
    assert chain.look() == Found(Key("AKID", "secret", None))
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert chain.look() == Found(Key("AKID", "secret", "token"))


class Looked:
    """Counts the looks; what the next one finds is set."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.times = 0
        self.go = threading.Event()
        self.go.set()

    def __call__(self) -> Found:
        assert threading.current_thread() is not threading.main_thread()
        self.go.wait(10)
        self.times += 1
        return self.found


def renewals(looked: Looked, *moments: float) -> list[int]:
    """Ask for the key at *moments* of a clock of one's own and return how many looks there had been by then."""

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        ring, times = KeyRing(looked), []
        for moment in moments:
            setattr(loop, "time", lambda at=1000.0 + moment: at)  # noqa: B010 - the loop's own clock is read-only to mypy
            with suppress(BackendError):
                await ring.renew()
            times.append(looked.times)
        del loop.time
        return times

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("found", "moments", "times"),
    [
        (Found(KEY), (0, RENEWAL - 1, RENEWAL, RENEWAL + 1), [1, 1, 2, 2]),
        (Found(), (0, RETRY - 1, RETRY), [1, 1, 2]),
        (Found(failure=Failure.UNAVAILABLE), (0, RETRY - 1, RETRY), [1, 1, 2]),
    ],
)
def test_a_key_is_looked_for_no_more_often_than_it_changes(
    found: Found, moments: tuple[float, ...], times: list[int]
) -> None:
    """Once a minute, which is enough for files that are written anew; a missing one a little sooner."""
    assert renewals(Looked(found), *moments) == times


@pytest.mark.parametrize("failure", [Failure.UNAUTHENTICATED, Failure.UNAVAILABLE])
def test_without_a_key_nothing_is_asked(failure: Failure) -> None:
    """There is none, or whoever gives it does not answer: the first is the operator's, the second passes."""

    async def main() -> None:
        await KeyRing(Looked(Found(failure=failure))).renew()

    with pytest.raises(BackendError) as error:
        asyncio.run(main())
    assert error.value.failure is failure


def test_one_looks_for_all_and_nobody_stops_it() -> None:
    """Lanes that wait share one look; one that is cancelled leaves it to the others, and the loop goes on meanwhile."""

    async def main() -> tuple[int, Key]:
        looked = Looked(Found(KEY))
        looked.go.clear()
        ring = KeyRing(looked)
        waiting = [asyncio.create_task(ring.renew()) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting[1:])
        looked.go.set()
        await asyncio.gather(*waiting[1:])
        assert waiting[0].cancelled()
        return looked.times, ring.key()

    assert asyncio.run(main()) == (1, KEY)
