"""What attempts report to that were admitted in spite of an open circuit: the window hears them, the circuit does not.

A circuit that keeps out too many of its route's backends is passed by (panic mode).  It must stay as it is all the
same: these attempts were not asked for as probes, so their failures do not lengthen an opening, nor do they end it.
"""

from __future__ import annotations

from quickthorn_server.core.catalogue import BreakerRule
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.execution.history import History
from quickthorn_server.execution.permit import Circuitry, Permit

_PER_PROBE = 10
"""Lanes at once for each probe that a half-open circuit would let through: less than a healthy backend gets, so that
what hangs holds up few calls, and enough that one which answers every other time answers many."""


class Spared:
    """Places for attempts on a backend whose circuit is open; *circuit* is told of rate limits and refused keys."""

    def __init__(self, rule: BreakerRule, history: History, circuit: Circuitry) -> None:
        self.lanes = 0
        self.limited = circuit.limited
        self.key_refused = circuit.key_refused
        self._most = rule.probes * _PER_PROBE
        self._slow = rule.slow_first_token
        self._history = history
        self._era = 0  # the time between two closings, each of which forgets the window

    def take(self, key: int) -> Permit | None:
        """Return leave for one attempt, sent with *key*; None where all places are taken."""
        if self.lanes >= self._most:
            return None
        self.lanes += 1
        return Permit(self, self._era, key=key)

    def forget(self) -> None:
        """Say that the circuit has closed: what is still out there says nothing of the time since."""
        self._era += 1

    def settle(
        self,
        era: int,
        probe: int,  # noqa: ARG002 - the signature is that of whatever a permit reports to
        error: BackendError | None = None,
        *,
        first_content: float | None = None,
    ) -> None:
        """Count a failure with *error*, a success without."""
        self.lanes -= 1
        if era != self._era:
            return
        late = first_content is not None and first_content > self._slow
        self._history.slow = late or (error is not None and error.failure is Failure.TIMEOUT)
        if error is None:
            self._history.succeeded()
        else:
            self._history.failed()

    def release(self, era: int, probe: int, age: float | None = None) -> None:  # noqa: ARG002 - the same
        """Count a silence of *age* seconds as slow where that is too long, else nothing."""
        self.lanes -= 1
        if era == self._era and age is not None and age > self._slow:
            self._history.unanswered()
