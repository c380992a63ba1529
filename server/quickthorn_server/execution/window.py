"""How the last attempts went: a window of ten buckets that slides with the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]

_BUCKETS = 10  # as Hystrix and Polly have it: an outcome is forgotten after nine to ten tenths of the window


@dataclass(slots=True)
class Tally:
    """Outcomes.  Each one is a success, a failure or, where we gave up waiting, neither; any of them may be slow."""

    calls: int = 0
    succeeded: int = 0
    failed: int = 0
    slow: int = 0

    @property
    def failure_rate(self) -> float:
        """Share of failures, 0..1; 0 where there were no calls."""
        return self.failed / self.calls if self.calls else 0.0

    @property
    def slow_rate(self) -> float:
        """Share of slow outcomes, 0..1; 0 where there were no calls."""
        return self.slow / self.calls if self.calls else 0.0

    def take(self, other: Tally) -> None:
        """Subtract *other*."""
        self.calls -= other.calls
        self.succeeded -= other.succeeded
        self.failed -= other.failed
        self.slow -= other.slow


class Window:
    """Counts the outcomes of the last *seconds* in tenths of it.  *clock* never goes back."""

    __slots__ = ("_buckets", "_clock", "_slot", "_span", "_total")

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._span = seconds / _BUCKETS
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._slot = int(self._clock() / self._span)
        self._buckets = [Tally() for _ in range(_BUCKETS)]
        self._total = Tally()

    def record(self, *, succeeded: bool = False, failed: bool = False, slow: bool = False) -> None:
        """Count one outcome now."""
        self._slide()
        for tally in (self._total, self._buckets[self._slot % _BUCKETS]):
            tally.calls += 1
            if succeeded:
                tally.succeeded += 1
            if failed:
                tally.failed += 1
            if slow:
                tally.slow += 1

    def total(self) -> Tally:
        """Return what is in the window now; read it at once, it changes."""
        self._slide()
        return self._total

    def _slide(self) -> None:
        """Empty the buckets whose time has come again."""
        slot = int(self._clock() / self._span)
        if slot == self._slot:
            return
        for stale in range(max(self._slot, slot - _BUCKETS) + 1, slot + 1):
            self._total.take(self._buckets[stale % _BUCKETS])
            self._buckets[stale % _BUCKETS] = Tally()
        self._slot = slot
