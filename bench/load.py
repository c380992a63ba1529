"""The load: calls of an open loop, calls in flight, paced streams; and the CPU that the server spent meanwhile.

Bytes in, bytes out: what the client would pay for reading messages says nothing about the server.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from quickthorn.v1.completion_pb2 import CompletionRequest
from quickthorn.v1.content_pb2 import ROLE_USER, Message, Part
from quickthorn.v1.options_pb2 import Sampling

IN_FLIGHT = STREAMS = 32
TIMEOUT = 30.0  # seconds, the deadline of every call
SETTLE = 0.3  # seconds before anything counts

Call = Callable[[], Awaitable[Any]]


def request(route: str) -> bytes:
    """Return an ordinary request of *route*."""
    return CompletionRequest(
        route=route,
        system=[Part(text="You answer in one sentence.")],
        messages=[Message(role=ROLE_USER, parts=[Part(text="word " * 80)])],
        sampling=Sampling(max_output_tokens=256, temperature=0.2),
    ).SerializeToString()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far, all its threads, those gone too: the system's own books, in ns.

    It is what `clock_getcpuclockid(3)` gives on Linux, the sum behind utime + stime of /proc/PID/stat, which has only
    ticks of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | 2)


class Target:
    """One server under load."""

    def __init__(self, name: str, address: str, pid: int) -> None:
        self.name = name
        self.pid = pid
        self._channel = grpc.aio.insecure_channel(address)
        self._unary: Any = self._channel.unary_unary("/quickthorn.v1.Routing/Complete")
        self._stream: Any = self._channel.unary_stream("/quickthorn.v1.Routing/StreamComplete")

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def complete(self, route: str) -> bytes:
        """Make one unary call."""
        answer: bytes = await self._unary(request(route), timeout=TIMEOUT)
        return answer

    async def record(self, route: str) -> list[bytes]:
        """Return the messages of one stream."""
        return [message async for message in self._stream(request(route), timeout=TIMEOUT)]

    async def saturated(self, route: str, seconds: float) -> tuple[float, float]:
        """Keep 32 calls in flight for *seconds*; return CPU microseconds a call, and calls a second."""
        asked = request(route)
        done = 0
        over = False

        async def one_after_the_other() -> None:
            nonlocal done
            while not over:
                await self._unary(asked, timeout=TIMEOUT)
                done += 1

        workers = [asyncio.create_task(one_after_the_other()) for _ in range(IN_FLIGHT)]
        await asyncio.sleep(SETTLE)
        cpu, calls, began = cpu_seconds(self.pid), done, time.perf_counter()
        await asyncio.sleep(seconds)
        cpu, calls, took = cpu_seconds(self.pid) - cpu, done - calls, time.perf_counter() - began
        over = True
        await asyncio.gather(*workers)
        return cpu / calls * 1e6, calls / took

    async def streaming(self, route: str, seconds: float, tokens_each: int) -> float:
        """Run 32 streams side by side; return CPU microseconds per token in the midst of them.

        *tokens_each*: how many a message carries; calls begin and end outside of what is measured.
        """
        asked = request(route)
        messages = 0

        async def listen(delay: float) -> None:
            nonlocal messages
            await asyncio.sleep(delay)
            async for _ in self._stream(asked, timeout=TIMEOUT):
                messages += 1

        listeners = [asyncio.create_task(listen(place * 0.005 / STREAMS)) for place in range(STREAMS)]
        await asyncio.sleep(2 * SETTLE)
        cpu, before = cpu_seconds(self.pid), messages
        await asyncio.sleep(seconds)
        cpu, counted = cpu_seconds(self.pid) - cpu, messages - before
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)
        await asyncio.sleep(SETTLE / 3)
        return cpu / (counted * tokens_each) * 1e6


async def open_loop(call: Call, rate: float, seconds: float, chance: random.Random) -> list[float]:
    """Make calls at *rate* a second, whether answers come or not; return the seconds each took, from its due time."""
    took: list[float] = []
    running: set[asyncio.Task[None]] = set()

    async def timed(due: float) -> None:
        await call()
        took.append(time.perf_counter() - due)

    due = began = time.perf_counter()
    while due - began < seconds:
        due += chance.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(timed(due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    return took
