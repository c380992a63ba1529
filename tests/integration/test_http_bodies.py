"""The HTTP client over real sockets: how bodies begin and end, in which bounds, and what their connections are then."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.http_connection import HELD_BYTES
from tests.support.loops import LOOPS, Run
from tests.support.upstream import Exchange, Script, Upstream, in_turn, replies, sends, upstream

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def between(script: Script) -> AsyncIterator[tuple[HttpClient, Upstream]]:
    """Give a client and the upstream it may ask."""
    async with upstream(script) as server, HttpClient() as client:
        yield client, server


async def fetch(client: HttpClient, url: str, body: bytes = b"{}") -> tuple[int, bytes]:
    """Return status and body of a reply."""
    async with client.open("POST", url, {}, body, 1.0) as reply:
        return reply.status, await reply.whole()


def stays(*pieces: bytes) -> Script:
    """Send *pieces* apart, and leave the connection open for the next request."""

    async def script(exchange: Exchange) -> None:
        for piece in pieces:
            await asyncio.sleep(0.003)
            await exchange.send(piece)

    return script


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize(
    ("pieces", "connections"),
    [
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n", LENGTH], 1),
        ([CHUNKED, b"2;a=b\r\nok\r\n", b"0\r\nx-sum: 1\r\n\r\n"], 1),
        ([b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 22\r\n\r\n" + gzip.compress(b"ok")], 1),
        ([b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"], 2),
        ([b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"], 2),
        ([LENGTH + b"HTTP/1.1 200 OK\r\n"], 2),
        ([LENGTH + b"garbage"], 2),
    ],
    ids=["interim", "trailers", "packed", "close", "1.0", "a second reply", "garbage behind"],
)
def test_a_body_comes_to_its_end(run: Run, pieces: list[bytes], connections: int) -> None:
    """Whatever stands before it and behind it; and only a connection in a known state is used again."""

    async def main() -> tuple[list[tuple[int, bytes]], int]:
        async with between(in_turn(stays(*pieces), replies(200, b"next"))) as (client, server):
            answers = [await fetch(client, server.base_url) for _ in range(2)]
            return answers, len(server.connections)

    assert run(main()) == ([(200, b"ok"), (200, b"next")], connections)


async def cut_by_a_reset(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\n\r\nhal")
    await asyncio.sleep(0.02)
    exchange.reset()


@pytest.mark.parametrize("run", LOOPS)
def test_a_body_that_ends_with_its_connection(run: Run) -> None:
    """A close is its proper end, a reset is not; the next request has a connection of its own."""

    async def main() -> None:
        until_close = sends(b"HTTP/1.1 200 OK\r\n\r\nha", b"lf", pause=0.003)
        async with between(in_turn(until_close, cut_by_a_reset)) as (client, server):
            assert await fetch(client, server.base_url) == (200, b"half")
            async with client.open("POST", server.base_url, {}, b"", 1.0) as reply:
                assert await reply.read() == b"hal"
                with pytest.raises(BackendError) as caught:
                    await reply.read()
                assert caught.value.failure is Failure.LOST
            assert len(server.connections) == 2

    run(main())


@pytest.mark.parametrize("run", LOOPS)
def test_a_reader_that_lags_holds_the_upstream(run: Run) -> None:
    """What waits for it is bounded, and nothing is lost once it reads on."""
    total = 20_000_000

    async def main() -> None:
        async with between(replies(200, bytes(total))) as (client, server):
            async with client.open("POST", server.base_url, {}, b"", 1.0) as reply:
                size = len(await reply.read())
                await asyncio.sleep(0.1)
                assert server.busy
                assert HELD_BYTES < reply._connection.reply.held <= 2 * HELD_BYTES
                while data := await reply.read():
                    size += len(data)
            assert size == total
            assert await fetch(client, server.base_url) == (200, bytes(total))
            assert len(server.connections) == 1

    run(main())


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize("size", [10, HELD_BYTES + 10_000, 2_000_000])
def test_a_reply_that_nobody_reads_spoils_nothing(run: Run, size: int) -> None:
    """Left before its end or behind it, read or not; what is asked of it later is refused."""

    async def main() -> None:
        async with between(replies(200, b"x" * size)) as (client, server):
            async with client.open("POST", server.base_url, {}, b"", 1.0) as reply:
                await asyncio.sleep(0.05)
            assert (reply.status, reply.header("Content-Length")) == (200, str(size))
            other = await fetch(client, server.base_url)
            assert other == (200, b"x" * size)
            with pytest.raises(BackendError) as caught:
                await reply.read()
            assert caught.value.failure is Failure.INTERNAL

    run(main())


@pytest.mark.parametrize("run", LOOPS)
def test_a_long_request_arrives_whole(run: Run) -> None:
    """It is written in pieces, as fast as it is taken."""
    body = random.Random(1).randbytes(3_000_001)

    async def main() -> bytes:
        async with between(replies(200, b"ok")) as (client, server):
            assert await fetch(client, server.base_url, body) == (200, b"ok")
            return server.exchanges[0].body

    assert run(main()) == body


@pytest.mark.parametrize("run", LOOPS)
def test_an_answer_may_come_before_the_request_has_ended(run: Run) -> None:
    """Who is told 413 is not waited for; the rest stays unsaid, and the connection is not used again."""
    asked: list[bytes] = []
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await over.wait()
        writer.transport.abort()

    async def main() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, HttpClient() as client:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            async with asyncio.timeout(5):
                for _ in range(2):
                    assert await fetch(client, url, bytes(20_000_000)) == (413, b"no")
            over.set()
            await asyncio.sleep(0.01)

    run(main())
    assert len(asked) == 2


def test_garbage_never_hangs_and_raises_one_kind_of_error() -> None:
    """300 replies with bytes lost, doubled and changed, cut anywhere: each ends within a second."""
    whole = CHUNKED + b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nx-sum: 1\r\n\r\n"

    def spoiled(dice: random.Random) -> list[bytes]:
        data = bytearray(whole)
        for _ in range(dice.randrange(4)):
            at = dice.randrange(len(data))
            data[at : at + dice.randrange(3)] = dice.choice(
                [b"", b"\r\n", b"\0", b":", dice.randbytes(3), bytes(data[:at])]
            )
        cuts = sorted(dice.randrange(len(data)) for _ in range(3))
        return [bytes(data[start:end]) for start, end in zip([0, *cuts], [*cuts, None], strict=True)]

    async def spoils(exchange: Exchange) -> None:
        for piece in spoiled(random.Random(exchange.body)):
            await exchange.send(piece)
            await asyncio.sleep(0)
        exchange.close()

    async def outcome(client: HttpClient, server: Upstream, seed: int) -> bytes | Failure:
        try:
            async with asyncio.timeout(1):
                return (await fetch(client, server.base_url, b"%d" % seed))[1]
        except BackendError as error:
            return error.failure

    async def main() -> set[bytes | Failure]:
        async with between(spoils) as (client, server):
            found = {await outcome(client, server, seed) for seed in range(300)}
            await server.until_closed()
            return found

    found = asyncio.run(main())
    assert {b"hello world", Failure.LOST, Failure.PROTOCOL} <= found
    assert {end for end in found if isinstance(end, Failure)} == {Failure.LOST, Failure.PROTOCOL}
