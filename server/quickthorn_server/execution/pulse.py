"""When a stream has been quiet for so long that its client should hear a heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quickthorn_server.execution.deadlines import TICK


class Pulse:
    """Becomes *due*, and calls *beat*, when *interval* seconds have passed since the last event left.

    Costs one reading of the clock per event: a timer that fires too early looks again when the time has come.
    """

    def __init__(self, interval: float, beat: Callable[[], None]) -> None:
        self.due = False
        self._loop = asyncio.get_running_loop()
        self._interval = interval
        self._beat = beat
        self._since = self._loop.time()
        self._timer = self._loop.call_at(self._since + interval, self._look)

    def sent(self) -> None:
        """Say that an event has left now."""
        self._since = self._loop.time()
        self.due = False

    def stop(self) -> None:
        """Never beat again."""
        self._timer.cancel()

    def _look(self) -> None:
        now, at = self._loop.time(), self._since + self._interval
        if at <= now + TICK:
            self.due = True
            self._beat()
            at = now + self._interval
        self._timer = self._loop.call_at(at, self._look)
