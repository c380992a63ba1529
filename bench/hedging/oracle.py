"""SingleR with the distributions known: the best that one hedge, after a delay and with a probability, can do.

Kaler, He and Elnikety, "Optimal Reissue Policies for Reducing Tail Latency" (SPAA 2017): reissuing once, after d with
probability q, is optimal even among policies that reissue more often.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Times = NDArray[np.float64]

DELAYS = 600
HALVINGS = 60


@dataclass(frozen=True, slots=True)
class SingleR:
    """Hedge what is silent after *delay* seconds with *probability*; *time* is the percentile that it promises."""

    delay: float
    probability: float
    time: float

    def latencies(self, primary: Times, hedge: Times, chance: Generator) -> tuple[Times, NDArray[np.bool_]]:
        """Return what requests take under this policy, with a coin of its own, and which of them were hedged."""
        hedged = (primary > self.delay) & (chance.random(len(primary)) < self.probability)
        return np.where(hedged, np.minimum(primary, self.delay + hedge), primary), hedged


class Oracle:
    """What is known of a population: a sorted sample of each lane."""

    def __init__(self, primary: Times, hedge: Times) -> None:
        self._primary, self._hedge = np.sort(primary), np.sort(hedge)

    def best(self, share: float, budget: float) -> SingleR:
        """Return the policy with the least t: P(X > t)(1 - q P(Y <= t - d)) <= 1 - *share*, q P(X > d) <= *budget*.

        Delays are geometric in P(X > d) from 1 to budget/50; at each the greatest q that the budget allows is the best,
        and t is found by bisection.
        """
        beyond = np.geomspace(1, budget / 50, DELAYS)
        delays = np.append(0.0, self._quantile(1 - beyond[1:]))
        chances = np.minimum(1.0, budget / np.maximum(self._silent(delays), 1e-12))
        times = self._least_times(delays, chances, 1 - share)
        best = int(np.argmin(times))
        return SingleR(float(delays[best]), float(chances[best]), float(times[best]))

    def _least_times(self, delays: Times, chances: Times, tail: float) -> Times:
        low, high = np.zeros(len(delays)), np.full(len(delays), self._primary[-1])
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            rescued = np.searchsorted(self._hedge, middle - delays, side="right") / len(self._hedge)
            enough = self._silent(middle) * (1 - chances * rescued) <= tail
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return high

    def _silent(self, times: Times) -> Times:
        """Return P(X > t)."""
        return np.asarray(1 - np.searchsorted(self._primary, times, side="right") / len(self._primary))

    def _quantile(self, shares: Times) -> Times:
        places = np.ceil(shares * len(self._primary)).astype(np.int64) - 1
        return np.asarray(self._primary[np.clip(places, 0, len(self._primary) - 1)])
