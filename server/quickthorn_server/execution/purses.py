"""What extra requests are paid from: purses that first attempts feed, and no clock ever does.

A retry storm is sustained by retries that cost nothing (Bronson et al., "Metastable Failures in Distributed Systems",
HotOS 2021).  Here each first attempt puts a share of one request into a purse, and each extra request takes a whole
one out; so over every run of n calls at most share * n + burst extra requests are sent, whatever happens.

That holds in both ways of counting: with the calls during which a request is sent, and with those that it is sent for.
The two differ where a request is sent long after its call began.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from quickthorn_server.core.catalogue import BudgetRule, Route
from quickthorn_server.core.plan import PurseLevels
from quickthorn_server.core.request import Priority

_ONE = 1_000_000  # parts of one request: whole numbers, so that a million calls add up exactly
_TENTH = 10  # of a burst is kept for critical calls, where it is a whole request
_KEPT = 20_000  # calls with extra requests that are remembered; a call older than these gets none any more


class Purse:
    """Holds at most *burst* requests, and begins full.  Fed *share* of one at a time; share 0 = off, pays nothing."""

    __slots__ = ("_calls", "_full", "_kept", "_left", "_share", "held", "latest")

    def __init__(self, share: float, burst: int) -> None:
        self._share = round(share * _ONE)
        self._full = burst * _ONE if self._share else 0
        self._kept = self._full // _TENTH if burst >= _TENTH else 0
        self._calls = [0]  # those with extra requests, as often as they have any, in the order in which they began
        self._left = [self._full]  # what each of these payments left, had calls paid in this order
        self.latest = 0
        """The number of the latest call."""
        self.held = self._full
        """What it holds, in millionths of a request."""

    @property
    def pays(self) -> bool:
        """Whether it could pay for one request now."""
        return self.held >= _ONE

    def pays_for(self, priority: Priority, call: int | None = None) -> bool:
        """Whether it could pay for one request of a call of *priority* now; *call*: its number, None = the latest.

        The last tenth of a burst of ten or more is for critical calls alone.
        """
        least = _ONE + (0 if priority is Priority.CRITICAL else self._kept)
        return self.held >= least and (call is None or self._could_pay(call, least))

    def feed(self) -> int:
        """Put in the share of one first attempt; return the number of its call."""
        self.held = min(self._full, self.held + self._share)
        self.latest += 1
        return self.latest

    def pay(self, call: int | None = None) -> None:
        """Take out one request for a *call*, None = the latest.  Raises ValueError when it cannot."""
        number = self.latest if call is None else call
        if not self.pays or not self._could_pay(number, _ONE):
            raise ValueError("the purse is empty")
        self.held -= _ONE
        place = bisect_right(self._calls, number)
        self._left.insert(place, self.held_by(number) - _ONE)
        self._calls.insert(place, number)
        for later in range(place + 1, len(self._calls)):
            left = self._after(later - 1, self._calls[later]) - _ONE
            if left == self._left[later]:
                break
            self._left[later] = left
        if len(self._calls) > 2 * _KEPT:
            del self._calls[:_KEPT], self._left[:_KEPT]

    def held_by(self, call: int) -> int:
        """Return what *call* would find, in millionths, had nothing been paid for later ones."""
        place = bisect_right(self._calls, call)
        return self._after(place - 1, call) if place else 0

    def _could_pay(self, call: int, least: int) -> bool:
        """Whether a request for *call* leaves enough for what was paid for later ones: mostly there are none yet."""
        if self.held_by(call) < least:
            return False
        number, left = call, self.held_by(call) - _ONE
        for later in range(bisect_right(self._calls, call), len(self._calls)):
            left = min(self._full, left + (self._calls[later] - number) * self._share) - _ONE
            if left < 0:
                return False
            if left == self._left[later]:
                break
            number = self._calls[later]
        return True

    def _after(self, place: int, call: int) -> int:
        """Return what there is at *call*, which is not before the payment at *place*, if nobody pays in between."""
        return min(self._full, self._left[place] + (call - self._calls[place]) * self._share)


class RoutePurses:
    """One route's: *hedges* pays for lanes started in silence, *retries* for lanes on backends likely to fail."""

    __slots__ = ("hedges", "retries")

    def __init__(self, rule: BudgetRule) -> None:
        self.hedges = Purse(rule.hedges, rule.burst)
        self.retries = Purse(rule.retries, rule.retries_burst)

    def feed(self) -> int:
        """Feed both with a first attempt; return the number of its call."""
        self.retries.feed()
        return self.hedges.feed()


class Purses(dict[str, RoutePurses]):
    """The purses of all routes, by name."""

    def __init__(self, routes: Iterable[Route]) -> None:
        super().__init__({route.name: RoutePurses(route.budget) for route in routes})

    def levels(self, route: str) -> PurseLevels:
        """Return how full the purses of *route* are."""
        both = self[route]
        return PurseLevels(both.hedges.held / _ONE, both.retries.held / _ONE)
