"""What is known of each backend's time to first content, for hedging delays given as a percentile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import ceil

from quickthorn_server.core.catalogue import Route

_WINDOW = 200  # lanes; at 1 % of them slow, two are in the window
_ENOUGH = 20  # lanes; fewer tell nothing about a p95


class Latency:
    """Times to first content of the last lanes, in seconds.

    Of a lane stopped before it spoke only its age is known: its time would have been longer (it is right-censored).
    Without such lanes the slow ones, which hedges overtake, would be missing, and every percentile would shrink.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._wanted = {rule.percentile for route in routes if (rule := route.hedge) and rule.percentile is not None}
        self._times: dict[str, deque[float]] = {}
        self.first_content: dict[tuple[str, float], float] = {}

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


def _order_statistic(ranked: list[float], share: float) -> float:
    """Return the smallest time that at least *share* of *ranked* do not exceed: no interpolation, no invention."""
    return ranked[max(0, ceil(round(share * len(ranked), 9)) - 1)]
