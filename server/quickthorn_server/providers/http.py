"""The outgoing HTTP client: pooled, bounded, closed at once.  All that providers know of HTTP."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.request import getproxies

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.http_connection import Connection
from quickthorn_server.providers.http_dial import Dialler
from quickthorn_server.providers.http_packed import Unpacker
from quickthorn_server.providers.http_pool import Pool
from quickthorn_server.providers.http_request import RequestForm
from quickthorn_server.providers.http_target import Destination, Target, target_of

ERROR_BODY_BYTES, ERROR_BODY_SECONDS = 64 * 1024, 2.0
"""How much of an error's body is read, and for how long."""

WHOLE_BODY_BYTES = 32 * 1024 * 1024
"""The longest whole answer: more would not fit a gRPC message."""

DRAIN_SECONDS = 0.1

STALE_SECONDS = 1.0
"""A close that crossed our request on the wire arrives within a round trip; later ones are the provider's doing."""

ADDRESSES = 1024
"""How many addresses, each with the names of the headers it is sent, are remembered."""


class HttpReply:
    """A status, headers and a body that is read as it comes, until the block that opened it is left."""

    __slots__ = ("_connection", "_headers", "_read", "status")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._headers = connection.reply.headers
        self.status = connection.reply.status
        self._read = connection.read
        if b"content-encoding" in self._headers:
            self._read = Unpacker(self.header("content-encoding").lower(), connection.read).read

    def header(self, name: str) -> str:
        """Return a header's first value, whatever the case of *name*; "" when there is none."""
        return self._headers.get(name.lower().encode(), b"").strip().decode("latin-1")

    def read(self) -> Coroutine[Any, Any, bytes]:
        """Return what has arrived, at least one byte; b"" at a proper end.

        Raises BackendError: LOST when the body is cut, PROTOCOL when its framing or compression is garbage.
        """
        return self._read()

    async def whole(self) -> bytes:
        """Return the whole body.  Raises BackendError like `read`, and PROTOCOL above WHOLE_BODY_BYTES."""
        pieces: list[bytes] = []
        size = 0
        while data := await self._read():
            pieces.append(data)
            size += len(data)
            if size > WHOLE_BODY_BYTES:
                raise BackendError(Failure.PROTOCOL, "the answer is too long", http_status=self.status)
        return b"".join(pieces)

    async def error_body(self) -> bytes:
        """Return the start of an error's body, as far as it comes in time.  Never raises BackendError."""
        body = bytearray()
        try:
            async with asyncio.timeout(ERROR_BODY_SECONDS):
                while len(body) < ERROR_BODY_BYTES and (data := await self._read()):
                    body += data
        except (TimeoutError, BackendError):
            pass  # the status alone says enough
        return bytes(body[:ERROR_BODY_BYTES])

    async def drain(self) -> None:
        """Wait a moment for the end of a body whose content is complete, so that its connection can be used again."""
        if self._connection.reply.complete:
            return
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while await self._read():
                    pass
        except (TimeoutError, BackendError):
            pass  # then it is closed instead

    def left(self) -> None:
        """Read no more: the connection may be somebody else's by now."""
        self._read = _left


class _Line(NamedTuple):
    """Where requests of one form go."""

    form: RequestForm
    destination: Destination
    pool: Pool


class HttpClient:
    """One pool of connections for everybody, without a limit: permits and plans limit calls, not the pool.

    Redirects are not followed (a key must not travel), cookies are not kept (backends share this client), and proxies
    are those of the environment at construction, except for loopback addresses.

    A peer may close a pooled connection while our request is on its way (llama.cpp closes after every stream, without
    saying so).  So a request whose connection had served before and ends within STALE_SECONDS, without a byte of an
    answer, is sent again, until the connection is a fresh one: what fails there, or later, fails.
    """

    def __init__(self) -> None:
        tls = ssl.create_default_context()  # trusts what the system does, and SSL_CERT_FILE
        tls.set_alpn_protocols(["http/1.1"])
        self._dialler = Dialler(tls)
        self._proxies = getproxies()
        self._pools: dict[Destination, Pool] = {}
        self._line = lru_cache(ADDRESSES)(self._new_line)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, connect_timeout: float
    ) -> AbstractAsyncContextManager[HttpReply]:
        """Send a request and give its reply as soon as the headers are here.

        Leaving the block, or cancelling the task inside it or while it waits, closes the connection at once unless the
        body has come to its end.  *connect_timeout* in seconds covers name resolution, TCP, proxies and TLS.
        Raises BackendError: CONNECT when nobody is there, LOST when the connection breaks, PROTOCOL for garbage.
        """
        return _Opened(self, method, url, headers, body, connect_timeout)

    async def reach(self, url: str, connect_timeout: float) -> None:
        """Make a connection as `open` would, and close it.  Raises BackendError (CONNECT)."""
        connection = await self._dialler.connect(self._target(url).destination, within=connect_timeout)
        connection.abort()

    async def close(self) -> None:
        """Close every pooled connection."""
        self._dialler.close()
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)  # the event loop closes sockets in its next step

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, connect_timeout: float
    ) -> tuple[Connection, Pool]:
        """Send a request; return the connection on which its reply begins, and the pool where it belongs."""
        try:
            form, destination, pool = self._line(method, url, tuple(headers))
            head = form.head(headers, len(body))
        except ValueError:
            # Its text may hold a header, and so a key: it goes no further.
            raise BackendError(Failure.INTERNAL, "a header of this backend is not valid") from None
        while True:
            pooled = pool.take()
            connection = pooled or await self._dialler.connect(destination, within=connect_timeout)
            began = time.monotonic()
            try:
                await connection.ask(head, body)
            except BackendError:
                connection.abort()
                if pooled is None or connection.reply.heard or time.monotonic() - began >= STALE_SECONDS:
                    raise
            except BaseException:
                connection.abort()
                raise
            else:
                return connection, pool

    def _new_line(self, method: str, url: str, names: tuple[str, ...]) -> _Line:
        """Prepare requests with headers of these *names*: addresses come from the configuration, so they are few."""
        target = self._target(url)
        pool = self._pools.setdefault(target.destination, Pool())
        return _Line(RequestForm(method, target, names), target.destination, pool)

    def _target(self, url: str) -> Target:
        try:
            return target_of(url, self._proxies)
        except ValueError:
            raise BackendError(Failure.CONNECT, "the address is not valid") from None


class _Opened:
    """A request on its way, then its reply: the context manager of `HttpClient.open`, which costs no generator."""

    __slots__ = ("_client", "_connection", "_pool", "_reply", "_request")

    def __init__(self, client: HttpClient, *request: Any) -> None:
        self._client = client
        self._request = request

    async def __aenter__(self) -> HttpReply:
        self._connection, self._pool = await self._client.send(*self._request)
        self._reply = HttpReply(self._connection)
        return self._reply

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._reply.left()
        if self._connection.reusable:
            self._pool.give(self._connection)
        else:
            self._connection.abort()


async def _left() -> bytes:
    raise BackendError(Failure.INTERNAL, "a reply is read that was left")
