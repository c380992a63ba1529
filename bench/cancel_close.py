"""Measure how long after a client's cancel, or its deadline, the provider's connection is closed.

Three rows: a bare socket to the upstream that its client closes (the floor), a call with one lane, a race of two.
Imports nothing of the server: it reads the log of the upstream and its own clock.  Usage: cancel_close.py [N]
"""

from __future__ import annotations

import asyncio
import json
import platform
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc

from quickthorn.v1.completion_pb2 import CompletionRequest
from quickthorn.v1.content_pb2 import ROLE_USER, Message, Part
from quickthorn.v1.routing_service_pb2_grpc import RoutingStub

HERE = Path(__file__).parent
DEADLINE = 0.5  # seconds
PATIENCE = 20.0  # seconds until a line must have come

CONFIG = """\
server: {{listen: 127.0.0.1:0}}
backends:
  - {{name: a, provider: openai, model: m, base_url: "http://127.0.0.1:{port}/v1"}}
  - {{name: b, provider: openai, model: m, base_url: "http://127.0.0.1:{port}/v1"}}
routes:
  - {{name: single, backends: [a], upstream: stream}}
  - {{name: race, backends: [a, b], hedge: {{delay: 0s}}, budget: {{hedges: 100%, burst: 1000}}}}
"""


class Program:
    """A process whose lines are read as they come."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own commands
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def line(self) -> list[str]:
        """Return the next line's words."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        return self._process.stdout.readline().split()

    async def lines(self, count: int, word: str) -> list[float]:
        """Wait for *count* lines that begin with *word* and return their instants."""
        found: list[float] = []
        async with asyncio.timeout(PATIENCE):
            while len(found) < count:
                words = await asyncio.to_thread(self.line)
                found += [float(words[2])] if words and words[0] == word else []
        return found

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(timeout=20)


def request(route: str) -> CompletionRequest:
    """Return the smallest request."""
    return CompletionRequest(route=route, messages=[Message(role=ROLE_USER, parts=[Part(text="hi")])])


async def floor(upstream: Program, port: int, count: int) -> list[float]:
    """Close a bare socket *count* times."""
    took = []
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            await upstream.lines(1, "open")
            closed = time.monotonic()
        took.append((await upstream.lines(1, "closed"))[0] - closed)
    return took


async def cancels(upstream: Program, stub: Any, route: str, lanes: int, count: int) -> list[float]:
    """Cancel *count* calls of *route* while all their lanes wait; return the seconds until the last lane was closed."""
    took = []
    for _ in range(count):
        call = stub.StreamComplete(request(route))
        await upstream.lines(lanes, "open")
        cancelled = time.monotonic()
        call.cancel()
        took.append(max(await upstream.lines(lanes, "closed")) - cancelled)
    return took


async def deadlines(
    upstream: Program, stub: Any, route: str, lanes: int, count: int
) -> tuple[list[float], list[float]]:
    """Let *count* calls run into their deadline; return when the client heard of it, and when the last lane closed."""
    heard, closed = [], []
    for _ in range(count):
        began = time.monotonic()
        try:
            await stub.Complete(request(route), timeout=DEADLINE)
            sys.exit("a silent upstream was answered for")
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                sys.exit(f"wrong status: {error.code()}")
        heard.append(time.monotonic() - began)
        closed.append(max(await upstream.lines(lanes, "closed")) - began)
    return heard, closed


def figures(seconds: list[float]) -> dict[str, float]:
    """Return p50, p99 and the worst, in milliseconds."""
    ranked = sorted(seconds)
    ranks = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        name: round(ranked[max(0, -(-int(share * 100) * len(ranked) // 100) - 1)] * 1e3, 2)
        for name, share in ranks.items()
    }


async def main(count: int) -> None:
    """Measure everything and print one JSON object."""
    upstream = Program(sys.executable, str(HERE / "silent_upstream.py"))
    port = int(upstream.line()[1])
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(CONFIG.format(port=port))
        config.flush()
        server = Program(sys.executable, "-m", "quickthorn_server", "serve", "--config", config.name)
        address = server.line()[3]
        result: dict[str, Any] = {"n": count, "python": platform.python_version(), "unit": "ms"}
        async with grpc.aio.insecure_channel(address) as channel:
            stub = RoutingStub(channel)  # type: ignore[no-untyped-call,unused-ignore]
            result["floor_close"] = figures(await floor(upstream, port, count))
            for route, lanes in (("single", 1), ("race", 2)):
                result[f"cancel_{route}"] = figures(await cancels(upstream, stub, route, lanes, count))
                heard, closed = await deadlines(upstream, stub, route, lanes, max(10, count // 10))
                result[f"deadline_{route}_heard"], result[f"deadline_{route}_closed"] = figures(heard), figures(closed)
        server.stop()
    upstream.stop()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
