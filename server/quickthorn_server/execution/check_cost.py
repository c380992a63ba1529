"""What checks may cost."""

from __future__ import annotations

from quickthorn_server.core.health import CheckMethod, CheckRule
from quickthorn_server.core.usage import Price, cost_nano_usd
from quickthorn_server.execution.check_kinds import Found
from quickthorn_server.execution.consumed import reached
from quickthorn_server.execution.window import Clock

_DAY = 86_400  # seconds


class Allowance:
    """Keeps what one backend's checks cost in a day (UTC, as providers bill) within *rule*; amounts in nano-USD.

    The next check is allowed if the dearest one so far still fits, so that only a check dearer than any before may
    exceed the day's.  What was sent and not accounted for costs the most that one may.  Counts in this process alone.
    """

    def __init__(self, rule: CheckRule, price: Price | None, wall: Clock) -> None:
        self.spent = 0
        self._most = rule.max_cost_per_day
        self._dearest = self._at_most = rule.cost
        self._free = rule.method is not CheckMethod.COMPLETION or rule.cost == 0
        self._price = price
        self._wall = wall
        self._day = self._today()

    def allows(self) -> bool:
        """Whether another check may be made."""
        if (today := self._today()) != self._day:
            self._day, self.spent = today, 0
        return self._free or self.spent + self._dearest <= self._most

    def spend(self, found: Found) -> None:
        """Count a check."""
        known = cost_nano_usd(found.usage, self._price)
        if self._free or (known is None and not reached(found.error)):
            return
        cost = self._at_most if known is None else known
        self.spent += cost
        self._dearest = max(self._dearest, cost)

    def _today(self) -> int:
        return int(self._wall() // _DAY)
