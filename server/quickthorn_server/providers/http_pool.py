"""Connections that wait for their next request."""

from __future__ import annotations

import asyncio
from collections import deque

from quickthorn_server.providers.http_connection import Connection

KEEP_ALIVE = 30.0
"""Seconds an idle connection stays in the pool."""


class Pool:
    """The idle connections to one destination: the last one used is taken first, so that what is too many grows old.

    Their number has no limit: permits and plans limit calls, not the pool.
    """

    def __init__(self) -> None:
        self._idle: deque[tuple[float, Connection]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def take(self) -> Connection | None:
        """Return a connection that is open as far as we know; None = there is none."""
        while self._idle:
            _, connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    def give(self, connection: Connection) -> None:
        """Keep *connection* for the next one, for KEEP_ALIVE at most."""
        connection.rest()
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time() + KEEP_ALIVE, connection))
        if self._timer is None:
            self._timer = loop.call_later(KEEP_ALIVE, self._sweep)

    def close(self) -> None:
        """Close every idle connection."""
        if self._timer is not None:
            self._timer.cancel()
        while self._idle:
            self._idle.pop()[1].abort()

    def _sweep(self) -> None:
        """Close what is too old, and look again when the next one is."""
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0][0] <= loop.time():
            self._idle.popleft()[1].abort()
        self._timer = None
        if self._idle:
            self._timer = loop.call_at(self._idle[0][0], self._sweep)
