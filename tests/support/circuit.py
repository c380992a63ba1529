"""A circuit breaker on a bench, and a model of what it should do."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from quickthorn_server.core.catalogue import BreakerRule
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.plan import Circuit
from quickthorn_server.execution.breakers import Breaker, CircuitOpen, Permit

RULE = BreakerRule(consecutive=3, open_for=5.0, probes=1, successes=2)
SICK = BackendError(Failure.UNAVAILABLE, http_status=500)


@dataclass
class Rig:
    """A breaker, the clock it reads and what it told."""

    rule: BreakerRule = RULE
    now: float = 100.0
    told: list[Circuit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = Breaker("a", self.rule, lambda: self.now, lambda _, circuit: self.told.append(circuit))

    def circuit(self) -> Circuit:
        """Return what it lets through, asked anew each time."""
        return self.breaker.circuit

    @property
    def counted(self) -> int:
        """Failures in a row, as pybreaker counts them."""
        return self.breaker._circuit.fail_counter

    def admit(self, lanes: int = 1) -> list[Permit]:
        return [self.breaker.admit() for _ in range(lanes)]

    def fail(self, lanes: int = 1) -> None:
        for permit in self.admit(lanes):
            permit.failed(SICK)

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
        self.now += self.rule.open_for
        return self.breaker.admit()


@dataclass
class Model:
    """What a circuit should do, in as few words as possible."""

    rule: BreakerRule
    circuit: Circuit = Circuit.CLOSED
    era: int = 0
    failures: int = 0
    successes: int = 0
    probing: int = 0
    reopens_at: float = 0.0
    told: list[Circuit] = field(default_factory=list)

    def admits(self, now: float) -> bool:
        if self.circuit is Circuit.OPEN and now >= self.reopens_at:
            self.turn(Circuit.HALF_OPEN, now)
        if self.circuit is Circuit.HALF_OPEN and self.probing < self.rule.probes:
            self.probing += 1
            return True
        return self.circuit is Circuit.CLOSED

    def report(self, era: int, outcome: str, now: float) -> None:
        if era != self.era:
            return
        half = self.circuit is Circuit.HALF_OPEN
        self.probing -= half
        if outcome == "failed":
            self.failures += 1
            if half or self.failures >= self.rule.consecutive:
                self.turn(Circuit.OPEN, now)
        elif outcome == "succeeded":
            self.failures = 0
            self.successes += half
            if half and self.successes >= self.rule.successes:
                self.turn(Circuit.CLOSED, now)

    def turn(self, circuit: Circuit, now: float) -> None:
        self.circuit, self.era = circuit, self.era + 1
        self.failures = self.successes = self.probing = 0
        self.reopens_at = now + self.rule.open_for
        self.told.append(circuit)
