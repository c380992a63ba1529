"""A proxy before a model's server that holds back some answers' first bytes for seconds, drawn by a seed.

Raw bytes both ways; what comes from the client after an answer has begun is a new request.  A client that leaves ends
the request behind the proxy, too.  Prints `port N` first, and ends with its standard input.
Usage: stalling.py UPSTREAM_PORT SEED SHARE SHORTEST LONGEST
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable


class Stalls:
    """How long the first byte of each answer is held back: mostly not at all."""

    def __init__(self, seed: int, share: float, shortest: float, longest: float) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - stalls, no secrets
        self._share, self._shortest, self._longest = share, shortest, longest

    def draw(self) -> float:
        """Return the next one, in seconds."""
        length = self._chance.uniform(self._shortest, self._longest)
        return length if self._chance.random() < self._share else 0.0


class Exchange:
    """One connection: requests go through, and each answer's first byte when it may."""

    def __init__(self, stalls: Stalls) -> None:
        self._stalls = stalls
        self._answering = True
        self._not_before = 0.0

    def asked(self) -> None:
        """Note that bytes came from the client."""
        if self._answering:
            self._answering = False
            self._not_before = asyncio.get_running_loop().time() + self._stalls.draw()

    async def answers(self) -> None:
        """Wait until the answer may begin."""
        if not self._answering:
            await asyncio.sleep(max(0.0, self._not_before - asyncio.get_running_loop().time()))
            self._answering = True


async def passed_on(port: int, stalls: Stalls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one connection to the model and back until either side ends it."""
    exchange = Exchange(stalls)
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
    up = asyncio.create_task(_copy(reader, inner_writer, exchange.asked))
    down = asyncio.create_task(_copy_back(inner_reader, writer, exchange))
    await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
    for task in (up, down):
        task.cancel()
    await asyncio.gather(up, down, return_exceptions=True)
    for each in (writer, inner_writer):
        each.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[], None]) -> None:
    while received := await reader.read(65536):
        note()
        writer.write(received)


async def _copy_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, exchange: Exchange) -> None:
    while received := await reader.read(65536):
        await exchange.answers()
        writer.write(received)


async def main(port: int, stalls: Stalls) -> None:
    """Listen until standard input ends."""
    server = await asyncio.start_server(lambda reader, writer: passed_on(port, stalls, reader, writer), "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    upstream, seed, *shares = sys.argv[1:]
    asyncio.run(main(int(upstream), Stalls(int(seed), *map(float, shares))))
