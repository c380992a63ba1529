"""What is known of each backend's time to first content: for hedging delays, and for lanes that were given up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import ceil

from quickthorn_server.core.catalogue import Route

_WINDOW = 200  # lanes; at 1 % of them slow, two are in the window
_ENOUGH = 20  # lanes; fewer tell nothing about a p95
_ENOUGH_FOR_P99 = 100  # lanes
_STALE = 20  # lanes after which the p99 is looked up anew, so that losers cost no sort each


class Latency:
    """Times to first content of the last lanes, in seconds.

    Of a lane stopped before it spoke only its age is known: its time would have been longer (it is right-censored).
    Without such lanes the slow ones, which hedges overtake, would be missing, and every percentile would shrink.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._wanted = {rule.percentile for route in routes if (rule := route.hedge) and rule.percentile is not None}
        self._times: dict[str, deque[float]] = {}
        self._heard: dict[str, _Heard] = {}
        self.first_content: dict[tuple[str, float], float] = {}

    def heard(self, backend: str, seconds: float) -> None:
        """Record that *backend* said anything at all after *seconds*, be it thinking that the client does not see."""
        if backend not in self._heard:
            self._heard[backend] = _Heard()
        self._heard[backend].add(seconds)

    def p99(self, backend: str) -> float | None:
        """Return within how many seconds 99 % of the last 100 to 200 lanes were heard; None = too few are known."""
        heard = self._heard.get(backend)
        return None if heard is None else heard.p99()

    def spoke(self, backend: str, seconds: float) -> None:
        """Record that a lane of *backend* had its first content after *seconds*."""
        if not self._wanted:
            return
        self._record(backend, seconds)

    def outlasted(self, backend: str, seconds: float) -> None:
        """Record that a lane of *backend* was stopped after *seconds* of silence.

        It counts where its age is beyond a percentile asked for: how far beyond does not change that one.  A younger
        lane leaves no mark.
        """
        known = [at for percentile in self._wanted if (at := self.first_content.get((backend, percentile))) is not None]
        if known and seconds >= min(known):
            self._record(backend, seconds)

    def _record(self, backend: str, seconds: float) -> None:
        times = self._times.setdefault(backend, deque(maxlen=_WINDOW))
        times.append(seconds)
        if len(times) < _ENOUGH:
            return
        ranked = sorted(times)
        for percentile in self._wanted:
            self.first_content[backend, percentile] = _order_statistic(ranked, percentile)


class _Heard:
    """One backend's times, and their p99 as of at most twenty lanes ago."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_WINDOW)
        self._new = 0
        self._p99: float | None = None

    def add(self, seconds: float) -> None:
        self._times.append(seconds)
        self._new += 1

    def p99(self) -> float | None:
        if len(self._times) >= _ENOUGH_FOR_P99 and (self._p99 is None or self._new >= _STALE):
            self._p99 = _order_statistic(sorted(self._times), 0.99)
            self._new = 0
        return self._p99


def _order_statistic(ranked: list[float], share: float) -> float:
    """Return the smallest time that at least *share* of *ranked* do not exceed: no interpolation, no invention."""
    return ranked[max(0, ceil(round(share * len(ranked), 9)) - 1)]
