"""How long a circuit stays open: longer each time it opens again, and less so the longer it held."""

from __future__ import annotations

import random

from quickthorn_server.core.catalogue import BreakerRule

LONGEST = 300.0
"""Seconds, before jitter; as Envoy's outlier detection (`max_ejection_time`)."""

JITTER = 0.15
"""Replicas that opened together must not probe together."""


class Backoff:
    """`open` seconds, doubled with every opening up to LONGEST; each window spent closed takes one doubling back.

    The multiplier that decays is gRPC's (gRFC A50).  *random_* None = without jitter.
    """

    def __init__(self, rule: BreakerRule, random_: random.Random | None) -> None:
        self._first = rule.open_for
        self._window = rule.window
        self._random = random_
        self._doublings = 0
        self._closed_at: float | None = None

    def closed(self, now: float) -> None:
        """Say that the circuit closed at *now*."""
        self._closed_at = now

    def opened(self, now: float) -> float:
        """Say that the circuit opens at *now*; return for how many seconds."""
        if self._closed_at is not None:
            self._doublings = max(0, self._doublings - int((now - self._closed_at) / self._window))
            self._closed_at = None
        seconds = self._first * float(2**self._doublings)
        if seconds < LONGEST:  # beyond it doublings change nothing, and would only take longer to decay
            self._doublings += 1
        seconds = min(seconds, max(LONGEST, self._first))
        return seconds if self._random is None else seconds * self._random.uniform(1 - JITTER, 1 + JITTER)
