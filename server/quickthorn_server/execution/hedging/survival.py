"""How long lanes take, of which some were stopped before they spoke: a histogram, and its survival curve.

Of a lane stopped by a faster one only its age is known: it would have taken longer (it is right-censored).  Taking ages
for times shrinks the tail that hedging is about; leaving them out shrinks it, too.  Kaplan and Meier (1958) count each
lane for as long as it was seen: of those still silent at t, the share that speaks at t is the hazard there, and the
share that outlasts t is the product of what all hazards up to t leave.  A tail that nobody has seen the end of stays at
its last level: the worst that fits what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import add
from typing import NamedTuple

FINEST, _LONGEST = 1e-5, 86_400.0  # seconds; shorter and longer times count as these
_STEPS = 100  # bins for a factor of e: each 1 % wide
_LOG_FINEST = math.log(FINEST)
BINS = int((math.log(_LONGEST) - _LOG_FINEST) * _STEPS) + 1
"""How many bins there are."""

EDGES = tuple(math.exp(_LOG_FINEST + each / _STEPS) for each in range(BINS + 1))
"""Where bins begin, in seconds; the last one is where the last bin ends."""

_FULL_SCALE = 2.0**20  # of weights, which grow; then all are taken down
_LATE = 100  # lanes that make no difference
_NOTHING = 1e-5  # of a lane: so little is forgotten


def bin_of(seconds: float) -> int:
    """Return the bin that a time falls into."""
    if seconds <= FINEST:
        return 0
    return min(int((math.log(seconds) - _LOG_FINEST) * _STEPS), BINS - 1)


class Curve:
    """Which share of lanes takes longer than a time.  *levels*: at the end of each bin from *lowest* on."""

    __slots__ = ("_levels", "_size", "lanes", "last", "lowest")

    def __init__(self, lowest: int, levels: Sequence[float], lanes: float) -> None:
        self.lowest = lowest
        self.lanes = lanes
        """How many lanes it rests on, old ones counting less."""
        self._levels = (1.0, *levels)
        self._size = len(levels)
        self.last = self._levels[-1]
        """The share that takes longer than anything known."""

    @property
    def highest(self) -> int:
        """The bin behind the last one in which anything is known."""
        return self.lowest + self._size

    def beyond(self, seconds: float) -> float:
        """Return the share, 0..1, of lanes that take longer than *seconds*."""
        if seconds <= FINEST:
            return 1.0
        place = (math.log(seconds) - _LOG_FINEST) * _STEPS - self.lowest
        if place <= 0.0:
            return 1.0
        index = int(place)
        if index >= self._size:
            return self.last
        level = self._levels[index]
        return level + (self._levels[index + 1] - level) * (place - index)

    def at_edge(self, edge: int) -> float:
        """Return the share that takes longer than `EDGES[edge]`."""
        index = edge - self.lowest
        return self._levels[index] if 0 <= index <= self._size else 1.0 if index < 0 else self.last

    def reaches(self, level: float) -> float:
        """Return the first time beyond which no larger share than *level* lies; where none is, the longest known."""
        levels = self._levels
        low, high = 0, self._size
        if self.last > level:
            return EDGES[self.highest]
        while low < high:  # the first edge at or under the level
            middle = (low + high) // 2
            if levels[middle] <= level:
                high = middle
            else:
                low = middle + 1
        if low == 0:
            return EDGES[self.lowest]
        upper, lower = levels[low - 1], levels[low]
        part = (upper - level) / (upper - lower)
        start = EDGES[self.lowest + low - 1]
        return start + (EDGES[self.lowest + low] - start) * part

    def blended(self, prior: Curve, weight: float) -> Curve:
        """Return the curve that also counts *weight* lanes like those of *prior*."""
        total = self.lanes + weight
        if total <= 0.0 or weight <= 0.0:
            return self
        own, other = self.lanes / total, weight / total
        lowest, highest = min(self.lowest, prior.lowest), max(self.highest, prior.highest)
        edges = range(lowest + 1, highest + 1)
        return Curve(lowest, [own * self.at_edge(edge) + other * prior.at_edge(edge) for edge in edges], self.lanes)


class Hazards(NamedTuple):
    """For each bin from *lowest* on: the share of those still silent that spoke in it, and how many these were."""

    lowest: int
    rates: list[float]
    spoken: list[float]


class Survival:
    """A histogram of lanes over time, those that spoke and those that were stopped; each counts less the older it is.

    *memory*: how many later lanes take the weight of one down to 1/e.  Weights grow instead of shrinking, so that
    a lane costs two additions.
    """

    __slots__ = ("_growth", "_high", "_low", "_spoke", "_stopped", "_total", "_weight")

    def __init__(self, memory: float) -> None:
        self._spoke = [0.0] * BINS
        self._stopped = [0.0] * BINS
        self._low, self._high = BINS, 0
        self._growth = math.exp(1.0 / memory)
        self._weight = 1.0
        self._total = 0.0

    @property
    def lanes(self) -> float:
        """How many lanes there are, old ones counting less."""
        return self._total / self._weight

    def add(self, place: int, spoke: bool, late: int = 0) -> None:
        """Count a lane that spoke, or was stopped, in bin *place*.

        *late*: how many that began after it were counted before it; it weighs as much as if it had come in time.
        """
        self._weight = weight = self._weight * self._growth
        if late > _LATE:
            weight *= self._growth**-late
        (self._spoke if spoke else self._stopped)[place] += weight
        self._total += weight
        if place < self._low:  # noqa: PLR1730 - min() and max() would be a third of what a lane costs here
            self._low = place
        if place >= self._high:
            self._high = place + 1
        if self._weight > _FULL_SCALE:
            self._take_down()

    def fade(self, share: float) -> None:
        """Let all lanes count *share* (0..1) of what they did."""
        self._weight /= share

    def curve(self, silent: Iterable[tuple[int, float]] = ()) -> Curve:
        """Return Kaplan's and Meier's estimate.

        *silent*: bins and numbers of lanes that are still running, and so old now; they count as much as new ones.
        """
        hazards = self.hazards(silent)
        left = accumulate(hazards.rates, lambda level, hazard: level * (1.0 - hazard), initial=1.0)
        return Curve(hazards.lowest, list(left)[1:], self.lanes)

    def hazards(self, silent: Iterable[tuple[int, float]] = ()) -> Hazards:
        """Return the hazards, by bins, with *silent* lanes as in `curve`.

        Of the lanes stopped within a bin half are taken to have seen its speakers, as actuaries do.
        """
        if not self._total:
            return Hazards(0, [], [])
        spoke, stopped = self._spoke[self._low : self._high], self._stopped[self._low : self._high]
        for place, count in silent:
            if place >= self._low:
                index = place - self._low
                grown = index + 1 - len(stopped)
                if grown > 0:
                    stopped += [0.0] * grown
                    spoke += [0.0] * grown
                stopped[index] += count * self._weight
        at_risk = list(accumulate(map(add, reversed(spoke), reversed(stopped))))
        at_risk.reverse()
        rates = [
            events / (risk - gone / 2) if events else 0.0
            for events, gone, risk in zip(spoke, stopped, at_risk, strict=True)
        ]
        return Hazards(self._low, rates, [events / self._weight for events in spoke])

    def _take_down(self) -> None:
        """Make the weight of a new lane 1 again, and drop what no longer counts."""
        self._spoke = [each / self._weight if each > self._weight * _NOTHING else 0.0 for each in self._spoke]
        self._stopped = [each / self._weight if each > self._weight * _NOTHING else 0.0 for each in self._stopped]
        self._weight = 1.0
        self._total = sum(self._spoke) + sum(self._stopped)
        known = [place for place in range(BINS) if self._spoke[place] or self._stopped[place]]
        self._low, self._high = (known[0], known[-1] + 1) if known else (BINS, 0)
