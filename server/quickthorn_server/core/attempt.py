"""What happened in a call: one attempt per lane, and the trace of all of them."""

from __future__ import annotations

from quickthorn_server.core.failures import Failure
from quickthorn_server.core.usage import Usage, UsageSource
from quickthorn_server.core.value import value
from quickthorn_server.core.word import Word


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


@value
class Trace:
    """Who served and why.  *served_by* indexes *attempts*, None = nobody did; *degraded*: what was weakened for it."""

    attempts: tuple[Attempt, ...]
    served_by: int | None
    no_hedge: str
    hedge_delay: float | None
    config_version: str
    degraded: str = ""

    @property
    def spent(self) -> Attempt | None:
        """The lane whose usage is that of a call that failed: the last one that told it, else the last estimated."""
        known = [attempt for attempt in reversed(self.attempts) if attempt.usage is not None]
        told = (attempt for attempt in known if attempt.usage and attempt.usage.source is UsageSource.REPORTED)
        return next(told, known[0] if known else None)
