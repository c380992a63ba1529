"""How long an attempt may take: a watch that costs one comparison per chunk, and no timer of its own."""

from __future__ import annotations

from enum import Enum

from quickthorn_server.core.catalogue import Timeouts
from quickthorn_server.execution.alarm import TICK, Alarm


class Limit(Enum):
    """Which of an attempt's limits passed."""

    FIRST_TOKEN = "first token"  # noqa: S105 - a limit's name
    IDLE = "idle"
    TOTAL = "total"


class Patience:
    """Knows which limit of *timeouts* an attempt that began *now* has passed; has *alarm* ring in time for it.

    Before the first token, *first_token* seconds may pass in silence (not where the reply comes *whole*), then *idle*
    seconds between two tokens; *total* bounds everything until `committed` is called.
    """

    __slots__ = (
        "_alarm",
        "_heard_at",
        "_idle",
        "_silence",
        "_silent_at",
        "_since",
        "_stopped",
        "_total_at",
        "_whole",
    )

    def __init__(self, timeouts: Timeouts, alarm: Alarm, now: float, *, whole: bool) -> None:
        self._alarm = alarm
        self._idle = timeouts.idle
        self._whole = whole
        self._since = now
        self._stopped = False
        self._heard_at: float | None = None
        self._total_at: float | None = now + timeouts.total
        self._silent_at = None if whole else now + timeouts.first_token
        self._silence = Limit.FIRST_TOKEN
        first = self._total_at if self._silent_at is None else min(self._silent_at, self._total_at)
        if first < alarm.at:
            alarm.by(first)

    @property
    def first_content(self) -> float | None:
        """Seconds to the first token; None = there was none, or the reply comes whole and tells nothing of it."""
        return None if self._heard_at is None or self._whole else self._heard_at - self._since

    def silence(self, now: float) -> float | None:
        """Return the seconds without a first token so far; None = there was one, or the reply comes whole."""
        return None if self._heard_at is not None or self._whole else now - self._since

    def heard(self, now: float) -> None:
        """Say that a token came at *now*.

        An alarm that rings too early stays where it is: the watch looks again when it rings.
        """
        if self._heard_at is None:
            self._heard_at = now
        self._silent_at = silent_at = now + self._idle
        self._silence = Limit.IDLE
        if silent_at < self._alarm.at and not self._stopped:
            self._alarm.by(silent_at)

    def paused(self) -> None:
        """Say that we ourselves keep the provider waiting: its silence is ours."""
        self._silent_at = None

    def committed(self) -> None:
        """Say that *total* no longer matters: a stream that speaks may go on."""
        self._total_at = None

    def stop(self) -> None:
        """Stop watching."""
        self._stopped = True

    def due(self) -> float | None:
        """Return when the next limit passes, None = none is in force."""
        if self._stopped:
            return None
        total, silent = self._total_at, self._silent_at
        return silent if total is None or (silent is not None and silent < total) else total

    def passed(self, now: float) -> Limit | None:
        """Return the limit that has passed *now*, None = there is time."""
        due = self.due()
        if due is None or due > now + TICK:
            return None
        return Limit.TOTAL if due == self._total_at else self._silence
