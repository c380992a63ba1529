"""The best that one delay and one probability could have done, knowing every time beforehand.

SingleR (Kaler, He and Elnikety, "Optimal Reissue Policies for Reducing Tail Latency", SPAA 2017) starts a hedge with
probability q once a call was silent for d seconds.  A call whose first lane takes x and whose hedge takes y ends at
z = min(x, d + y) with probability q, and at x otherwise.  So the share of calls that take longer than t is

    (1 - q) P(X > t) + q P(Z > t),   at a cost of   q P(X > d)  extra lanes a call,

and the best q for a delay is the largest that the budget allows.  With more lanes, each starts d after the one before
while all are silent.  What is counted is the calls themselves, lanes of one call together, so nothing is assumed of
their independence: where a slow first lane means a slow hedge, the oracle gains nothing either.

Every delay is tried, but cheaply: only if it would beat the best time so far is its own best time looked for.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from quickthorn_server.simulation.engine import Outcome, Row

_DELAYS, _COARSE, _HALVINGS, _PAIR = 500, 25, 30, 2
_RAREST = 50  # delays are tried until a fiftieth of the budget's calls is still silent


@dataclass(frozen=True, slots=True)
class Best:
    """Hedge with *probability* after *delay* seconds, *lanes* at most; None = do not.  *time*: the percentile then."""

    delay: float | None
    probability: float
    lanes: int
    time: float


class Oracle:
    """Knows *rows*."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = sorted(rows, key=lambda row: row.lanes[0])
        self._firsts = [row.lanes[0] for row in self._rows]
        self._seconds = [row.lanes[1] for row in self._rows]

    def best(self, target: float, budget: float, max_parallel: int) -> Best:
        """Return what gives the least percentile *target* (0..1) at *budget* extra lanes per call."""
        allowed = len(self._rows) - ceil(round(target * len(self._rows), 6))
        found = Best(None, 0.0, 1, self._firsts[len(self._firsts) - allowed - 1])
        delays = self._delays(budget)
        for lanes in range(_PAIR, max_parallel + 1):
            for delay in (
                *delays[::_COARSE],
                *delays,
            ):  # a good time early spares looking closely at most of the others
                if delay < found.time:
                    found = self._better(found, delay, lanes, allowed, budget)
        return found

    def outcomes(self, rows: Sequence[Row], best: Best, seed: int) -> list[Outcome]:
        """Return what *best* does to *rows*, with a coin of its own."""
        if best.delay is None:
            return [Outcome(None, 0, row.lanes[0], "nothing to gain") for row in rows]
        coin = random.Random(seed)  # noqa: S311 - a simulation wants the same coin again
        return [_outcome(row, best, best.delay, planned=coin.random() < best.probability) for row in rows]

    def _delays(self, budget: float) -> list[float]:
        """Return 0 and the delays after which shares of calls from all to a few are still silent, evenly spaced."""
        step, count = (budget / _RAREST) ** (1 / _DELAYS), len(self._firsts)
        places = {count - round(count * step**n) for n in range(_DELAYS + 1)}
        return [0.0, *(self._firsts[place] for place in sorted(places) if place < count)]

    def _better(self, found: Best, delay: float, lanes: int, allowed: int, budget: float) -> Best:
        """Return the best with *delay* if it beats *found*, else *found*."""
        high = found.time * (1 - 1e-9)
        slow, rescued = self._rescued(high, delay, lanes)
        hopeful = min(1.0, budget * len(self._rows) / max(1, self._silent(delay)))  # no hedge costs less than that
        if slow - hopeful * rescued > allowed:
            return found
        probability = min(1.0, budget * len(self._rows) / max(1, self._started(delay, lanes)))
        if slow - probability * rescued > allowed:
            return found
        return Best(delay, probability, lanes, self._least(delay, high, lanes, probability, allowed))

    def _least(self, low: float, high: float, lanes: int, probability: float, allowed: int) -> float:
        """Return the least time between *low* and *high* that no more than *allowed* calls exceed."""
        delay = low
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            slow, rescued = self._rescued(middle, delay, lanes)
            if slow - probability * rescued > allowed:
                low = middle
            else:
                high = middle
        return high

    def _rescued(self, time: float, delay: float, lanes: int) -> tuple[int, int]:
        """Return how many first lanes take longer than *time*, and how many of their calls a hedge ends by then."""
        start = bisect_right(self._firsts, time)
        if lanes == _PAIR:
            latest = time - delay
            rescued = sum(1 for hedge in self._seconds[start:] if hedge <= latest)
        else:
            rescued = sum(1 for row in self._rows[start:] if _ends(row, delay, lanes) <= time)
        return len(self._rows) - start, rescued

    def _silent(self, delay: float) -> int:
        return len(self._rows) - bisect_right(self._firsts, delay)

    def _started(self, delay: float, lanes: int) -> int:
        """Return how many hedges all calls together would start."""
        if lanes == _PAIR:
            return self._silent(delay)
        return sum(_hedges(row, delay, lanes) for row in self._rows[bisect_right(self._firsts, delay) :])


def _ends(row: Row, delay: float, lanes: int) -> float:
    if lanes == _PAIR:
        return min(row.lanes[0], delay + row.lanes[1])
    return min(place * delay + row.lanes[place] for place in range(lanes))


def _hedges(row: Row, delay: float, lanes: int) -> int:
    """Return how many lanes start because of silence: each *delay* after the one before, while nobody has spoken."""
    first = row.lanes[0]
    for place in range(1, lanes):
        if first <= place * delay:
            return place - 1
        first = min(first, place * delay + row.lanes[place])
    return lanes - 1


def _outcome(row: Row, best: Best, delay: float, *, planned: bool) -> Outcome:
    hedges = _hedges(row, delay, best.lanes) if planned else 0
    return Outcome(delay if planned else None, hedges, _ends(row, delay, hedges + 1) if hedges else row.lanes[0], "")
