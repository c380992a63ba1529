"""One HTTP/1.1 connection: a request out, its reply in pieces."""

from __future__ import annotations

import asyncio
from typing import cast

from quickthorn_server.providers.http_parser import ReplyParser

HELD_BYTES = 256 * 1024
"""When more than this waits for its reader, nothing more is read; the read that crossed the line may add as much."""

PIECE_BYTES = 256 * 1024
"""A longer request is written in pieces of this size, so that it neither holds up the loop nor is copied."""


class Connection(asyncio.Protocol):
    """Asks one thing at a time: `ask`, `read` until b"", `rest`, and again.

    Whatever comes, nothing but BackendError is raised, and every wait ends with the connection.  *reply* is what has
    been read so far; *closed*: the connection is, or is about to be.
    """

    __slots__ = ("_asking", "_full", "_loop", "_news", "_paused", "closed", "reply", "transport")

    def __init__(self) -> None:
        self.reply = ReplyParser()
        self.closed = False
        self._asking = False
        self._full = False
        self._paused = False
        self._news: asyncio.Future[None] | None = None

    @property
    def reusable(self) -> bool:
        """Whether the reply has come to its end, and another request may follow."""
        return self.reply.complete and self.reply.reusable and not self.closed

    async def ask(self, head: bytes, body: bytes = b"") -> None:
        """Send a request, and return when the head of its reply is here.  Raises BackendError: LOST or PROTOCOL."""
        self._asking = True
        if self.closed:
            self.reply.end(properly=False)
        elif len(body) <= PIECE_BYTES:
            self.transport.write(head + body)
        else:
            await self._write(head, memoryview(body))
        reply = self.reply
        while not reply.answered:
            reply.check()
            await self._next()

    async def read(self) -> bytes:
        """Return what has arrived of the body, at least one byte; b"" at its proper end.

        Raises BackendError, after everything that had come before: LOST when the body is cut, PROTOCOL for garbage.
        """
        reply = self.reply
        while not reply.held:
            if reply.complete:
                return b""
            reply.check()
            await self._next()
        data = reply.take()
        if self._paused:
            self._go_on()
        return data

    def rest(self) -> None:
        """Be idle: forget the reply; whatever comes before the next request closes the connection."""
        self._asking = False
        self.reply.begin()
        if self._paused:
            self._go_on()

    def abort(self) -> None:
        """Close at once.  What is unsent is dropped: a peer that does not read would keep it open for long."""
        self.closed = True
        self.transport.abort()

    def renew(self, transport: asyncio.Transport) -> None:
        """Go on by *transport*, which knows nothing of what was said before."""
        self.transport = transport
        self.reply.close()
        self.reply = ReplyParser()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._loop = asyncio.get_running_loop()
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so

    def data_received(self, data: bytes) -> None:
        """Take in a piece of the reply."""
        if not self._asking:
            self.abort()
            return
        reply = self.reply
        reply.feed(data)
        if reply.broken:
            self.abort()
        elif reply.held > HELD_BYTES and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._tell()

    def eof_received(self) -> None:
        """Leave too: what is unsent will not be read."""
        self._end(None)
        self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """End what is going on."""
        self._end(error)
        self.reply.close()

    def pause_writing(self) -> None:
        """Wait with the rest of the request."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on with the request."""
        self._full = False
        self._tell()

    async def _write(self, head: bytes, body: memoryview) -> None:
        """Write a long request as fast as it is taken.  A reply that does not wait for its end is its end."""
        reply = self.reply
        self.transport.write(head)
        for start in range(0, len(body), PIECE_BYTES):
            while self._full and not (reply.answered or reply.broken):
                await self._next()
            if reply.answered or reply.broken:
                reply.reusable = False
                return
            self.transport.write(body[start : start + PIECE_BYTES])

    def _next(self) -> asyncio.Future[None]:
        self._news = self._loop.create_future()
        return self._news

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _go_on(self) -> None:
        self._paused = False
        self.transport.resume_reading()

    def _end(self, error: Exception | None) -> None:
        self.closed = True
        self.reply.end(properly=error is None)
        self._tell()
