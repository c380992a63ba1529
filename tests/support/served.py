"""The whole server in this process, over real sockets, from a configuration's text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from textwrap import dedent

import grpc

from quickthorn.v1.completion_pb2 import CompletionRequest
from quickthorn.v1.content_pb2 import ROLE_USER, Message, Part
from quickthorn_server.config import parse
from quickthorn_server.main import Serving, serve

_START = 10.0  # seconds


@asynccontextmanager
async def served(config: str, env: Mapping[str, str] | None = None, *, server: str = "") -> AsyncIterator[str]:
    """Serve *config* (on a free port, with a short drain, and more *server* keys) and yield its address."""
    text = f"server: {{listen: 127.0.0.1:0, drain: {{quiet: 10ms, grace: 1s}}, {server}}}\n" + dedent(config)
    catalogue = parse(text, "test.yaml", env or {})
    ready: asyncio.Future[Serving] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(catalogue, ready.set_result))
    async with asyncio.timeout(_START):
        while not ready.done():
            if running.done():
                raise RuntimeError(f"the server ended with {await running} before it was ready")
            await asyncio.sleep(0.001)
    serving = ready.result()
    try:
        yield serving.address
    finally:
        serving.stop()
        assert await running == 0, "the drain left a handler behind"


@asynccontextmanager
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a plain channel of its own, with nothing of our client's."""
    async with grpc.aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),)) as opened:
        yield opened


def ask(text: str = "hi", route: str = "") -> CompletionRequest:
    """Return the smallest request."""
    return CompletionRequest(route=route, messages=[Message(role=ROLE_USER, parts=[Part(text=text)])])


def backends(**urls: str) -> str:
    """Return a backends section: a name and a base_url each, every one the model `m` of provider openai."""
    rows = (f"  - {{name: {name}, provider: openai, model: m, base_url: '{url}'}}" for name, url in urls.items())
    return "backends:\n" + "\n".join(rows)
