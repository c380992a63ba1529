"""A real OpenAI-compatible upstream on a loopback port, whose every byte a test controls.

async with upstream(says("Hel", "lo")) as server:
    ...                                   # ask server.base_url
assert server.connections[0].closed       # the instant at which our side closed it
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

Script = Callable[["Exchange"], Awaitable[None]]
"""Answers one request.  It is cancelled when the client closes, so it may wait for ever."""

FOREVER = 3600.0


@dataclass(slots=True)
class Connection:
    """One TCP connection as the upstream saw it.  Instants by `time.monotonic`; *closed* None = still open."""

    opened: float
    closed: float | None = None
    requests: int = 0


class Exchange:
    """One request, and the means to answer it with any bytes at all.  Header names are lower case."""

    def __init__(self, line: _Line, head: bytes, body: bytes) -> None:
        first, *rest = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ", 2)
        self.headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rest)}
        self.body = body
        self.connection = line.connection
        self._line = line

    @property
    def json(self) -> Any:
        """Return the request's body, parsed."""
        return json.loads(self.body)

    async def send(self, data: bytes) -> None:
        """Send *data* as it is, and wait while the client does not read."""
        await self._line.send(data)

    async def head(
        self, status: int = 200, content_type: str = "text/event-stream", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a status line and headers; the body follows by `chunk` and `finish`."""
        rows = {"content-type": content_type, "transfer-encoding": "chunked", **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in rows.items())
        await self.send(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode())

    async def chunk(self, data: bytes) -> None:
        """Send one piece of a chunked body."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def event(self, payload: object) -> None:
        """Send one server-sent event of JSON, or of a string as it is."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        await self.chunk(f"data: {text}\n\n".encode())

    async def finish(self) -> None:
        """End a chunked body properly."""
        await self.send(b"0\r\n\r\n")

    def close(self) -> None:
        """Close the connection with a FIN, wherever the answer stands."""
        self._line.transport.close()

    def reset(self) -> None:
        """Close the connection with an RST."""
        sock = self._line.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._line.transport.abort()


class _Line(asyncio.Protocol):
    """One connection: cuts requests out of the bytes and runs the script for each."""

    transport: asyncio.Transport

    def __init__(self, server: Upstream) -> None:
        self._server = server
        self._bytes = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.connection = Connection(time.monotonic())

    @property
    def busy(self) -> bool:
        """Whether a script runs."""
        return self._task is not None and not self._task.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop registers no subclass
        self._server.connections.append(self.connection)
        self._server.lines.add(self)
        self._server.idle.clear()
        self._server.empty.clear()

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        self._next()

    def _next(self) -> None:
        head, blank, rest = bytes(self._bytes).partition(b"\r\n\r\n")
        if self._task is not None or not blank:
            return
        length = next((int(row[15:]) for row in head.lower().split(b"\r\n") if row.startswith(b"content-length:")), 0)
        if len(rest) < length:
            return
        del self._bytes[: len(head) + len(blank) + length]
        exchange = Exchange(self, head, rest[:length])
        self.connection.requests += 1
        self._server.exchanges.append(exchange)
        self._task = asyncio.get_running_loop().create_task(self._answer(exchange))

    async def _answer(self, exchange: Exchange) -> None:
        await self._server.script(exchange)
        self._task = None
        self._next()

    async def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)
        await self._writable.wait()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> None:
        self._ended()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._ended()
        self._server.lines.discard(self)
        if not self._server.lines:
            self._server.empty.set()

    def _ended(self) -> None:
        self.connection.closed = self.connection.closed or time.monotonic()
        if not self._server.open:
            self._server.idle.set()
        if self._task is not None:
            self._task.cancel()


@dataclass(slots=True)
class Upstream:
    """The running server: where it listens, and everything that reached it, in order."""

    script: Script
    port: int = 0
    scheme: str = "http"
    host: str = "127.0.0.1"
    connections: list[Connection] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    lines: set[_Line] = field(default_factory=set)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    empty: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        """Return what a backend's `base_url` should say."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/v1"

    @property
    def open(self) -> int:
        """Count the connections that are open now."""
        return sum(connection.closed is None for connection in self.connections)

    @property
    def busy(self) -> int:
        """Count the answers that are being written now: a pooled connection is open, but not busy."""
        return sum(line.busy for line in self.lines)

    async def until_closed(self, within: float = 2.0) -> None:
        """Wait until no connection is open; fail after *within* seconds."""
        async with asyncio.timeout(within):
            await self.idle.wait()


@asynccontextmanager
async def upstream(
    script: Script, port: int = 0, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Upstream]:
    """Serve *script* on *host*; *port* 0 = a free one.  Everything still open is cut at the end."""
    server = Upstream(script, scheme="https" if tls else "http", host=host)
    listener = await asyncio.get_running_loop().create_server(lambda: _Line(server), host, port, ssl=tls, backlog=4096)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for line in list(server.lines):
            line.transport.abort()
        if server.lines:
            await server.empty.wait()


def text_event(text: str) -> dict[str, Any]:
    """Return the JSON of one streamed piece of text."""
    return {"object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}]}


def finish_event(reason: str = "stop") -> dict[str, Any]:
    """Return the JSON that carries the finish reason."""
    return {"object": "chat.completion.chunk", "model": "m", "choices": [{"delta": {}, "finish_reason": reason}]}


def usage_event(prompt: int, completion: int) -> dict[str, Any]:
    """Return the JSON that carries usage, after the last choice."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {"object": "chat.completion.chunk", "model": "m", "choices": [], "usage": usage}


def whole_answer(text: str, reason: str = "stop") -> dict[str, Any]:
    """Return the JSON of an answer in one piece."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {"object": "chat.completion", "model": "m", "choices": [choice], "usage": usage_event(3, 2)["usage"]}


def says(*words: str, wait: float = 0.0, pause: float = 0.0) -> Script:
    """Answer each request with *words*, streamed or whole as it asks; *wait* before the head, *pause* before each."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(wait)
        if not exchange.json.get("stream"):
            await replies(200, json.dumps(whole_answer("".join(words))))(exchange)
            return
        await exchange.head(headers={"x-request-id": "up-1"})
        for word in words:
            await asyncio.sleep(pause)
            await exchange.event(text_event(word))
        for payload in (finish_event(), usage_event(3, len(words)), "[DONE]"):
            await exchange.event(payload)
        await exchange.finish()

    return script


def streams(*payloads: object, done: bool = True) -> Script:
    """Answer with *payloads* as events, then `[DONE]` unless *done* is False, then a proper end."""

    async def script(exchange: Exchange) -> None:
        await exchange.head()
        for payload in (*payloads, "[DONE]") if done else payloads:
            await exchange.event(payload)
        await exchange.finish()

    return script


def replies(
    status: int,
    body: str | bytes = b"",
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Script:
    """Answer with *status* and *body* in one piece."""
    data = body.encode() if isinstance(body, str) else body
    rows = {"content-type": content_type, "content-length": str(len(data)), **(headers or {})}

    async def script(exchange: Exchange) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in rows.items())
        await exchange.send(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + data)

    return script


def sends(*pieces: bytes, pause: float = 0.0, close: bool = True) -> Script:
    """Send *pieces* raw, with *pause* seconds before each, then close (or keep silent)."""

    async def script(exchange: Exchange) -> None:
        for piece in pieces:
            await asyncio.sleep(pause)
            await exchange.send(piece)
        if not close:
            await asyncio.sleep(FOREVER)
        exchange.close()

    return script


async def silent(exchange: Exchange) -> None:
    """Take the request and never answer."""
    del exchange
    await asyncio.sleep(FOREVER)


async def resets(exchange: Exchange) -> None:
    """Take the request and reset the connection."""
    exchange.reset()


def babbles(line: bytes = b"x-more: 1\r\n", start: bytes = b"HTTP/1.1 200 OK\r\n") -> Script:
    """Send *start*, then *line* again and again, for as long as the client listens."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(start)
        while True:
            await exchange.send(line * 100)
            await asyncio.sleep(0)

    return script


def in_turn(*scripts: Script) -> Script:
    """Answer the first request with the first script, and so on; the last one repeats."""
    left = list(scripts)

    async def script(exchange: Exchange) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(exchange)

    return script
