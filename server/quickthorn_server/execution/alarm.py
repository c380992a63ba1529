"""One timer for everything that one call waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

TICK = 1e-3
"""Seconds within which an instant counts as reached.

uvloop's clock has whole milliseconds and its timers go to the nearest one, so they fire up to half of one early.
"""

Look = Callable[[float], float | None]
"""Look, now, whether anything is due; return when to look again, None = not before somebody says so."""


class Alarm:
    """Rings at the earliest instant that anybody has asked for; then all watches *look*.

    A call watches its deadline, its hedge, its heartbeat and two limits of every lane, and nearly always none of them
    comes: most instants only move away.  So there is one timer, which is never set back.  It rings too early, and then
    somebody looks again (the same trade as Linux's lazy timers).
    """

    __slots__ = ("_looks", "_loop", "_timer", "at")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.at = inf
        """When it rings, an instant of the loop's clock."""
        self._loop = loop
        self._looks: list[Look] = []
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, look: Look) -> None:
        """Have *look* called whenever it rings."""
        self._looks.append(look)

    def by(self, at: float) -> None:
        """Ring at *at*, or earlier."""
        if at < self.at:
            if self._timer is not None:
                self._timer.cancel()
            self.at = at
            self._timer = self._loop.call_at(at, self._ring)

    def stop(self) -> None:
        """Never ring again, and forget who watched."""
        self.at = -inf
        self._looks = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self.at, self._timer = inf, None
        now = self._loop.time()
        again = [at for look in tuple(self._looks) if (at := look(now)) is not None]
        if again:
            self.by(min(again))
