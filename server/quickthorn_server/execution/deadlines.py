"""How long an attempt may take: a watch that costs one comparison per chunk, not one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum

from quickthorn_server.core.catalogue import Timeouts

TICK = 1e-3
"""Seconds within which an instant counts as reached.

uvloop's clock has whole milliseconds and its timers go to the nearest one, so they fire up to half of one early.
"""


class Limit(Enum):
    """Which of an attempt's limits passed."""

    FIRST_TOKEN = "first token"  # noqa: S105 - a limit's name
    IDLE = "idle"
    TOTAL = "total"


class Patience:
    """Watches one attempt and calls *expired* once, when a limit of *timeouts* has passed.

    Before the first token, *first_token* seconds may pass in silence (not where the reply comes *whole*), then *idle*
    seconds between two tokens; *total* bounds everything until `committed` is called.
    """

    def __init__(self, timeouts: Timeouts, *, whole: bool, expired: Callable[[Limit], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle = timeouts.idle
        self._expired = expired
        self._whole = whole
        self._since = now = self._loop.time()
        self._heard_at: float | None = None
        self._total_at: float | None = now + timeouts.total
        self._silent_at = None if whole else now + timeouts.first_token
        self._silence = Limit.FIRST_TOKEN
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    @property
    def first_content(self) -> float | None:
        """Seconds to the first token; None = there was none, or the reply comes whole and tells nothing of it."""
        return None if self._heard_at is None or self._whole else self._heard_at - self._since

    @property
    def silence(self) -> float | None:
        """Seconds without a first token so far; None = there was one, or the reply comes whole."""
        return None if self._heard_at is not None or self._whole else self._loop.time() - self._since

    def heard(self, now: float) -> None:
        """Say that a token came at *now*.

        A timer that fires too early stays where it is: it looks again when it fires.
        """
        if self._heard_at is None:
            self._heard_at = now
        self._silent_at = now + self._idle
        self._silence = Limit.IDLE
        if self._timer is not None and self._silent_at < self._timer.when():
            self._timer.cancel()
            self._arm()

    def paused(self) -> None:
        """Say that we ourselves keep the provider waiting: its silence is ours."""
        self._silent_at = None

    def committed(self) -> None:
        """Say that *total* no longer matters: a stream that speaks may go on."""
        self._total_at = None

    def stop(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> tuple[float, Limit] | None:
        total, silent = self._total_at, self._silent_at
        if silent is not None and (total is None or silent < total):
            return silent, self._silence
        return None if total is None else (total, Limit.TOTAL)

    def _arm(self) -> None:
        due = self._due()
        # With no limit in force the watch looks again one idle time later: `heard` must stay free of timers.
        at = self._loop.time() + self._idle if due is None else due[0]
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        due = self._due()
        if due is None or due[0] > self._loop.time() + TICK:
            self._arm()
            return
        self._timer = None
        self._expired(due[1])
