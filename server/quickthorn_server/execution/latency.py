"""What is known of each backend's time to first content, for hedging delays given as a percentile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import ceil

from quickthorn_server.core.catalogue import Route

_WINDOW = 200  # lanes; at 1 % of them slow, two are in the window
_ENOUGH = 20  # lanes; fewer tell nothing about a p95


class Latency:
    """Times to first content of the last lanes that spoke, in seconds.

    A lane cancelled before it spoke leaves nothing here: its age is no time to first content.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._wanted = {rule.percentile for route in routes if (rule := route.hedge) and rule.percentile is not None}
        self._times: dict[str, deque[float]] = {}
        self.first_content: dict[tuple[str, float], float] = {}

    def spoke(self, backend: str, seconds: float) -> None:
        """Record that a lane of *backend* had its first content after *seconds*."""
        if not self._wanted:
            return
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
