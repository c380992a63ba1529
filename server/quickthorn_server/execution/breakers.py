"""One circuit per backend: asked before an attempt, told how it ended.

pybreaker is the state machine and nothing more.  It runs the guarded call itself, under a lock, and counts a cancelled
call as a failure (or, if excluded, as a success that closes a half-open circuit).  A race cancels its losers on
purpose, so attempts run outside the circuit and report here.  An abandoned attempt leaves no mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import NoReturn

import pybreaker

from quickthorn_server.core.catalogue import Backend, BreakerRule
from quickthorn_server.core.failures import MEANING, BackendError
from quickthorn_server.core.plan import Circuit

Clock = Callable[[], float]
Told = Callable[[str, Circuit], None]

_CIRCUITS = {
    pybreaker.STATE_CLOSED: Circuit.CLOSED,
    pybreaker.STATE_OPEN: Circuit.OPEN,
    pybreaker.STATE_HALF_OPEN: Circuit.HALF_OPEN,
}
# Longer than any process lives: when to try again is ours to say, on a clock that never jumps.
_NEVER = 1e9


class CircuitOpen(Exception):  # noqa: N818 - it says what is, not that something went wrong
    """The backend has failed too often lately to be tried now; *retry_after* in seconds."""

    def __init__(self, backend: str, retry_after: float) -> None:
        super().__init__(f"the circuit of {backend} is open")
        self.retry_after = retry_after


class Breaker(pybreaker.CircuitBreakerListener):
    """A pybreaker circuit that is safe to use from concurrent, cancellable attempts of one event loop.

    Closed: opens after *rule.consecutive* failures in a row.  Open: refuses for *rule.open_for* seconds.  Half-open:
    *rule.probes* attempts at once, closes after *rule.successes* of them, opens again on the first failure.
    """

    def __init__(self, name: str, rule: BreakerRule, clock: Clock, told: Told) -> None:
        self.name = name
        self._rule = rule
        self._clock = clock
        self._told = told
        # An era is the time between two changes of state: what an attempt of an earlier era reports is old news.
        self._era = 0
        self._reopens_at = 0.0
        self._probing = 0
        self._circuit = pybreaker.CircuitBreaker(
            name=name,
            fail_max=rule.consecutive,
            reset_timeout=_NEVER,
            success_threshold=rule.successes,
            throw_new_error_on_trip=False,
            listeners=[self],
        )

    @property
    def circuit(self) -> Circuit:
        """What the circuit lets through now."""
        return _CIRCUITS[self._circuit.current_state]

    @property
    def retry_after(self) -> float:
        """Seconds until an open circuit lets a probe through; 0 when it is not open."""
        return max(0.0, self._reopens_at - self._clock()) if self.circuit is Circuit.OPEN else 0.0

    def admit(self) -> Permit:
        """Return leave for one attempt; raises CircuitOpen.  Never waits, so check and count are one step."""
        circuit = self.circuit
        if circuit is Circuit.OPEN and self._clock() >= self._reopens_at:
            self._circuit.half_open()
            circuit = Circuit.HALF_OPEN
        if circuit is Circuit.OPEN:
            raise CircuitOpen(self.name, self.retry_after)
        if circuit is Circuit.HALF_OPEN:
            if self._probing >= self._rule.probes:
                raise CircuitOpen(self.name, self._rule.open_for)
            self._probing += 1
        return Permit(self, self._era)

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,  # noqa: ARG002 - the listener's signature is pybreaker's
        old_state: pybreaker.CircuitBreakerState | None,  # noqa: ARG002 - the same
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        """Start a new era.  pybreaker calls this while `current_state` still tells the old one."""
        circuit = _CIRCUITS[new_state.name]
        self._era += 1
        self._probing = 0
        if circuit is Circuit.OPEN:
            self._reopens_at = self._clock() + self._rule.open_for
        self._told(self.name, circuit)

    def settle(self, era: int, error: BackendError | None) -> None:
        """Count one outcome of *era*: a failure with *error*, a success without."""
        if era != self._era:
            return
        self._release()
        if error is None:
            self._circuit.call(_succeed)
            return
        with suppress(BackendError):  # pybreaker hands the failure back after it has counted it
            self._circuit.call(_fail, error)

    def release(self, era: int) -> None:
        """Give a probe's place back without an outcome."""
        if era == self._era:
            self._release()

    def _release(self) -> None:
        self._probing = max(0, self._probing - 1)


class Permit:
    """Leave for one attempt.  Exactly one of its methods is called when the attempt ends."""

    __slots__ = ("_breaker", "_era")

    def __init__(self, breaker: Breaker, era: int) -> None:
        self._breaker = breaker
        self._era = era

    def succeeded(self) -> None:
        """Say that the backend answered."""
        self._breaker.settle(self._era, None)

    def failed(self, error: BackendError) -> None:
        """Say that the attempt failed; one that the backend is not to blame for counts neither way."""
        if MEANING[error.failure].blame:
            self._breaker.settle(self._era, error)
        else:
            self._breaker.release(self._era)

    def abandoned(self) -> None:
        """Say that we stopped the attempt ourselves: that proves nothing about the backend."""
        self._breaker.release(self._era)


class Breakers:
    """The circuits of all backends."""

    def __init__(self, backends: Iterable[Backend], clock: Clock, told: Told) -> None:
        self._all = {backend.name: Breaker(backend.name, backend.breaker, clock, told) for backend in backends}

    def __getitem__(self, backend: str) -> Breaker:
        return self._all[backend]

    def circuits(self) -> Mapping[str, Circuit]:
        """Return backend -> circuit, for those not closed."""
        states = ((name, breaker.circuit) for name, breaker in self._all.items())
        return {name: circuit for name, circuit in states if circuit is not Circuit.CLOSED}


def _succeed() -> None:
    return None


def _fail(error: BackendError) -> NoReturn:
    raise error
