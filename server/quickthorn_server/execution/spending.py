"""What the hedges of each route have cost in the running hour, so that an hour never costs more than it may."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable

from quickthorn_server.core.attempt import Cause, Trace
from quickthorn_server.core.catalogue import Route
from quickthorn_server.execution.window import Clock

_PARTS = 12
_SPAN = 300.0  # seconds of one part; twelve and the one that is filling are kept, so no hour is ever counted short


class Hour:
    """Amounts in nano-USD of the last 60 to 65 minutes.  *now* in seconds, of one clock that never goes back."""

    __slots__ = ("_parts", "_sum")

    def __init__(self) -> None:
        self._parts: deque[tuple[int, int]] = deque()  # (number of the part, amount), oldest first
        self._sum = 0

    def add(self, amount: int, now: float) -> None:
        """Count *amount*, spent *now*."""
        part = int(now // _SPAN)
        if self._parts and self._parts[-1][0] == part:
            amount_before = self._parts.pop()[1]
            self._parts.append((part, amount_before + amount))
        else:
            self._parts.append((part, amount))
        self._sum += amount

    def total(self, now: float) -> int:
        """Return what still counts."""
        oldest = int(now // _SPAN) - _PARTS
        while self._parts and self._parts[0][0] < oldest:
            self._sum -= self._parts.popleft()[1]
        return self._sum


class Spending:
    """What hedges cost, by route, in nano-USD.

    Whoever starts a hedge on a route that is `limited` reserves the most that it may cost before, and settles what it
    has cost after: so calls under way at the same time keep to the limit together.
    """

    def __init__(self, routes: Iterable[Route] = (), clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._limits = {route.name: route.hedge.max_extra_hour for route in routes if route.hedge is not None}
        self._hours = {name: Hour() for name in self._limits}
        self._reserved = dict.fromkeys(self._limits, 0)

    def of(self, route: str) -> int:
        """Return what the hedges of *route* have cost in the running hour, and those under way may yet cost."""
        hour = self._hours.get(route)
        return 0 if hour is None else hour.total(self._clock()) + self._reserved[route]

    def reserve(self, route: str, amount: int) -> bool:
        """Set *amount* aside; returns whether the hour's limit leaves room for it."""
        limit = self._limits[route]
        if limit is not None and self.of(route) + amount > limit:
            return False
        self._reserved[route] += amount
        return True

    def settle(self, route: str, reserved: int, spent: int) -> None:
        """Count *spent* in place of what had been *reserved*; a route that does not hedge spends nothing."""
        if (hour := self._hours.get(route)) is None:
            return
        self._reserved[route] -= reserved
        if spent:
            hour.add(spent, self._clock())


def spent_on_hedging(trace: Trace, worst: int | None) -> int:
    """Return what hedging a call has cost: its hedges that did not serve, and the lanes that were cancelled for one.

    Where that is not known of one of them it was at least *worst*, as far as that is known.
    """
    if not any(attempt.cause is Cause.SILENCE for attempt in trace.attempts):
        return 0
    lanes = [each for each in trace.extra if each.cause is Cause.SILENCE or each.failure is None]
    known = [each.cost_nano_usd for each in lanes if each.cost_nano_usd is not None]
    unknown = any(each.used and each.cost_nano_usd is None for each in lanes)
    return max(sum(known), worst or 0) if unknown else sum(known)
