"""One circuit per backend: asked before an attempt, told how it ended.

pybreaker is the state machine and nothing more.  It runs the guarded call itself, under a lock, and counts a cancelled
call as a failure (or, if excluded, as a success that closes a half-open circuit).  A race cancels its losers on
purpose, so attempts run outside the circuit and report here.  It counts failures in a row only; `History` is the
storage it asks, and judges rates.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import inf
from typing import NoReturn

import pybreaker

from quickthorn_server.core.catalogue import Backend, BreakerRule, SlowStart
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.plan import Circuit, CircuitSnapshot, Forced
from quickthorn_server.execution.alarm import TICK
from quickthorn_server.execution.backoff import Backoff
from quickthorn_server.execution.history import History
from quickthorn_server.execution.key_gate import AGAIN, KeyGate, ToldKey
from quickthorn_server.execution.permit import Permit
from quickthorn_server.execution.probes import Probes
from quickthorn_server.execution.rate_gate import RateGate
from quickthorn_server.execution.refusal import CircuitOpen, KeyRefused, RateGated
from quickthorn_server.execution.spared import Spared
from quickthorn_server.execution.window import Clock

Told = Callable[[str, Circuit], None]

_CIRCUITS = {
    pybreaker.STATE_CLOSED: Circuit.CLOSED,
    pybreaker.STATE_OPEN: Circuit.OPEN,
    pybreaker.STATE_HALF_OPEN: Circuit.HALF_OPEN,
}


_NOBODY: Mapping[str, float] = {}


class _Storage(pybreaker.CircuitMemoryStorage):
    """Where pybreaker counts: in *history*, which says "enough" for reasons of its own."""

    def __init__(self, history: History, enough: int) -> None:
        super().__init__(pybreaker.STATE_CLOSED)
        self._history = history
        self._enough = enough

    def increment_counter(self) -> None:
        """Count a failure."""
        self._history.failed()

    def reset_counter(self) -> None:
        """Count a success: pybreaker calls this on every one (and on closing, after which all is forgotten)."""
        self._history.succeeded()

    @property
    def counter(self) -> int:
        """What pybreaker compares with its `fail_max`."""
        return self._enough if self._history.enough else min(self._history.in_a_row, self._enough - 1)


class Breaker(pybreaker.CircuitBreakerListener):
    """A pybreaker circuit that is safe to use from concurrent, cancellable attempts of one event loop.

    Closed: opens after *rule.consecutive* failures in a row, or when a rate over *rule.window* is too high.  Open:
    refuses for *rule.open_for* seconds, longer each time it opens again (`Backoff`).  Half-open: *rule.probes*
    attempts at once, closes after *rule.successes* of them, opens again on the first failure or slow one.

    *p99*: the backend's own 99th percentile of first content in seconds, None = not known yet.  *told_key*
    and *key_again*: see `KeyGate`.
    """

    def __init__(
        self,
        name: str,
        rule: BreakerRule,
        clock: Clock,
        told: Told,
        *,
        slow_start: SlowStart | None = None,
        p99: Callable[[], float | None] = lambda: None,
        random_: random.Random | None = None,
        told_key: ToldKey = lambda _: None,
        key_again: float = inf,
    ) -> None:
        self.name = name
        self._slow_start = slow_start or SlowStart()
        self._recovered_at = -inf
        self._rule = rule
        self._clock = clock
        self._told = told
        self._p99 = p99
        self.circuit = Circuit.CLOSED
        """What the circuit lets through now: pybreaker's state, which takes four calls to ask for."""
        self.openings = 0
        """How often it has opened."""
        self._era = 0  # the time between two changes of state: what an attempt of an earlier one reports is old news
        self._forced = Forced.AUTO
        self._opened_for = self._reopens_at = 0.0
        self._probes = Probes(rule.probes, patience=max(rule.open_for, rule.slow_first_token))
        self._backoff = Backoff(rule, random_)
        self._gate = RateGate(name)
        self._key = KeyGate(told_key, clock, key_again)
        self.history = History(rule, clock)
        self._spared = Spared(rule, self.history, self)
        self._circuit = pybreaker.CircuitBreaker(
            name=name,
            fail_max=rule.consecutive,
            reset_timeout=1e9,  # longer than any process lives: when to try again is ours to say, on our clock
            success_threshold=rule.successes,
            throw_new_error_on_trip=False,
            listeners=[self],
            state_storage=_Storage(self.history, rule.consecutive),
        )

    @property
    def retry_after(self) -> float:
        """Seconds until an open circuit lets a probe through (forced: until asking again makes sense); else 0."""
        return self._rule.open_for if self.held_open else max(0.0, self._reopens_at - self._clock())

    @property
    def told_to_wait(self) -> bool:
        """Whether the provider asked to be left alone for now."""
        return self._gate.opens_at > self._clock() + TICK

    @property
    def held_open(self) -> bool:
        """Whether an operator keeps the backend out."""
        return self._forced is Forced.OPEN

    @property
    def ramp(self) -> float:
        """The share of its weight that the backend has while it recovers; 1 = all of it."""
        return self._slow_start.share(self._clock() - self._recovered_at)

    def snapshot(self) -> CircuitSnapshot:
        """Return how things stand."""
        circuit, total = self.circuit, self.history.total()
        opened_for = 0.0 if circuit is Circuit.CLOSED else self._opened_for
        wait = max(self.retry_after, self._gate.wait(self._clock()))
        known = (total.calls, total.failure_rate, total.slow_rate)
        return CircuitSnapshot(circuit, self._forced, *known, opened_for=opened_for, retry_after=wait)

    def admit(self) -> Permit:
        """Return leave for one attempt; raises Refused.  Never waits: check and count are one step."""
        if self._key.refused and self._key.shut:
            raise KeyRefused(self.name)
        circuit, now = self.circuit, self._clock()
        if circuit is Circuit.OPEN and (self.held_open or now < self._reopens_at):
            raise CircuitOpen(self.name, self.retry_after)
        if self._gate.opens_at > now and (wait := self._gate.wait(now)):
            raise RateGated(self.name, wait)
        if circuit is Circuit.CLOSED:
            return Permit(self, self._era, key=self._key.generation)
        if circuit is Circuit.OPEN:
            self._circuit.half_open()
        if not (probe := self._probes.take(now)):
            raise CircuitOpen(self.name, self._rule.open_for)
        return Permit(self, self._era, probe, self._key.generation)

    def admit_in_panic(self) -> Permit:
        """Return leave for one attempt in spite of the circuit; raises Refused.

        An operator's word and a provider's "come back later" hold all the same, and only so many attempts pass at once.
        """
        if self._key.refused or self.held_open or self.circuit is Circuit.CLOSED:
            return self.admit()
        if wait := self._gate.wait(self._clock()):
            raise RateGated(self.name, wait)
        permit = self._spared.take(self._key.generation)
        if permit is None:
            raise CircuitOpen(self.name, self.retry_after)
        return permit

    def force(self, forced: Forced) -> None:
        """Hold the circuit open or closed whatever is reported; let go, it probes, or starts from nothing."""
        before, self._forced = self._forced, forced
        self.history.armed = forced is not Forced.CLOSED
        if forced is Forced.OPEN and self.circuit is not Circuit.OPEN:
            self._circuit.open()
        elif forced is Forced.CLOSED and self.circuit is not Circuit.CLOSED:
            self._circuit.close()
        elif forced is Forced.AUTO and before is Forced.OPEN:
            self._reopens_at = self._clock()
        elif forced is Forced.AUTO and before is Forced.CLOSED:
            self.history.forget()

    def trip(self) -> None:
        """Open a closed circuit for what else was found out; an operator's word holds."""
        if self.circuit is Circuit.CLOSED and self._forced is Forced.AUTO:
            self._circuit.open()

    def recover(self) -> None:
        """Close a half-open circuit, in the same way."""
        if self.circuit is Circuit.HALF_OPEN and self._forced is Forced.AUTO:
            self._circuit.close()

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,  # noqa: ARG002 - the listener's signature is pybreaker's
        old_state: pybreaker.CircuitBreakerState | None,  # noqa: ARG002 - the same
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        """Start a new era.  pybreaker calls this while `current_state` still tells the old one."""
        circuit, now = _CIRCUITS[new_state.name], self._clock()
        self.circuit = circuit
        self._era += 1
        self._probes.clear()
        self._reopens_at = now
        if circuit is Circuit.CLOSED:
            self.history.forget()
            self._spared.forget()
            self._recovered_at = now if self._forced is Forced.AUTO else -inf
            self._backoff.closed(now)
        elif circuit is Circuit.OPEN:
            self.openings += 1
            self._opened_for = 0.0 if self.held_open else self._backoff.opened(now)
            self._reopens_at += self._opened_for
        self._told(self.name, circuit)

    def settle(
        self, era: int, probe: int, error: BackendError | None = None, *, first_content: float | None = None
    ) -> None:
        """Count one outcome of *era*: a failure with *error*, else a success.  Late ones and timeouts are slow."""
        if era != self._era:
            return
        late = first_content is not None and first_content > self._rule.slow_first_token
        slow = late or (error is not None and error.failure is Failure.TIMEOUT)
        self.history.slow = slow
        if error is None and self.circuit is Circuit.CLOSED:
            if self._key.refused:
                self._key.answered()
            self.history.succeeded()  # all that pybreaker would do: no success changes the state of a closed circuit
            if self.history.enough:
                self._circuit.open()
            return
        self._probes.free(probe)
        if error is not None:
            try:
                self._circuit.call(_fail)
            except _Failed:  # pybreaker raises again what it has counted, and judged
                return
        self._key.answered()
        if slow and self.circuit is Circuit.HALF_OPEN:
            self.history.succeeded()  # not told to pybreaker, which would take it for a step towards closing
        else:
            self._circuit.call(bool)  # a call that succeeds
        self._judge(era, slow=slow)

    def release(self, era: int, probe: int, age: float | None = None) -> None:
        """Take in that an attempt of *era* ended without a verdict, *age* seconds old without a word of its backend.

        Younger than the backend's own p99 it leaves no mark.  Older, it is one slow outcome, or a dead backend whose
        every call a hedge rescues would never be noticed.
        """
        if era != self._era:
            return
        self._probes.free(probe)
        usual = None if age is None else self._p99()
        if age is not None and age > (self._rule.slow_first_token if usual is None else usual):
            self.history.unanswered()
            self._judge(era, slow=True)

    def limited(self, retry_after: float | None) -> None:
        """Take in a rate limit, whatever its era: what the provider would refuse need not be sent."""
        self._gate.limited(retry_after, self._clock())

    def key_refused(self, key: int) -> None:
        """Take in that the provider refused the backend's key, the one of generation *key*."""
        self._key.refuse(key)

    def key_renewed(self) -> None:
        """Take in that the backend is asked with another key from now on: one that was refused counts no more."""
        self._key.renewed()

    def _judge(self, era: int, slow: bool) -> None:
        """Open where pybreaker does not look: after what is slow, or after a success that completes `min_calls`."""
        if era == self._era and (slow if self.circuit is Circuit.HALF_OPEN else self.history.enough):
            self._circuit.open()


class Breakers(dict[str, Breaker]):
    """The circuits of all backends, by name.

    *p99*: backend -> its p99 of first content in seconds, None = not known yet.  *told_key* is told of a backend when
    its provider refuses its key (True), and when it has been given another (False).  *keys_refused* names those that
    wait for one; a backend without a key of ours is not among them, for it is asked again.
    """

    def __init__(
        self,
        backends: Iterable[Backend],
        clock: Clock,
        told: Told,
        *,
        p99: Callable[[str], float | None] = lambda _: None,
        random_: random.Random | None = None,
        told_key: Callable[[Backend, bool], None] = lambda _, __: None,
    ) -> None:
        self.keys_refused: frozenset[str] = frozenset()
        self._told_key = told_key
        self._told = told
        self._not_closed: dict[str, Circuit] = {}
        self._recovering: frozenset[str] = frozenset()
        super().__init__()
        self |= {
            each.name: Breaker(
                each.name,
                each.breaker,
                clock,
                self._changed,
                slow_start=each.slow_start,
                p99=partial(p99, each.name),
                random_=random_,
                told_key=partial(self._key_changed, each),
                key_again=AGAIN if each.api_key is None else inf,
            )
            for each in backends
        }

    def circuits(self) -> Mapping[str, Circuit]:
        """Return backend -> circuit, for those not closed; it never changes, so that plans may keep it."""
        return self._not_closed

    def ejected(self) -> Mapping[str, float]:
        """Return whom its own circuit keeps out -> what may be hoped for of it, as `Knowledge.ejected`.

        That is Laplace's rule of succession over the window, (succeeded + 1) / (outcomes + 2): of whom nothing is known
        any more is hoped for as much as of whom every other attempt succeeds, so that nobody is given up for good.
        """
        if not self._not_closed:
            return _NOBODY
        found = {name: self[name] for name in self._not_closed}
        return {name: each.history.hope for name, each in found.items() if not each.held_open}

    def ramps(self) -> Mapping[str, float]:
        """Return who has come back of late -> the share of its weight that it has until it has all of it."""
        if not self._recovering:
            return _NOBODY
        shares = {name: share for name in self._recovering if (share := self[name].ramp) < 1.0}
        self._recovering = frozenset(shares)
        return shares

    def _key_changed(self, backend: Backend, refused: bool) -> None:
        if backend.api_key is not None:
            change = self.keys_refused.union if refused else self.keys_refused.difference
            self.keys_refused = change({backend.name})
        self._told_key(backend, refused)

    def healthy(self, backend: str) -> bool:
        """Whether its circuit is closed, and of its outcomes in the window half or more succeeded or too few are known.

        Behind a circuit that only tries it out too few are known just because the outage has outlasted the window.
        """
        return backend not in self._not_closed and self[backend].history.healthy

    def _changed(self, backend: str, circuit: Circuit) -> None:
        """Make the mapping anew: circuits change rarely, and every call reads it."""
        others = {name: state for name, state in self._not_closed.items() if name != backend}
        self._not_closed = others if circuit is Circuit.CLOSED else {**others, backend: circuit}
        self._recovering = self._recovering | {backend} if circuit is Circuit.CLOSED else self._recovering - {backend}
        self._told(backend, circuit)


class _Failed(Exception):  # noqa: N818 - a token for pybreaker; the error itself would collect its frames
    """The attempt failed."""


def _fail() -> NoReturn:
    raise _Failed
