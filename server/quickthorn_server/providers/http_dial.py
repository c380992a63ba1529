"""Connections made: names resolved, addresses raced (by aiohappyeyeballs), TLS, and tunnels through proxies."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Sequence
from typing import Any

from aiohappyeyeballs import start_connection

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.http_connection import Connection
from quickthorn_server.providers.http_target import Destination

HEAD_START = 0.25
"""Seconds before the next address of a name is tried beside the last (RFC 8305, 5: the recommended delay)."""

REMEMBERED = 10.0
"""Seconds that the addresses of a name are remembered."""

_THROUGH = range(200, 300)


class Dialler:
    """Connects.  *tls* says whom to trust."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._names = Names()

    async def connect(self, destination: Destination, *, within: float) -> Connection:
        """Return a new connection; *within* so many seconds, for names, TCP, proxies and TLS.

        Raises BackendError (CONNECT); then nothing is left open.
        """
        try:
            async with asyncio.timeout(within):
                return await self._connected(destination)
        except TimeoutError:
            raise _failed("connecting took too long") from None
        except ssl.SSLError:
            raise _failed("the TLS handshake failed") from None
        except socket.gaierror:
            raise _failed("the host name does not resolve") from None
        except OSError as error:
            raise _failed(f"nobody there ({errno.errorcode.get(error.errno or 0, 'no route')})") from None
        except ValueError:
            raise _failed("the address is not valid") from None

    def close(self) -> None:
        """Ask for no name any more."""
        self._names.close()

    async def _connected(self, destination: Destination) -> Connection:
        proxy = destination.tunnel
        first = proxy or destination
        connection = await self._opened(first.host, first.port)
        try:
            if proxy is not None:
                if proxy.tls:
                    await self._secure(connection, proxy.host)
                await _pass(connection, destination, proxy.authorization)
            if destination.tls:
                await self._secure(connection, destination.host)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _opened(self, host: str, port: int) -> Connection:
        loop = asyncio.get_running_loop()
        addresses = await self._names.addresses(host, port)
        try:
            sock = await start_connection(addresses, happy_eyeballs_delay=HEAD_START, loop=loop)
        except RuntimeError:  # uvloop's word for a socket that it lost
            raise ConnectionAbortedError(errno.ECONNABORTED, "lost while connecting") from None
        return (await loop.create_connection(Connection, sock=sock))[1]

    async def _secure(self, connection: Connection, host: str) -> None:
        """Speak TLS from here on.

        `create_connection` could do both at once, but asyncio's (3.11 to 3.13) leaves the socket open when it is
        cancelled before the handshake has begun; this way the transport below is ours to close.
        """
        below = connection.transport
        try:
            loop, name = asyncio.get_running_loop(), host.rstrip(".")
            above = await loop.start_tls(below, connection, self._tls, server_hostname=name)
        except BaseException:
            below.abort()
            raise
        if above is None:
            raise ConnectionResetError(errno.ECONNRESET, "closed as soon as the handshake was done")
        connection.renew(above)


async def _pass(connection: Connection, destination: Destination, authorization: str) -> None:
    """Have the proxy at the other end of *connection* lead it to *destination* (RFC 9110, 9.3.6)."""
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    authority = f"{host}:{destination.port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if authorization:
        lines.append(f"Proxy-Authorization: {authorization}")
    try:
        await connection.ask("\r\n".join([*lines, "", ""]).encode())
    except BackendError:
        raise _failed("the proxy does not let us through") from None
    if connection.reply.status not in _THROUGH or connection.reply.held:
        raise _failed("the proxy does not let us through")
    connection.rest()


class Names:
    """Addresses of names: asked once for everybody who waits, and remembered for REMEMBERED seconds."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, Sequence[Any]]] = {}
        self._asked: dict[tuple[str, int], asyncio.Task[Sequence[Any]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[Any]:
        """Return what `getaddrinfo` says.  Raises socket.gaierror, and UnicodeError for what is no name."""
        key, loop = (host, port), asyncio.get_running_loop()
        until, known = self._known.get(key, (0.0, ()))
        if loop.time() < until:
            return known
        if key not in self._asked:
            self._asked[key] = loop.create_task(self._ask(key))
            self._asked[key].add_done_callback(_look_at)
        return await asyncio.shield(self._asked[key])

    def close(self) -> None:
        """Wait for no answer any more."""
        for task in self._asked.values():
            task.cancel()

    async def _ask(self, key: tuple[str, int]) -> Sequence[Any]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(*key, type=socket.SOCK_STREAM)
            self._known[key] = loop.time() + REMEMBERED, found
            return found
        finally:
            del self._asked[key]


def _look_at(task: asyncio.Task[Any]) -> None:
    """Take note of how a task ended: whoever waited may be gone, and that is no fault."""
    if not task.cancelled():
        task.exception()


def _failed(message: str) -> BackendError:
    return BackendError(Failure.CONNECT, message)
