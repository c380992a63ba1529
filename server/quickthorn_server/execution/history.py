"""What a circuit remembers of its outcomes, and when that is enough to open it."""

from __future__ import annotations

from quickthorn_server.core.catalogue import BreakerRule
from quickthorn_server.execution.window import Clock, Tally, Window


class History:
    """Failures in a row, however old, and rates over a window of *rule*.

    *armed* False = nothing is ever enough.  *slow* says of the outcome that is told next whether it was slow.
    """

    def __init__(self, rule: BreakerRule, clock: Clock) -> None:
        self.armed = True
        self.slow = False
        self.in_a_row = 0
        self._rule = rule
        self._window = Window(rule.window, clock)

    def failed(self) -> None:
        """Count a failure."""
        self.in_a_row += 1
        self._window.record(failed=True, slow=self.slow)

    def succeeded(self) -> None:
        """Count a success."""
        self.in_a_row = 0
        self._window.record(succeeded=True, slow=self.slow)

    def unanswered(self) -> None:
        """Count an attempt given up after too long a silence: slow, but neither a failure nor a success."""
        self._window.record(slow=True)

    def forget(self) -> None:
        """Start from nothing."""
        self.in_a_row = 0
        self._window.clear()

    def total(self) -> Tally:
        """Return what is in the window now; read it at once, it changes."""
        return self._window.total()

    @property
    def healthy(self) -> bool:
        """Whether at least half of the outcomes in the window succeeded, or fewer than *min_calls* are known."""
        total = self._window.total()
        return total.calls < self._rule.min_calls or 2 * total.succeeded >= total.calls

    @property
    def hope(self) -> float:
        """What share of further attempts may succeed, 0..1: (succeeded + 1) / (outcomes + 2) over the window."""
        total = self._window.total()
        return (total.succeeded + 1) / (total.calls + 2)

    @property
    def enough(self) -> bool:
        """Whether the circuit must open: too many failures in a row, or a rate too high over *min_calls* or more."""
        rule = self._rule
        if not self.armed:
            return False
        if self.in_a_row >= rule.consecutive:
            return True
        total = self._window.total()
        if total.calls < rule.min_calls or not total.calls:
            return False
        return total.failed / total.calls >= rule.failure_rate or total.slow / total.calls >= rule.slow_rate
