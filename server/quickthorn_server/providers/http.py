"""The outgoing HTTP client: pooled, bounded, closed at once.  The only file that knows aiohttp."""

from __future__ import annotations

import asyncio
import errno
import io
import ipaddress
import ssl
import time
from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import ContentLengthError, TransferEncodingError
from yarl import URL

from quickthorn_server.core.failures import BackendError, Failure

KEEP_ALIVE = 30.0
"""Seconds an idle connection stays in the pool."""

ERROR_BODY_BYTES, ERROR_BODY_SECONDS = 64 * 1024, 2.0
"""How much of an error's body is read, and for how long."""

WHOLE_BODY_BYTES = 32 * 1024 * 1024
"""The longest whole answer: more would not fit a gRPC message."""

DRAIN_SECONDS = 0.1

STALE_SECONDS = 1.0
"""A close that crossed our request on the wire arrives within a round trip; later ones are the provider's doing."""

_AT_ONCE = 2**20  # bytes; a longer body is written in pieces, so that it does not hold up the loop


class HttpReply:
    """A status, headers and a body that is read as it comes."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._readany = response.content.readany
        self.status = response.status

    def header(self, name: str) -> str:
        """Return a header's first value, whatever the case of *name*; "" when there is none."""
        return self._response.headers.get(name, "")

    async def read(self) -> bytes:
        """Return what has arrived, at least one byte; b"" at a proper end.

        Raises BackendError: LOST when the body is cut, PROTOCOL when its framing or compression is garbage.
        """
        try:
            return await self._readany()
        except (aiohttp.ClientError, OSError) as error:
            raise _failed(error) from None

    async def whole(self) -> bytes:
        """Return the whole body.  Raises BackendError like `read`, and PROTOCOL above WHOLE_BODY_BYTES."""
        pieces: list[bytes] = []
        size = 0
        while data := await self.read():
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
                while len(body) < ERROR_BODY_BYTES and (data := await self.read()):
                    body += data
        except (TimeoutError, BackendError):
            pass  # the status alone says enough
        return bytes(body[:ERROR_BODY_BYTES])

    async def drain(self) -> None:
        """Wait a moment for the end of a body whose content is complete, so that its connection can be used again."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while await self.read():
                    pass
        except (TimeoutError, BackendError):
            pass  # then it is closed instead


class _StaleError(aiohttp.ClientError):
    """A pooled connection was closed by its peer before it answered."""


class _GarbageError(aiohttp.ClientPayloadError):
    """A body's framing is garbage."""


class _Response(aiohttp.ClientResponse):
    """Closes at once, and tells a stale connection from a broken one."""

    _used: ClassVar[WeakSet[object]] = WeakSet()
    _lost: asyncio.Future[None] | None = None

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Read the head.  Raises _StaleError when a connection that has served before says nothing and ends."""
        protocol = connection.protocol
        reused = protocol in self._used
        if not reused:
            self._used.add(protocol)
            if protocol.closed is not None:
                protocol.closed.add_done_callback(_look_at)
        began = time.monotonic()
        try:
            await super().start(connection)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            said_something = isinstance(getattr(error, "message", None), RawResponseMessage)
            if reused and not said_something and time.monotonic() - began < STALE_SECONDS:
                raise _StaleError from error
            raise
        self._lost = protocol.closed
        if self._lost is None:
            self._orphaned()
        else:
            self._lost.add_done_callback(self._orphaned)
        return self

    def _orphaned(self, _: object = None) -> None:
        """Fail a body that nobody ends any more.

        When a body's framing turns out to be garbage, the library (3.14) closes the connection and tells no reader.
        """
        if not self.content.is_eof() and self.content.exception() is None:
            self.content.set_exception(_GarbageError())

    def close(self) -> None:
        """Drop the connection with what is still unsent: a peer that does not read would keep it open for long."""
        if self._lost is not None:
            self._lost.remove_done_callback(self._orphaned)
        connection = self.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        super().close()


class HttpClient:
    """One pool of connections for everybody, without a limit: permits and plans limit calls, not the pool.

    Redirects are not followed (a key must not travel), cookies are not kept (backends share this client), and proxies
    are those of the environment at construction, except for loopback addresses.

    A peer may close a pooled connection while our request is on its way (llama.cpp closes after every stream, without
    saying so).  So a request whose connection had served before and ends within STALE_SECONDS, without a byte of an
    answer, is sent again, until the connection is a fresh one: what fails there, or later, fails.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._proxies = getproxies()
        self._tls = ssl.create_default_context()  # trusts what the system does, and SSL_CERT_FILE
        self._targets: dict[str, tuple[URL, URL | None]] = {}

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
        body was read to its end.  *connect_timeout* in seconds covers name resolution, TCP and TLS.
        Raises BackendError: CONNECT when nobody is there, LOST when the connection breaks, PROTOCOL for garbage.
        """
        return _Opened(self._send(method, url, headers, body, connect_timeout))

    async def close(self) -> None:
        """Close every pooled connection."""
        if self._session is not None:
            await self._session.close()

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, connect_timeout: float
    ) -> aiohttp.ClientResponse:
        try:
            target, proxy = self._target(url)
            timeout = _timeout(connect_timeout)
            while True:
                data = body if len(body) <= _AT_ONCE else io.BytesIO(body)
                try:
                    return await self._pool().request(
                        method, target, headers=headers, data=data, timeout=timeout, allow_redirects=False, proxy=proxy
                    )
                except _StaleError:
                    continue
        except (aiohttp.ClientError, OSError) as error:
            # The library's errors carry the request's headers, and so the key: they go no further.
            raise _failed(error) from None
        except ValueError:
            raise BackendError(Failure.INTERNAL, "a header or the address of this backend is not valid") from None

    def _pool(self) -> aiohttp.ClientSession:
        """Return the session, made on first use: it belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, ssl=self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept-Encoding": "identity", "User-Agent": "quickthorn"},
                response_class=_Response,
            )
        return self._session

    def _target(self, url: str) -> tuple[URL, URL | None]:
        """Return *url* and its proxy, parsed once: addresses come from the configuration, so they are few."""
        if url not in self._targets:
            parsed = URL(url)
            proxy = None if _direct(parsed.host or "") else self._proxies.get(parsed.scheme)
            self._targets[url] = parsed, URL(proxy) if proxy else None
        return self._targets[url]


class _Opened:
    """A request on its way, then its reply: the context manager of `HttpClient.open`, which costs no generator."""

    __slots__ = ("_response", "_sending")

    def __init__(self, sending: Coroutine[Any, Any, aiohttp.ClientResponse]) -> None:
        self._sending = sending

    async def __aenter__(self) -> HttpReply:
        self._response = await self._sending
        return HttpReply(self._response)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._response.close()


@lru_cache(maxsize=64)
def _timeout(connect: float) -> aiohttp.ClientTimeout:
    """Return the limits of a request; connects are nearly always given what is configured."""
    return aiohttp.ClientTimeout(total=None, connect=connect)


def _look_at(closed: asyncio.Future[None]) -> None:
    """Take note of how a connection was lost: nobody may be waiting for it, and that is no fault."""
    if not closed.cancelled():
        closed.exception()


def _direct(host: str) -> bool:
    """Say whether *host* is reached without a proxy: loopback never has one (the rule of Go's httpproxy)."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return bool(proxy_bypass(host))


def _failed(error: Exception) -> BackendError:
    """Say in our words what the library's *error* means."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return BackendError(Failure.CONNECT, "connecting took too long")
        case aiohttp.ClientSSLError():
            return BackendError(Failure.CONNECT, "the TLS handshake failed")
        case aiohttp.ClientConnectorDNSError():
            return BackendError(Failure.CONNECT, "the host name does not resolve")
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return BackendError(Failure.CONNECT, "the proxy does not let us through")
        case aiohttp.ClientConnectorError(os_error=cause):
            return BackendError(Failure.CONNECT, f"nobody there ({errno.errorcode.get(cause.errno or 0, 'no route')})")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return BackendError(Failure.CONNECT, "the address is not valid")
        case aiohttp.ClientPayloadError() if not _cut(error):
            return BackendError(Failure.PROTOCOL, "the body's framing or compression is garbage")
        case aiohttp.ClientResponseError():
            return BackendError(Failure.PROTOCOL, "what came is not HTTP")
        case _:
            return BackendError(Failure.LOST, "the connection broke")


def _cut(error: aiohttp.ClientPayloadError) -> bool:
    """Say whether a body ended early; otherwise it was garbage."""
    cause = error.__cause__
    if cause is None:
        return not isinstance(error, _GarbageError)
    return isinstance(cause, OSError | ContentLengthError) or (
        isinstance(cause, TransferEncodingError) and "Not enough data" in cause.message
    )
