"""Keep away from a backend that said "429, come back later" for as long as it said.

A rate limit is no sickness: it closes this gate and leaves the circuit alone.
"""

from __future__ import annotations

import logging
from math import isnan

from quickthorn_server.execution.alarm import TICK

log = logging.getLogger(__name__)

LONGEST = 3600.0
"""Seconds; a wait that is longer is a slip, or nothing a router should hold on to."""


def clamped(seconds: float) -> float:
    """Return *seconds* within [0, LONGEST]; what is no number is no wait."""
    return 0.0 if isnan(seconds) else min(max(seconds, 0.0), LONGEST)


class RateGate:
    """Open unless the backend has named a wait that is not over.  Instants in seconds, of one clock."""

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self.opens_at = float("-inf")
        """When it opens; most that ask need know no more."""
        self._warned = False

    def limited(self, retry_after: float | None, now: float) -> None:
        """Take in a rate limit.  Without a wait nothing is closed: none is invented; of several the last to end holds.

        A wait out of bounds is clamped, and logged once per backend.
        """
        if retry_after is None:
            return
        wait = clamped(retry_after)
        if wait != retry_after and not self._warned:
            self._warned = True
            log.warning("wait out of bounds backend=%s retry_after=%g taken=%g", self._backend, retry_after, wait)
        self.opens_at = max(self.opens_at, now + wait)

    def wait(self, now: float) -> float:
        """Return the seconds until the backend may be asked, 0 = now."""
        left = self.opens_at - now
        return left if left > TICK else 0.0
