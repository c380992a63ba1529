"""Who is asked next, and when: each candidate in order, who lost to a broken winner, then who may be retried."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence

from quickthorn_server.core.attempt import Cause
from quickthorn_server.core.catalogue import Backend, RetryRule
from quickthorn_server.core.classes import FailureClass, caused, classed, meaning
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.plan import Plan
from quickthorn_server.core.request import Priority
from quickthorn_server.core.value import value
from quickthorn_server.execution.alarm import TICK
from quickthorn_server.execution.consumed import reached
from quickthorn_server.execution.permit import Permit
from quickthorn_server.execution.purses import Purse, RoutePurses
from quickthorn_server.execution.refusal import Refused
from quickthorn_server.execution.standby import Standby

_BASE, _CAP = 0.25, 8.0  # seconds; full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015)
_LONGEST_WAIT = 30.0  # seconds; a provider that asks for more is not asked again in this call

Admit = Callable[[Backend], Permit | None]
"""Ask a backend's circuit for leave; None = refused."""


@value
class Start:
    """Leave to ask *backend* now."""

    backend: Backend
    cause: Cause
    permit: Permit


class Schedule:
    """Decides, never does.  *random_* draws the jitter; instants are the loop's, in seconds.

    A start that is handed out holds a permit: whoever takes it must launch the lane.  *refused* is where *admit* says
    why it gave none.
    """

    __slots__ = (
        "_admit",
        "_admit_in_panic",
        "_affords",
        "_asked",
        "_billed",
        "_call",
        "_costless",
        "_deadline",
        "_failover",
        "_failures",
        "_healthy",
        "_hedged",
        "_last_word",
        "_lost",
        "_lower",
        "_on_status",
        "_order",
        "_over",
        "_owed",
        "_priority",
        "_purses",
        "_random",
        "_refused",
        "_replaces",
        "_rule",
        "_spared",
        "_standby",
        "_started",
        "_stopped",
        "_targets",
        "again",
        "degraded",
        "no_hedge",
    )

    def __init__(
        self,
        plan: Plan,
        *,
        admit: Admit,
        admit_in_panic: Admit = lambda _: None,
        purses: RoutePurses,
        healthy: Callable[[str], bool],
        random_: random.Random,
        deadline: float | None,
        refused: Sequence[Refused] = (),
        affords: Callable[[], str] = lambda: "",
    ) -> None:
        self._order: Sequence[Backend] = plan.order
        self._standby = Standby(plan.order, plan.standby) if plan.standby else None
        if plan.standby:
            self._order = tuple(backend for backend in plan.order if backend.name not in plan.standby)
        hedging = plan.hedging
        # Whom to ask because of silence: who is next, unless the plan says otherwise.
        self._targets = self._order if hedging is None or hedging.targets is None else hedging.targets
        if not plan.failover:
            self._order, self._targets = self._order[:1], self._targets[: hedging.max_parallel if hedging else 0]
        self._lower = plan.lower
        # How many lanes hedging may pay for; None = it has no limit in money.
        self._billed = None if hedging is None or hedging.worst_extra is None else hedging.max_parallel
        self._asked: set[str] = set()
        self._hedged = False
        self._affords = affords  # another hedge: "" = yes, else why not
        self._priority = plan.outline.directives.priority if plan.outline else Priority.NORMAL
        self._lost: deque[Backend] | None = None
        self._spared = plan.panic if plan.failover else tuple(each for each in plan.panic if each is plan.order[0])
        self._failover = plan.failover
        self._rule, self._on_status = plan.retry, plan.route.on_status
        self._refused = refused
        self._admit, self._admit_in_panic = admit, admit_in_panic
        self._purses = purses
        self._call: int | None = None  # its number, once it has begun
        self._healthy = healthy
        self._random = random_
        self._deadline = deadline  # what would start later need not start
        # Who failed and may be asked once more, each from an instant on; the next one first.
        self.again: list[tuple[float, Backend]] = []
        self._failures: dict[str, int] = {}
        self._started = self._over = self._costless = 0  # lanes
        self._owed = 0  # each failure entitles the call to one more lane
        self._last_word: BackendError | None = None
        self._replaces = Cause.FAILOVER
        self._stopped = False  # a provider has said that it does not want this call again
        self.no_hedge = ""  # why silence was not answered, if it was not
        self.degraded = ""  # whom panic had asked, if anybody

    @property
    def may_start(self) -> bool:
        """Whether the call may start another lane at all."""
        return self._last_word is None and self._started < self._rule.attempts

    def failed(self, backend: Backend, error: BackendError, now: float) -> None:
        """Take in that a lane failed at *now*."""
        self._over += 1
        self._costless += not reached(error)
        if self._is_last_word(error):
            self._last_word = error
            return
        self._owed += 1
        if self._standby is not None:
            self._standby.failed(error)
        if error.pushed_back:
            self._stopped = True
            self.again.clear()
        again = not self._stopped and self._replaces is Cause.FAILOVER
        if again and _retryable(error, self._rule, self._on_status):
            self._put_back(backend, error, now)

    def broke(self, error: BackendError) -> None:
        """Take in that the winner broke, and that its answer is to be continued: by one backend at a time.

        Nobody is asked for it who has failed in this call.
        """
        self._over += 1
        if self._standby is not None:
            self._standby.failed(error)
        self._owed = 1
        self._replaces = Cause.CONTINUATION
        self.again.clear()
        if self._last_word is not None and not self._is_last_word(self._last_word):
            self._last_word = None

    def lost(self, backend: Backend) -> None:
        """Take in that a lane was stopped for a winner: it has not failed, so should that one break, it is next."""
        self._over += 1
        if self._lost is None:
            self._lost = deque()
        self._lost.append(backend)

    def first(self) -> Start | None:
        """Take who is asked first.  A call that may not fail over asks the first candidate or nobody."""
        self._call = self._purses.feed()
        if self._failover:
            return self._fresh_one(Cause.FIRST)
        backend = self._next(Cause.FIRST)
        start = None if backend is None else self._leave(backend, Cause.FIRST)
        return start or self._spared_one(Cause.FIRST)

    def hedge(self) -> Start | None:
        """Take who is asked because of silence; where nobody is, and nobody was, `no_hedge` says why."""
        against = self._against_hedging()
        start = None if against else self._fresh_one(Cause.SILENCE)
        self._hedged = self._hedged or start is not None
        self.no_hedge = "" if self._hedged else against or "no other backend takes a hedge now"
        return start

    def _against_hedging(self) -> str:
        if not self.may_start:
            return "the call may start no more lanes"
        if self._stopped:
            return "a provider asked not to be asked again"
        if self._is_spent:
            return "lanes that failed have cost what hedging the call may cost"
        if not self._purses.hedges.pays_for(self._priority, self._call):
            return "the purse for hedges is empty"
        return self._affords()

    @property
    def _is_spent(self) -> bool:
        """Whether as many lanes have been worked for as hedging the call may pay for."""
        return self._billed is not None and self._started - self._costless >= self._billed

    def replacement(self, now: float) -> Start | None:
        """Take who may replace a failed lane at *now*: a fresh candidate, else one whose backoff is over."""
        if not self._may_replace:
            return None
        start = self._fresh_one(self._replaces) if self._failover else None
        while start is None and self.again and self.again[0][0] <= now + TICK:
            start = self._leave(self.again.pop(0)[1], Cause.RETRY)
        if start is not None:
            self._owed -= 1
        return start

    def due(self) -> float | None:
        """Return when the next replacement comes due; None when nothing waits for its time."""
        return self.again[0][0] if self.again and self._may_replace else None

    @property
    def _may_replace(self) -> bool:
        """Whether a failed lane may be replaced: beside one that runs only as far as hedging may pay for it."""
        return self._owed > 0 and self.may_start and not (self._is_spent and self._started > self._over)

    def _fresh_one(self, cause: Cause) -> Start | None:
        """Take the next candidate that was not asked yet, or lost, and whose circuit admits it."""
        while (backend := self._next(cause)) is not None:
            start = self._leave(backend, cause)
            if start is not None:
                return start
        return self._spared_one(cause) if self._spared and not self._only_targets(cause) else None

    def _spared_one(self, cause: Cause) -> Start | None:
        """Take the next candidate that is asked in spite of its circuit: once a call, and never because of silence.

        It comes after all others, for whoever is well answers sooner.  In a total outage, which is panic too, a call
        costs its one free attempt and what the purse pays beyond it: no more than it may with circuits held closed.
        """
        for backend in self._spared:
            if self._is_too_low(backend) or (self._standby is not None and not self._standby.may_ask(backend)):
                continue
            start = self._leave(backend, cause, in_panic=True)
            if start is not None:
                self.degraded = f"panic: {start.backend.name} was asked in spite of its open circuit"
                return start
        return None

    def _next(self, cause: Cause) -> Backend | None:
        """Take the next candidate of the plan, or behind the last one who lost.

        Silence leads to none who wait.
        """
        order = self._order
        if self._started and self._only_targets(cause):
            order = self._targets
        elif self._standby is not None:
            backend = self._standby.take(_leading(order, self._asked), self._is_too_low)
            if backend is not None:
                return backend
        for backend in order:
            if backend.name in self._asked:
                continue
            if self._lower and self._is_too_low(backend):
                return None
            self._asked.add(backend.name)
            return backend
        return self._lost.popleft() if self._lost else None

    def _is_too_low(self, backend: Backend) -> bool:
        """Whether nothing leads to *backend* yet: it is of a lower tier, and somebody may still answer."""
        return backend.name in self._lower and self._started > self._over

    def _only_targets(self, cause: Cause) -> bool:
        """Whether nobody but the targets of hedges may be asked.

        Where hedges have a limit in money no others are asked beside a lane that runs: what they cost is not in it.
        """
        return cause is Cause.SILENCE or (self._billed is not None and self._started > self._over)

    def _leave(self, backend: Backend, cause: Cause, *, in_panic: bool = False) -> Start | None:
        purse = None if cause is Cause.FIRST else self._purse_of(backend, cause, in_panic=in_panic)
        if (self._started and not self.may_start) or (purse is not None and not purse.pays):
            return None
        permit = self._admit_in_panic(backend) if in_panic else self._admit(backend)
        if permit is None:
            if self._standby is not None and self._refused:
                self._standby.refused(self._refused[-1])
            return None
        if purse is not None:
            purse.pay(self._call if cause is Cause.SILENCE else None)
        if self._spared:
            self._spared = tuple(each for each in self._spared if each is not backend)
        self._started += 1
        return Start(backend, cause, permit)

    def _purse_of(self, backend: Backend, cause: Cause, *, in_panic: bool) -> Purse | None:
        """Return what pays for a lane; None = it is free.

        A failover is free while its destination is healthy: one bad provider of three costs failovers and no failed
        call, while in a total outage nobody is, and the purse ends what would be a storm.  Who is asked in panic is not
        healthy, however little its window knows.
        """
        if cause is Cause.SILENCE:
            return self._purses.hedges
        if cause in {Cause.FAILOVER, Cause.CONTINUATION} and not in_panic and self._healthy(backend.name):
            return None
        return self._purses.retries

    def _is_last_word(self, error: BackendError) -> bool:
        """Whether nobody is asked after *error*.

        That a request is bad is no news where an answer is continued: the caller's own was good enough for one.
        """
        if self._replaces is Cause.CONTINUATION:
            return classed(error, self._on_status) is FailureClass.TERMINAL
        return meaning(error, self._on_status).terminal

    def _put_back(self, backend: Backend, error: BackendError, now: float) -> None:
        failures = self._failures[backend.name] = self._failures.get(backend.name, 0) + 1
        wait = error.retry_after
        if wait is None:
            wait = self._random.uniform(0, min(_CAP, _BASE * 2**failures))
        at = now + wait
        if wait <= _LONGEST_WAIT and (self._deadline is None or at < self._deadline):
            self.again.append((at, backend))
            self.again.sort(key=lambda due: due[0])


def _leading(order: Sequence[Backend], asked: Container[str]) -> int:
    """Return how many of *order* were asked before the first of them that was not."""
    return next((place for place, backend in enumerate(order) if backend.name not in asked), len(order))


def _retryable(error: BackendError, rule: RetryRule, on_status: Mapping[int, FailureClass]) -> bool:
    """Whether the same backend may be asked again: the class allows it, and the route names it, there or in `retry`."""
    if not meaning(error, on_status).again:
        return False
    return classed(error, on_status) is FailureClass.RETRY or caused(error, rule.on)
