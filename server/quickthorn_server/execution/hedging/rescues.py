"""Whether second lanes rescue as many calls as they should.

The times of first lanes and of hedges are learned apart, as if one said nothing of the other.  Where both are slow for
one reason (a network of ours, a provider's outage behind two names), fewer calls are rescued than follows from both.
So the hedged calls that are late all the same are counted beside those that should have been, and the share of rescues
to be believed in follows from the two.  Counts fade, so that a shared slowness that is over is found out again.
"""

from __future__ import annotations

from math import sqrt

_SURE = 3.0  # standard deviations


class Rescues:
    """Hedged calls that were late in spite of it, and how many should have been."""

    __slots__ = ("_late", "_rescued", "_should")

    def __init__(self) -> None:
        self._late = self._should = self._rescued = 0.0

    def add(self, silent: float, unanswered: float, *, late: bool) -> None:
        """Count a hedged call.

        *silent*: the probability that its first lane is late, *unanswered*: that its hedges are.
        """
        self._late += late
        self._should += silent * unanswered
        self._rescued += silent * (1.0 - unanswered)

    def fade(self, share: float) -> None:
        """Let all calls count *share* (0..1) of what they did."""
        self._late *= share
        self._should *= share
        self._rescued *= share

    @property
    def trust(self) -> float:
        """The share of rescues to be believed in, 0..1; 1 unless more calls are late than chance would have it."""
        excess = self._late - self._should - _SURE * sqrt(self._should + 1.0)
        return max(0.0, 1.0 - excess / self._rescued) if excess > 0.0 < self._rescued else 1.0
