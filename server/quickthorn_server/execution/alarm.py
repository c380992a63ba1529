"""One alarm for everything that one call waits for, and one timer for the alarms of all calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf

TICK = 1e-3
"""Seconds within which an instant counts as reached.

uvloop's clock has whole milliseconds and its timers go to the nearest one, so they fire up to half of one early.
"""

Look = Callable[[float], float | None]
"""Look, now, whether anything is due; return when to look again, None = not before somebody says so."""


_DEAD = 64  # entries of alarms that rang or were set anew, beyond one for each alarm, before they are swept out


class Alarms:
    """The alarms of one event loop, on one timer.

    A timer of its own cost each call 25 us, most of it when it was taken back: nearly no alarm ever rings.  Here it is
    pushed on a heap, and forgotten there when its call ends.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Alarm]] = []
        self._numbers = count()
        self.live = 0
        """How many alarms there are; each counts itself when it is made."""
        self._at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def set(self, at: float, alarm: Alarm) -> None:
        """Have *alarm* ring at *at*, unless its own instant has changed by then."""
        heappush(self._entries, (at, next(self._numbers), alarm))
        if at < self._at:
            self._arm(at)

    def end(self) -> None:
        """Count one alarm less.

        Without any the timer stays where it is, and finds nothing when it fires: most calls of a server that is not
        busy are the only one of their time, and would each set it anew.
        """
        self.live -= 1
        if not self.live:
            self._entries.clear()
        elif len(self._entries) > 2 * self.live + _DEAD:
            self._entries = [entry for entry in self._entries if entry[0] == entry[2].at]
            heapify(self._entries)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._at = at
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        assert self._loop is not None  # noqa: S101 - it has called
        self._at, self._timer = inf, None
        now, entries, due = self._loop.time(), self._entries, list[Alarm]()
        while entries and (entries[0][0] != entries[0][2].at or entries[0][0] <= now + TICK):
            at, _, alarm = heappop(entries)
            if at == alarm.at:
                due.append(alarm)
        if entries:
            self._arm(entries[0][0])
        for alarm in due:
            try:
                alarm.ring(now)
            except Exception as bug:  # noqa: BLE001 - a bug in one call must not silence all others
                self._loop.call_exception_handler({"message": "a watch failed", "exception": bug})


class Alarm:
    """Rings at the earliest instant that anybody has asked for; then all watches *look*.

    A call watches its deadline, its hedge, its heartbeat and two limits of every lane, and nearly always none of them
    comes: most instants only move away.  So the alarm is never set back.  It rings too early, and then somebody looks
    again (the trade of Linux's own lazy timers).  `stop` it once.
    """

    __slots__ = ("_alarms", "_looks", "at")

    def __init__(self, alarms: Alarms, *looks: Look) -> None:
        self.at = inf
        """When it rings, an instant of the loop's clock."""
        self._alarms = alarms
        self._looks = list(looks)
        alarms.live += 1

    def watch(self, look: Look) -> None:
        """Have *look* called whenever it rings."""
        self._looks.append(look)

    def by(self, at: float) -> None:
        """Ring at *at*, or earlier."""
        if at < self.at:
            self.at = at
            self._alarms.set(at, self)

    def stop(self) -> None:
        """Never ring again, and forget who watched."""
        self.at = -inf
        self._looks = []
        self._alarms.end()

    def ring(self, now: float) -> None:
        """Let everybody look, unless it was stopped meanwhile."""
        if self.at == -inf:
            return
        self.at = inf
        again = [at for look in tuple(self._looks) if (at := look(now)) is not None]
        if again:
            self.by(min(again))
