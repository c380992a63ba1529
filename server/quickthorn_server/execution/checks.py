"""Check backends that want it, whether they are called or not.

A check goes through the gates of an attempt: limits, key, circuit.  A bad one counts as a failed attempt does, and
*unhealthy* of them in a row, with no good call in between, open the circuit earlier than calls would have to.  While it
is half-open a check may be the probe, and *healthy* good ones in a row close it.

What a good check proves depends on what it asked.  A completion counts like an answered call.  A provider that accepts
connections, or lists its models, may still answer nobody: such a check says nothing for a circuit that is closed, and
closes only one that checks alone have opened; what calls have opened stays with calls.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from quickthorn_server.core.bug import sketch
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.failures import MEANING, BackendError, Failure
from quickthorn_server.core.health import CheckMethod, CheckRule
from quickthorn_server.core.plan import Circuit
from quickthorn_server.execution.breakers import Breaker
from quickthorn_server.execution.carried import Estate
from quickthorn_server.execution.check_cost import Allowance
from quickthorn_server.execution.check_kinds import Found, ask
from quickthorn_server.execution.limits import Leave
from quickthorn_server.execution.permit import Permit
from quickthorn_server.execution.refusal import Refused
from quickthorn_server.execution.window import Clock

log = logging.getLogger(__name__)

_SPREAD = 0.15  # of a wait, either way, so that replicas do not check in step
_SOON = 1.0  # seconds between two checks of a circuit that is half-open
_SHORTEST = 0.05  # seconds until a gate that was shut is tried again
_CLOSING = 2.0  # seconds for checks that are under way when the server goes


@asynccontextmanager
async def checking(backends: Iterable[Backend], estate: Estate, wall: Clock = time.time) -> AsyncIterator[None]:
    """Check those of *backends* that have a rule for it until the block is left.  *wall*: Unix time in seconds."""
    rules = [(backend, backend.check) for backend in backends if backend.check is not None]
    tasks = [
        asyncio.create_task(Checks(backend, rule, estate, wall).run(), name=f"checks of {backend.name}")
        for backend, rule in rules
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSING)


class Checks:
    """The checks of one backend, one after the other; only changes are logged, and no observer hears of them."""

    def __init__(self, backend: Backend, rule: CheckRule, estate: Estate, wall: Clock) -> None:
        self._backend = backend
        self._rule = rule
        self._estate = estate
        self._breaker: Breaker = estate.breakers[backend.name]
        self._random: random.Random = estate.random_
        self._allowance = Allowance(rule, backend.price, wall)
        self._proves_answers = rule.method is CheckMethod.COMPLETION
        self._good = self._bad = self._mute = 0  # checks in a row
        self._opening = 0  # the last one of the circuit's that is due to checks alone
        self._state = ""

    async def run(self) -> None:
        """Check again and again; the first time anywhere in the interval, for many replicas start at once."""
        await asyncio.sleep(self._random.uniform(0.0, self._rule.interval))
        while True:
            try:
                wait = await self.once()
            except Exception as bug:  # noqa: BLE001 - the checks go on, and its text may quote anything
                log.error("bug check=%s at=%s", self._backend.name, sketch(bug))  # noqa: TRY400 - the same
                wait = self._rule.interval
            await asyncio.sleep(wait)

    async def once(self) -> float:
        """Check, unless a gate is shut or nothing could be learnt; return the seconds until the next time."""
        if not self._may_tell():
            return self._next()
        try:
            permit, leave = self._enter()
        except Refused as refusal:
            return self._after(min(self._rule.interval, refusal.retry_after))
        found: Found | None = None
        try:
            found = await self._found()
        finally:
            if leave is not None:
                leave(found.usage if found else None)
            if found is None:
                permit.abandoned()
        self._learn(permit, found)
        return self._next()

    def _may_tell(self) -> bool:
        if not self._allowance.allows():
            self._tell("paused", "what checks may cost in a day is spent")
            return False
        return self._breaker.circuit is Circuit.CLOSED or self._may_close

    @property
    def _may_close(self) -> bool:
        """Whether good checks would close the circuit."""
        return self._proves_answers or self._opening == self._breaker.openings

    def _enter(self) -> tuple[Permit, Leave | None]:
        """Take a permit and a place, as an attempt would; raises Refused.  To connect is no request: no limit holds."""
        name, limiters = self._backend.name, self._estate.limiters
        if name not in limiters.limited or self._rule.method is CheckMethod.CONNECT:
            return self._breaker.admit(), None
        limiters.check(name, self._rule.most_tokens)
        return self._breaker.admit(), limiters.take(name, self._rule.most_tokens)

    async def _found(self) -> Found:
        rule, found = self._rule, Found()
        try:
            async with asyncio.timeout(rule.timeout):
                await ask(self._estate.providers[self._backend.name], self._backend, rule, found)
        except TimeoutError:
            found.error = BackendError(Failure.TIMEOUT, "the check took too long")
        except BackendError as error:
            found.error = error
        finally:
            self._allowance.spend(found)
        return found

    def _learn(self, permit: Permit, found: Found) -> None:
        if found.error is None:
            self._was_good(permit, found.first_content)
        elif MEANING[found.error.failure].blame:
            self._was_bad(permit, found.error)
        else:
            permit.failed(found.error)
            self._good, self._bad, self._mute = 0, 0, self._mute + 1
            if self._mute == self._rule.unhealthy:
                self._tell("useless", f"{found.error.failure.value}, which says nothing of its health")

    def _was_good(self, permit: Permit, first_content: float | None) -> None:
        breaker = self._breaker
        late = first_content is not None and first_content > self._backend.breaker.slow_first_token
        if self._proves_answers and (late or breaker.circuit is Circuit.CLOSED):
            permit.succeeded(first_content)
        else:
            permit.abandoned()
        self._good, self._bad, self._mute = 0 if late else self._good + 1, 0, 0
        if self._good >= self._rule.healthy:
            breaker.recover()
            self._tell("passing")

    def _was_bad(self, permit: Permit, error: BackendError) -> None:
        breaker, most = self._breaker, self._rule.unhealthy
        openings = breaker.openings
        alone = (
            self._opening == openings if breaker.circuit is Circuit.HALF_OPEN else self._bad >= breaker.history.in_a_row
        )
        self._good, self._bad, self._mute = 0, self._bad + 1, 0
        permit.failed(error)
        if self._bad >= most:
            if breaker.history.in_a_row >= most:
                breaker.trip()
            self._tell("failing", error.failure.value)
        if alone and breaker.openings > openings:
            self._opening = breaker.openings

    def _next(self) -> float:
        """Return the seconds until the next check is worth while."""
        circuit, interval = self._breaker.circuit, self._rule.interval
        if circuit is Circuit.OPEN and self._may_close:
            return self._after(min(interval, self._breaker.retry_after))
        if circuit is Circuit.HALF_OPEN and self._may_close:
            interval = min(interval, _SOON)
        return interval * self._random.uniform(1.0 - _SPREAD, 1.0 + _SPREAD)

    def _after(self, wait: float) -> float:
        """Return *wait*, or a little more: not before."""
        return max(wait, _SHORTEST) * self._random.uniform(1.0, 1.0 + _SPREAD)

    def _tell(self, state: str, why: str = "") -> None:
        if state != self._state:
            self._state = state
            level = logging.INFO if state == "passing" else logging.WARNING
            name, method = self._backend.name, self._rule.method.word
            log.log(level, "check backend=%s method=%s state=%s%s", name, method, state, f": {why}" if why else "")
