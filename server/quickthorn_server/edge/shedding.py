"""Turn away as many calls as it takes for the others to be seen in time.  Pure: whoever measures the wait drives it.

The wait is the time from a call's arrival until we see it.  It is spent in gRPC's own queue, for gRPC hands over one
call at a time: neither the number of calls in flight nor the lag of the event loop tells of it.  Measured with twice of
what one core can do, 3 to 20 calls were in flight and no timer was a millisecond late, while calls waited for seconds.

A wait as such is no harm: every burst makes one.  One that stays is (Nichols and Jacobson, "Controlling Queue Delay",
2012).  So after PATIENCE of waits beyond the target bulk calls are refused, and of normal ones a share, which a
controller of proportion and integral moves towards the target (PIE, RFC 8033, 4.2).  Its gains are for steps of 0.1 s
and were found by simulation (`tests/unit/test_shedding.py`).  Critical calls are never shed.
"""

from __future__ import annotations

from quickthorn_server.core.request import Priority

PATIENCE = 0.5
"""Seconds of waits beyond the target until calls are shed."""

CALM = 1.0
"""Seconds of waits within the target, with nobody to shed any more, until all is over."""

_STEP = 0.1  # seconds
_BY_LEVEL, _BY_TREND = 0.5, 1.0  # share of calls per second of wait: for what it is, and for what it has grown
_MOST = 0.95  # some are always served: whoever refuses everybody learns nothing


class Shedder:
    """Decides whom to turn away.  *target*: seconds that a call may wait; instants in seconds, of one clock."""

    def __init__(self, target: float) -> None:
        self.active = False
        """Whether anybody is turned away."""
        self.share = 0.0
        """The share of normal calls that is."""
        self._target = target
        self._wait = 0.0
        self._seen_at: float | None = None
        self._late_since: float | None = None
        self._calm_since: float | None = None
        self._owed = 0.0

    def observe(self, wait: float, now: float) -> None:
        """Take in that calls wait *wait* seconds now."""
        steps = 1.0 if self._seen_at is None else min((now - self._seen_at) / _STEP, 2.0)
        growth, self._wait, self._seen_at = wait - self._wait, wait, now
        late = wait > self._target
        self._late_since = (now if self._late_since is None else self._late_since) if late else None
        if self.active:
            share = self.share + _BY_LEVEL * (wait - self._target) * steps + _BY_TREND * growth
            self.share = min(_MOST, max(0.0, share))
            self._end(now, idle=not late and self.share == 0.0)
        elif self._late_since is not None and now - self._late_since >= PATIENCE:
            self.active = True

    def refuses(self, priority: Priority) -> bool:
        """Whether to turn away the call that comes now; of normal ones exactly the share, evenly spread."""
        if not self.active or priority is Priority.CRITICAL:
            return False
        if priority is Priority.BULK:
            return True
        self._owed += self.share
        if self._owed < 1.0:
            return False
        self._owed -= 1.0
        return True

    def _end(self, now: float, *, idle: bool) -> None:
        self._calm_since = (now if self._calm_since is None else self._calm_since) if idle else None
        if self._calm_since is not None and now - self._calm_since >= CALM:
            self.active = False
            self._calm_since = None
            self._owed = 0.0
