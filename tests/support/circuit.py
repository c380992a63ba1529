"""A circuit breaker on a bench, and a model of what it should do."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from quickthorn_server.core.catalogue import BreakerRule
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.plan import Circuit
from quickthorn_server.execution.breakers import Breaker
from quickthorn_server.execution.permit import Permit
from quickthorn_server.execution.refusal import CircuitOpen

RULE = BreakerRule(consecutive=3, open_for=5.0, probes=1, successes=2)
RATES = BreakerRule(consecutive=1000, open_for=5.0, successes=2)
"""Rates only: no number of failures in a row is enough."""

SICK = BackendError(Failure.UNAVAILABLE, http_status=500)
STALLED = BackendError(Failure.TIMEOUT, "idle limit passed")


@dataclass
class Rig:
    """A breaker, the clock it reads, the p99 it asks for, and what it told."""

    rule: BreakerRule = RULE
    now: float = 100.0
    p99: float | None = None
    random_: random.Random | None = None
    told: list[Circuit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = Breaker(
            "a",
            self.rule,
            lambda: self.now,
            lambda _, circuit: self.told.append(circuit),
            p99=lambda: self.p99,
            random_=self.random_,
        )

    def circuit(self) -> Circuit:
        """Return what it lets through, asked anew each time."""
        return self.breaker.circuit

    @property
    def counted(self) -> int:
        """Failures in a row, as pybreaker counts them."""
        return self.breaker._circuit.fail_counter

    @property
    def outcomes(self) -> int:
        """Outcomes of any kind in the window."""
        return self.breaker.snapshot().outcomes

    def admit(self, lanes: int = 1) -> list[Permit]:
        """Take leave for *lanes* attempts."""
        return [self.breaker.admit() for _ in range(lanes)]

    def fail(self, lanes: int = 1) -> None:
        """Let *lanes* attempts at once fail."""
        for permit in self.admit(lanes):
            permit.failed(SICK)

    def succeed(self, lanes: int = 1, first_content: float | None = 0.1) -> None:
        """Let *lanes* attempts, one after the other, succeed."""
        for _ in range(lanes):
            self.breaker.admit().succeeded(first_content)

    def abandon(self, lanes: int, age: float) -> None:
        """Give up *lanes* attempts at once."""
        for permit in self.admit(lanes):
            permit.abandoned(age)

    def refused(self) -> float:
        """Ask for leave that must not be given; return the wait."""
        with pytest.raises(CircuitOpen) as refusal:
            self.breaker.admit()
        return refusal.value.retry_after

    def tripped(self) -> Rig:
        """Open the circuit now."""
        self.fail(self.rule.consecutive)
        assert self.circuit() is Circuit.OPEN
        return self

    def probed(self) -> Permit:
        """Open the circuit, wait, and return its first probe."""
        self.tripped()
        self.now += self.breaker.retry_after
        return self.breaker.admit()


@dataclass
class Model:
    """What a circuit should do, in as few words as possible, with every outcome kept for ever."""

    rule: BreakerRule
    circuit: Circuit = Circuit.CLOSED
    era: int = 0
    in_a_row: int = 0
    successes: int = 0
    outcomes: list[tuple[int, str]] = field(default_factory=list)
    probing: dict[int, float] = field(default_factory=dict)
    asked: int = 0
    doublings: int = 0
    closed_at: float | None = None
    reopens_at: float = 0.0
    gated_until: float = 0.0
    told: list[Circuit] = field(default_factory=list)

    def admits(self, now: float) -> bool:
        """Whether leave is given at *now*; counted as *asked*."""
        self.asked += 1
        if (self.circuit is Circuit.OPEN and now < self.reopens_at) or now < self.gated_until:
            return False
        if self.circuit is Circuit.OPEN:
            self.turn(Circuit.HALF_OPEN, now)
        if self.circuit is Circuit.CLOSED:
            return True
        patience = max(self.rule.open_for, self.rule.slow_first_token)
        held = sum(now - since < patience for since in self.probing.values())
        if held < self.rule.probes:
            self.probing[self.asked] = now
        return held < self.rule.probes

    def report(self, era: int, asked: int, outcome: str, now: float) -> None:
        """Take in how the attempt that was *asked* then went."""
        if outcome == "limited":
            self.gated_until = max(self.gated_until, now + 3.0)
        if era != self.era:
            return
        self.probing.pop(asked, None)
        if outcome not in {"succeeded", "failed", "late", "stalled", "silent"}:
            return
        self.outcomes.append((self.slot(now), outcome))
        if outcome in {"failed", "stalled"}:
            self.in_a_row += 1
        elif outcome != "silent":
            self.in_a_row = 0
        if self.circuit is Circuit.HALF_OPEN:
            self.successes += 1
            if outcome != "succeeded":
                self.turn(Circuit.OPEN, now)
            elif self.successes >= self.rule.successes:
                self.turn(Circuit.CLOSED, now)
        elif self.in_a_row >= self.rule.consecutive or self.too_many(now):
            self.turn(Circuit.OPEN, now)

    def known(self, now: float) -> list[str]:
        """Return the outcomes in the window."""
        return [outcome for slot, outcome in self.outcomes if self.slot(now) - slot < 10]

    def too_many(self, now: float) -> bool:
        """Whether a rate is too high."""
        known, rule = self.known(now), self.rule
        failed = sum(outcome in {"failed", "stalled"} for outcome in known)
        slow = sum(outcome in {"late", "stalled", "silent"} for outcome in known)
        most = max(len(known), 1)
        return len(known) >= rule.min_calls and (failed / most >= rule.failure_rate or slow / most >= rule.slow_rate)

    def healthy(self, now: float) -> bool:
        """Whether half of the outcomes were successes, or too few are known."""
        known = self.known(now)
        well = sum(outcome in {"succeeded", "late"} for outcome in known)
        return len(known) < self.rule.min_calls or 2 * well >= len(known)

    def slot(self, now: float) -> int:
        """Return which tenth of a window *now* is in, counted from the beginning of time."""
        return int(now / (self.rule.window / 10))

    def turn(self, circuit: Circuit, now: float) -> None:
        """Change to *circuit*."""
        self.circuit, self.era = circuit, self.era + 1
        self.successes = 0
        self.probing.clear()
        self.told.append(circuit)
        if circuit is Circuit.CLOSED:
            self.in_a_row, self.outcomes, self.closed_at = 0, [], now
        if circuit is Circuit.OPEN:
            if self.closed_at is not None:
                self.doublings = max(0, self.doublings - int((now - self.closed_at) // self.rule.window))
                self.closed_at = None
            self.reopens_at = now + min(300.0, self.rule.open_for * 2**self.doublings)
            self.doublings += self.rule.open_for * 2**self.doublings < 300.0
