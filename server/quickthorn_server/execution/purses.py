"""What extra requests are paid from: purses that first attempts feed, and no clock ever does.

A retry storm is sustained by retries that cost nothing (Bronson et al., "Metastable Failures in Distributed Systems",
HotOS 2021).  Here each first attempt puts a share of one request into a purse, and each extra request takes a whole
one out; so over every run of n calls at most share * n + burst extra requests are sent, whatever happens.
"""

from __future__ import annotations

from collections.abc import Iterable

from quickthorn_server.core.catalogue import BudgetRule, Route
from quickthorn_server.core.plan import PurseLevels
from quickthorn_server.core.request import Priority

_ONE = 1_000_000  # parts of one request: whole numbers, so that a million calls add up exactly
_TENTH = 10  # of a burst is kept for critical calls, where it is a whole request


class Purse:
    """Holds at most *burst* requests, and begins full.  Fed *share* of one at a time; share 0 = off, pays nothing."""

    __slots__ = ("_full", "_kept", "_share", "held")

    def __init__(self, share: float, burst: int) -> None:
        self._share = round(share * _ONE)
        self._full = burst * _ONE if self._share else 0
        self._kept = self._full // _TENTH if burst >= _TENTH else 0
        self.held = self._full
        """What it holds, in millionths of a request."""

    @property
    def pays(self) -> bool:
        """Whether it could pay for one request now."""
        return self.held >= _ONE

    def pays_for(self, priority: Priority) -> bool:
        """Whether it could pay for one request of a call of *priority* now.

        The last tenth of a burst of ten or more is for critical calls alone.
        """
        return self.held >= _ONE + (0 if priority is Priority.CRITICAL else self._kept)

    def feed(self) -> None:
        """Put in the share of one first attempt."""
        self.held = min(self._full, self.held + self._share)

    def pay(self) -> None:
        """Take out one request.  Raises ValueError when it cannot."""
        if not self.pays:
            raise ValueError("the purse is empty")
        self.held -= _ONE


class RoutePurses:
    """One route's: *hedges* pays for lanes started in silence, *retries* for lanes on backends likely to fail."""

    __slots__ = ("hedges", "retries")

    def __init__(self, rule: BudgetRule) -> None:
        self.hedges = Purse(rule.hedges, rule.burst)
        self.retries = Purse(rule.retries, rule.retries_burst)

    def feed(self) -> None:
        """Feed both with a first attempt."""
        self.hedges.feed()
        self.retries.feed()


class Purses:
    """The purses of all routes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._all = {route.name: RoutePurses(route.budget) for route in routes}

    def __getitem__(self, route: str) -> RoutePurses:
        return self._all[route]

    def levels(self, route: str) -> PurseLevels:
        """Return how full the purses of *route* are."""
        both = self._all[route]
        return PurseLevels(both.hedges.held / _ONE, both.retries.held / _ONE)
