"""Circuits: every history of permits, reports and waits goes as a small model says."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from quickthorn_server.core.catalogue import BreakerRule
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.plan import Circuit
from quickthorn_server.execution.permit import Permit
from quickthorn_server.execution.refusal import Refused
from tests.support.circuit import SICK, STALLED, Model, Rig
from tests.support.laws import law

REPORTS: dict[str, Callable[[Permit], None]] = {
    "succeeded": lambda permit: permit.succeeded(0.5),
    "whole": Permit.succeeded,
    "late": lambda permit: permit.succeeded(8.25),
    "failed": lambda permit: permit.failed(SICK),
    "stalled": lambda permit: permit.failed(STALLED),
    "ours": lambda permit: permit.failed(BackendError(Failure.INTERNAL)),
    "limited": lambda permit: permit.failed(BackendError(Failure.RATE_LIMITED, http_status=429, retry_after=3.0)),
    "abandoned": Permit.abandoned,
    "young": lambda permit: permit.abandoned(2.0),
    "silent": lambda permit: permit.abandoned(2.25),
}
MEANS = {"whole": "succeeded", "young": "abandoned", "ours": "abandoned"}


class AnyHistory(RuleBasedStateMachine):
    """Permits taken and settled in any order, at any time, against the model."""

    RULE = BreakerRule(
        consecutive=3, open_for=1.0, probes=2, successes=2, window=10.0, min_calls=4, failure_rate=0.5, slow_rate=0.75
    )

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(self.RULE, p99=2.0)
        self.model = Model(self.rig.rule)
        self.out: list[tuple[Permit, int, int]] = []

    @rule(calls=st.integers(1, 3))
    def ask(self, calls: int) -> None:
        """Ask for leave."""
        for _ in range(calls):
            admitted = self.model.admits(self.rig.now)
            try:
                permit = self.rig.breaker.admit()
            except Refused:
                assert not admitted
            else:
                assert admitted
                self.out.append((permit, self.model.era, self.model.asked))

    @precondition(lambda self: self.out)
    @rule(place=st.integers(0, 99), outcome=st.sampled_from(sorted(REPORTS)))
    def settle(self, place: int, outcome: str) -> None:
        """End one of the attempts."""
        permit, era, asked = self.out.pop(place % len(self.out))
        REPORTS[outcome](permit)
        self.model.report(era, asked, MEANS.get(outcome, outcome), self.rig.now)

    @rule(outcome=st.sampled_from(sorted(REPORTS)), calls=st.integers(1, 4))
    def call(self, outcome: str, calls: int) -> None:
        """Ask, and end at once what was given."""
        for _ in range(calls):
            before = len(self.out)
            self.ask(1)
            if len(self.out) > before:
                self.settle(before, outcome)

    @rule(seconds=st.sampled_from([0.25, 1.0, 3.0, 5.0, 8.0, 10.0, 25.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.rig.now += seconds

    @invariant()
    def agrees(self) -> None:
        """Both say the same."""
        now, seen = self.rig.now, self.rig.breaker.snapshot()
        assert (seen.circuit, seen.outcomes) == (self.model.circuit, len(self.model.known(now)))
        assert self.rig.told == self.model.told
        assert self.rig.breaker.history.healthy is self.model.healthy(now)
        if self.model.circuit is Circuit.OPEN:
            assert self.rig.breaker.retry_after == max(0.0, self.model.reopens_at - now)


class AnyHistoryOfRates(AnyHistory):
    """The same where failures in a row are never enough, so that rates decide."""

    RULE = BreakerRule(
        consecutive=100, open_for=40.0, probes=1, successes=1, window=10.0, min_calls=6, failure_rate=0.5, slow_rate=0.5
    )


def test_any_history_goes_as_the_model_says() -> None:
    """Every state, refusal, event and wait, whatever is admitted, reported and waited for in whatever order."""
    run_state_machine_as_test(AnyHistory, settings=law(60, 40))


def test_any_history_of_rates_goes_as_the_model_says() -> None:
    """The window forgets exactly when the model does, and doubling stops where it should."""
    run_state_machine_as_test(AnyHistoryOfRates, settings=law(60, 40))
