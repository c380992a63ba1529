"""When a stream has been quiet for so long that its client should hear a heartbeat."""

from __future__ import annotations

from collections.abc import Callable

from quickthorn_server.execution.alarm import TICK, Alarm


class Pulse:
    """Becomes *due*, and calls *beat*, when *interval* seconds have passed since the last event left.

    Costs one reading of the clock per event: a watch that looks too early looks again when the time has come.
    """

    def __init__(self, interval: float, alarm: Alarm, now: float, beat: Callable[[], None]) -> None:
        self.due = False
        self._interval = interval
        self._beat = beat
        self._since = now
        alarm.watch(self._look)
        alarm.by(now + interval)

    def sent(self, now: float) -> None:
        """Say that an event has left at *now*."""
        self._since = now
        self.due = False

    def _look(self, now: float) -> float:
        at = self._since + self._interval
        if at > now + TICK:
            return at
        self.due = True
        self._beat()
        return now + self._interval
