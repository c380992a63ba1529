"""A forward proxy on a loopback port, which leads every tunnel to one upstream.

async with proxy(server.port) as tunnel:
    ...                                   # HTTPS_PROXY = tunnel.url
assert tunnel.heads                       # what it was asked, head by head
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

THROUGH = b"HTTP/1.1 200 Connection established\r\nvia: a\r\n\r\n"


@dataclass(slots=True)
class Tunnel:
    """The running proxy.  *answer* is what it says to every CONNECT; it passes on only after THROUGH."""

    target: int
    answer: bytes
    scheme: str
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Return what a proxy's environment variable should say."""
        return f"{self.scheme}://user:p%40ss@127.0.0.1:{self.port}"

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one CONNECT, and pass on bytes both ways until one side ends."""
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            if self.answer == THROUGH:
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
                await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
            else:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # who asked has left
        finally:
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while not writer.is_closing() and (data := await reader.read(65536)):
            writer.write(data)
    except ConnectionError:
        pass  # the other side hears of it by the close
    finally:
        writer.transport.abort()


@asynccontextmanager
async def proxy(target: int, answer: bytes = THROUGH, tls: ssl.SSLContext | None = None) -> AsyncIterator[Tunnel]:
    """Lead tunnels to the loopback port *target*.  What is still open at the end is cut."""
    tunnel = Tunnel(target, answer, "https" if tls else "http")

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(tunnel.lead(reader, writer))
        tunnel.tasks.add(task)
        task.add_done_callback(tunnel.tasks.discard)

    listener = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)
    tunnel.port = listener.sockets[0].getsockname()[1]
    try:
        yield tunnel
    finally:
        listener.close()
        if tunnel.tasks:
            await asyncio.wait(tunnel.tasks, timeout=2)
