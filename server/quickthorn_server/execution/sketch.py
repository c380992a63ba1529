"""Distributions of times in little memory: DDSketch, and percentiles where some times are known to be longer only."""

from __future__ import annotations

from collections.abc import Iterable

from ddsketch import DDSketch

ACCURACY = 0.01
"""Relative error of every time that is read."""

_SHORTEST, _LONGEST = 1e-6, 86_400.0  # seconds; what lies beyond counts as these, so that no sketch grows without bound
_ROUNDING = 1e-9


class Sketch(DDSketch):
    """Counts times in seconds in bins of 2 % width (Masson, Rim and Lee, VLDB 2019); `merge` adds another sketch."""

    def __init__(self) -> None:
        super().__init__(ACCURACY)

    def add(self, val: float, weight: float = 1.0) -> None:
        """Count a time."""
        super().add(min(max(val, _SHORTEST), _LONGEST), weight)

    def fade(self, weight: float) -> None:
        """Let every time count *weight* times what it counts now."""
        store = self._store
        store.bins = [count * weight for count in store.bins]
        store.count *= weight
        self._count *= weight
        self._sum *= weight

    def bins(self) -> list[tuple[float, float]]:
        """Return times and how often they were counted, ascending."""
        value, offset = self._mapping.value, self._store.offset
        return [(value(key), count) for key, count in enumerate(self._store.bins, offset) if count > 0]


def blended(parts: Iterable[tuple[Sketch, float]]) -> Sketch:
    """Return the union of sketches, each of which counts as much as is said beside it."""
    total = Sketch()
    for sketch, weight in parts:
        part = Sketch()
        part.merge(sketch)
        part.fade(weight)
        total.merge(part)
    return total


def percentiles(times: Sketch, at_least: Sketch, shares: Iterable[float]) -> dict[float, float]:
    """Return share (0..1) -> the smallest time within which at least this share of all ends.

    *times* ended; of those in *at_least* it is only known that they would have taken longer (right-censored).  The
    estimate is Kaplan and Meier's (1958).  A share that was never seen to be reached is answered with the longest time
    of either kind; nothing is known of an empty *times*.
    """
    if not times.count:
        return {}
    events = sorted([(at, 0, count) for at, count in times.bins()] + [(at, 1, count) for at, count in at_least.bins()])
    at_risk, lasting = times.count + at_least.count, 1.0
    waiting, known = sorted(set(shares)), dict[float, float]()
    for at, stopped, count in events:
        if not stopped:
            lasting *= max(0.0, 1.0 - count / at_risk)
            while waiting and waiting[0] <= 1.0 - lasting + _ROUNDING:
                known[waiting.pop(0)] = at
        at_risk -= count
    return known | dict.fromkeys(waiting, events[-1][0])
