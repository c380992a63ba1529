"""What happened in a call: one attempt per lane, and the trace of all of them."""

from __future__ import annotations

from quickthorn_server.core.failures import Failure
from quickthorn_server.core.usage import MOST, Usage, UsageSource, added
from quickthorn_server.core.value import value
from quickthorn_server.core.word import Word

_TWO = 2


class Cause(Word):
    """Why a lane was started."""

    FIRST = "first"
    SILENCE = "silence"
    FAILOVER = "failover"
    RETRY = "retry"
    CONTINUATION = "continuation"


class Outcome(Word):
    """How a lane ended."""

    WON = "won"
    LOST = "lost"
    FAILED = "failed"
    BROKE = "broke"
    ABANDONED = "abandoned"


@value
class Attempt:
    """One lane.  Times in seconds from the call's arrival; None = did not happen."""

    backend: str
    provider: str
    model: str
    cause: Cause
    outcome: Outcome
    started: float
    first_content: float | None = None
    ended: float | None = None
    failure: Failure | None = None
    http_status: int | None = None
    provider_request_id: str = ""
    usage: Usage | None = None
    cost_nano_usd: int | None = None

    @property
    def used(self) -> bool:
        """Whether it used anything, or might have: a lane that never reached its provider did not."""
        return self.usage is not None or self.outcome is not Outcome.FAILED


@value
class Trace:
    """Who served and why.  *served_by* indexes *attempts*, None = nobody did; *degraded*: what was weakened for it.

    *hedge_probability*: the share of such calls that may hedge, None = none or all.  *hedge_basis*: what the delay
    rests on where it was learned, in words.
    *rung*: which rung of the route's ladder answered, "" = none, it was served as planned.  *escalation*: by which
    identifier a human was told, "" = none was.
    """

    attempts: tuple[Attempt, ...]
    served_by: int | None
    no_hedge: str
    hedge_delay: float | None
    config_version: str
    degraded: str = ""
    hedge_probability: float | None = None
    hedge_basis: str = ""
    rung: str = ""
    escalation: str = ""

    @property
    def extra(self) -> tuple[Attempt, ...]:
        """The lanes beside the one that served or, of a call that nobody served, the one whose usage is the call's."""
        if len(self.attempts) < _TWO:
            return ()
        main = self.spent if self.served_by is None else self.attempts[self.served_by]
        others = tuple(attempt for attempt in self.attempts if attempt is not main)
        continued = any(attempt.cause is Cause.CONTINUATION for attempt in self.attempts)
        if continued and self.served_by is not None:  # who broke had served so far
            return tuple(attempt for attempt in others if attempt.outcome is not Outcome.BROKE)
        return others

    @property
    def extra_usage(self) -> Usage | None:
        """What those used together, as far as it is known; None = nothing is, or there are none."""
        return added(attempt.usage for attempt in self.extra)

    @property
    def extra_cost_nano_usd(self) -> int | None:
        """What those cost together; None = unknown for one that used anything, or there are none."""
        extra = self.extra
        costs = [attempt.cost_nano_usd for attempt in extra if attempt.used]
        known = [cost for cost in costs if cost is not None]
        return min(sum(known), MOST) if extra and len(known) == len(costs) else None

    @property
    def spent(self) -> Attempt | None:
        """The lane whose usage is that of a call that failed: the last one that told it, else the last estimated."""
        known = [attempt for attempt in reversed(self.attempts) if attempt.usage is not None]
        told = (attempt for attempt in known if attempt.usage and attempt.usage.source is UsageSource.REPORTED)
        return next(told, known[0] if known else None)
