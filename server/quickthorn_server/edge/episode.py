"""Say when calls are turned away: once when it begins, and once when it is over, with their numbers."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from quickthorn_server.core.request import Priority

log = logging.getLogger(__name__)

QUIET = 5.0
"""Seconds without a refusal after which an episode is over."""


class Episode:
    """The refusals of one time, told to the log; a refusal costs an addition."""

    def __init__(self) -> None:
        self._refused: Counter[Priority] = Counter()
        self._began = self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def refused(self, priority: Priority, because: str, now: float) -> None:
        """Count a refusal at *now*; the first of an episode says why."""
        self._refused[priority] += 1
        self._last = now
        if self._timer is None:
            self._began = now
            self._timer = asyncio.get_running_loop().call_later(QUIET, self._look)
            log.warning("overload began because=%s", because)

    def close(self) -> None:
        """Say what there is to say, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._end()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._last + QUIET - loop.time()
        if left > 0:
            self._timer = loop.call_later(left, self._look)
        else:
            self._end()

    def _end(self) -> None:
        counts = " ".join(f"{priority.word}={self._refused[priority]}" for priority in Priority)
        log.warning("overload ended seconds=%.1f refused %s", self._last - self._began, counts)
        self._refused.clear()
        self._timer = None
