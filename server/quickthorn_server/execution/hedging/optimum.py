"""The best delay and probability, given how long lanes take.

SingleR (Kaler, He, Elnikety, "Optimal Reissue Policies for Reducing Tail Latency", SPAA 2017): ask a second time after
a delay d, and that only with probability q.  They prove it optimal, in their model even among policies that ask more
often and at several times.  With X the time of the first lane and Y that of the next, S their survival functions, k the
percentile aimed at and B the budget:

    minimise t   with   S_X(t) * (1 - q * (1 - S_Y(t - d))) <= 1 - k   and   q * S_X(d) <= B.

The coin is what makes it better than a delay alone.  Where 2 % of the lanes hang and the budget is 2 %, a delay must
wait until nearly everybody else has spoken, to be sure to ask twice for those alone; SingleR asks sooner, for more than
it can afford, and leaves out some of them by lot.  A percentile needs not all of its tail rescued, but enough of it.

Further lanes follow at 2 d, 3 d while nobody speaks; then 1 - S_Y becomes 1 - the product of theirs, and the cost adds
up over the lanes, each started with the probability that all before it are silent so far.

For a given d the largest q that the budget allows is the best, and what is late at t falls with t.  So: go through the
delays, keep the smallest t; a delay that does not meet the constraint at the best t so far cannot be better, and costs
one look; only where it does is its own t sought by halving.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quickthorn_server.execution.hedging.survival import EDGES, Curve

_LEAST = 50.0  # delays that would use less than this part of the budget are not tried
_CLOSER = 1.0 - 1e-4  # what counts as better
_STRIDE = 4  # bins from delay to delay, at first; then all about the best are tried


class Rule(NamedTuple):
    """Ask once more after each *delay* seconds of silence, *lanes* at most at once, in *probability* (0..1) of calls.

    *within*: seconds within which the target percentile then has its first content.
    """

    delay: float
    probability: float
    lanes: int
    within: float


def best_rule(
    first: Curve, others: Sequence[Curve], *, target: float, budget: float, trust: float = 1.0
) -> Rule | None:
    """Return the rule that holds *target* (0..1) of the calls soonest; None = none does better than none at all.

    *others*: the lanes that silence may start, in order.  *budget*: lanes started because of silence, as a share of the
    calls.  *trust*: the share (0..1) of rescues that are to be believed in.
    """
    late, best = 1.0 - target, None
    within = first.reaches(late) * _CLOSER
    edges = [edge for edge in range(first.lowest, first.highest) if first.at_edge(edge) * _LEAST >= budget]
    for count in range(1, len(others) + 1):
        lanes, found = _Lanes(first, others[:count], late, budget, trust), None
        for place in (None, *edges[::_STRIDE]):
            if (rule := lanes.better(0.0 if place is None else EDGES[place], within)) is not None:
                best, within, found = rule, rule.within * _CLOSER, place
        for place in range((found or 0) - _STRIDE + 1, found + _STRIDE) if found else ():
            if place >= 0 and (rule := lanes.better(EDGES[place], within)) is not None:
                best, within = rule, rule.within * _CLOSER
    return best


class _Lanes:
    """The lanes of a call, of which at most the share *late* may have nothing to say at a time that is sought."""

    __slots__ = ("_budget", "_first", "_late", "_others", "_trust")

    def __init__(self, first: Curve, others: Sequence[Curve], late: float, budget: float, trust: float) -> None:
        self._first = first
        self._others = others
        self._late = late
        self._budget = budget
        self._trust = trust

    def better(self, delay: float, within: float) -> Rule | None:
        """Return the best rule with *delay* if it is in time *within* so many seconds, else None."""
        if delay >= within:
            return None
        probability = min(1.0, self._budget / self._cost(delay))
        if not self._in_time(delay, probability, within):
            return None
        low, high = delay, within
        while high - low > high * 1e-4:
            middle = (low + high) / 2
            if self._in_time(delay, probability, middle):
                high = middle
            else:
                low = middle
        return Rule(delay, probability, len(self._others) + 1, high)

    def _in_time(self, delay: float, probability: float, within: float) -> bool:
        silent, left = self._first.beyond(within), 1.0
        if silent <= self._late:
            return True
        for other in self._others:
            within -= delay
            left *= other.beyond(within)
        return silent * (1.0 - probability * self._trust * (1.0 - left)) <= self._late

    def _cost(self, delay: float) -> float:
        """Return how many lanes a call starts on average because of silence."""
        cost = 0.0
        for number in range(1, len(self._others) + 1):
            silent = self._first.beyond(number * delay)
            for earlier in range(1, number):
                silent *= self._others[earlier - 1].beyond((number - earlier) * delay)
            cost += silent
        return max(cost, 1e-9)
