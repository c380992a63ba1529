"""Circuits: pybreaker's state machine, and none of what it does to concurrent, cancellable attempts.

The first tests are the known behaviours of pybreaker 1.4.1 around concurrency, cancellation, clocks and listeners, each
with the opposite expectation.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pybreaker
import pytest

from quickthorn_server.core.catalogue import Backend, BreakerRule
from quickthorn_server.core.failures import MEANING, BackendError, Failure
from quickthorn_server.core.plan import Circuit, Forced
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.permit import Permit
from quickthorn_server.execution.refusal import CircuitOpen
from tests.support.circuit import SICK, Rig

BLAMELESS = [failure for failure, meaning in MEANING.items() if not meaning.blame]


# -- Locks and calls --------------------------------------------------------------------------------------------------


def test_attempts_run_side_by_side() -> None:
    """Pybreaker holds a lock for the whole of a call; a permit holds nothing, so a thousand may be out at once."""
    rig = Rig()
    for permit in rig.admit(1000):
        permit.succeeded()
    assert rig.circuit() is Circuit.CLOSED


# -- Late results -----------------------------------------------------------------------------------------------------


def test_a_late_success_does_not_close_an_open_circuit() -> None:
    """A slow probe that succeeds after another probe failed is old news."""
    rig = Rig(BreakerRule(consecutive=1, open_for=5.0, probes=2, successes=1))
    slow = rig.probed()
    rig.fail()
    assert rig.circuit() is Circuit.OPEN
    slow.succeeded()
    assert (rig.circuit(), rig.refused()) == (Circuit.OPEN, 10.0)


def test_late_failures_do_not_move_the_opening() -> None:
    """Calls of the closed era that fail after the trip neither open it again nor make it stay open longer."""
    rig = Rig()
    late = rig.admit(10)
    rig.tripped()
    rig.now += 4.0
    for permit in late:
        permit.failed(SICK)
    assert (rig.refused(), rig.told) == (1.0, [Circuit.OPEN])
    rig.now += 1.0
    rig.admit()


def test_late_results_do_not_decide_a_half_open_circuit() -> None:
    """Only probes speak for the backend: what started before the trip knows nothing of its recovery."""
    for report in (Permit.succeeded, lambda permit: permit.failed(SICK), Permit.abandoned):
        rig = Rig()
        late = rig.admit(10)
        probe = rig.probed()
        for permit in late:
            report(permit)
        assert rig.circuit() is Circuit.HALF_OPEN
        rig.refused()  # the place is still the probe's
        probe.succeeded()
        rig.admit()


def test_late_failures_of_another_era_do_not_count_in_a_new_one() -> None:
    """A circuit that has closed again starts from nothing."""
    rig = Rig()
    late = rig.admit(10)
    rig.probed().succeeded()
    rig.admit()[0].succeeded()
    assert rig.circuit() is Circuit.CLOSED
    for permit in late:
        permit.failed(SICK)
    assert (rig.circuit(), rig.counted) == (Circuit.CLOSED, 0)


def test_a_late_success_does_not_forgive_new_failures() -> None:
    """The other direction: an old success does not reset the count of the era that followed."""
    rig = Rig()
    late = rig.admit(10)
    rig.probed().succeeded()
    rig.admit()[0].succeeded()
    rig.fail(2)
    for permit in late:
        permit.succeeded()
    rig.fail()
    assert rig.circuit() is Circuit.OPEN


def test_many_failing_probes_make_one_change() -> None:
    """A hundred probes that fail together open the circuit once, not a hundred times."""
    rig = Rig(BreakerRule(consecutive=1, open_for=5.0, probes=100, successes=1))
    probes = [rig.probed(), *rig.admit(99)]
    for probe in probes:
        probe.failed(SICK)
    assert rig.told == [Circuit.OPEN, Circuit.HALF_OPEN, Circuit.OPEN]


# -- Half-open --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("probes", [1, 3])
def test_a_crowd_at_half_open_is_kept_out(probes: int) -> None:
    """Of 1,000 callers at once exactly as many as there are probes get through, and again until it closes."""
    rig = Rig(BreakerRule(consecutive=1, open_for=5.0, probes=probes, successes=6))
    rig.tripped()
    rig.now += 5.0
    rounds = 0
    while rig.circuit() is not Circuit.CLOSED:
        admitted: list[Permit] = []
        for _ in range(1000):
            with suppress(CircuitOpen):
                admitted.append(rig.breaker.admit())
        assert (len(admitted), rig.circuit()) == (probes, Circuit.HALF_OPEN)
        assert rig.refused() == 5.0
        for permit in admitted:
            permit.succeeded()
        rounds += 1
    assert rounds == 6 / probes
    assert rig.told == [Circuit.OPEN, Circuit.HALF_OPEN, Circuit.CLOSED]


def test_it_closes_after_enough_successes() -> None:
    """Not at the first one, where more are asked for."""
    rig = Rig(BreakerRule(consecutive=1, open_for=5.0, probes=1, successes=3))
    rig.probed().succeeded()
    rig.admit()[0].succeeded()
    assert rig.circuit() is Circuit.HALF_OPEN
    rig.admit()[0].succeeded()
    assert (rig.circuit(), rig.told) == (Circuit.CLOSED, [Circuit.OPEN, Circuit.HALF_OPEN, Circuit.CLOSED])


def test_one_failing_probe_opens_it_again() -> None:
    """For twice the time, from now; successes before it are forgotten."""
    rig = Rig()
    rig.probed().succeeded()
    rig.now += 1.0
    rig.fail()
    assert (rig.circuit(), rig.refused()) == (Circuit.OPEN, 10.0)
    rig.now += 10.0
    rig.admit()[0].succeeded()
    assert rig.circuit() is Circuit.HALF_OPEN


def test_a_probe_of_an_earlier_era_holds_no_place() -> None:
    """One that never reports back is forgotten with its era: the next one has all its places."""
    rig = Rig(BreakerRule(consecutive=1, open_for=5.0, probes=2, successes=1, slow_first_token=60.0))
    rig.probed()
    rig.fail()
    rig.now += 10.0
    assert len(rig.admit(2)) == 2
    rig.refused()


def test_an_abandoned_probe_frees_its_place_and_proves_nothing() -> None:
    """The next caller may probe; the count of successes stands where it stood."""
    rig = Rig()
    first = rig.probed()
    rig.refused()
    first.abandoned()
    assert rig.circuit() is Circuit.HALF_OPEN
    rig.admit()[0].succeeded()
    rig.admit()[0].abandoned()
    assert rig.circuit() is Circuit.HALF_OPEN
    rig.admit()[0].succeeded()
    assert rig.circuit() is Circuit.CLOSED


@pytest.mark.parametrize("failure", BLAMELESS)
def test_a_blameless_probe_frees_its_place_and_proves_nothing(failure: Failure) -> None:
    """A probe that is told "slower" or "your key" shows neither sickness nor health."""
    rig = Rig(BreakerRule(consecutive=1, open_for=5.0, probes=1, successes=1))
    rig.probed().failed(BackendError(failure, http_status=400))
    assert rig.circuit() is Circuit.HALF_OPEN
    rig.breaker.key_renewed()
    rig.admit()[0].succeeded()
    assert rig.circuit() is Circuit.CLOSED


# -- Closed -----------------------------------------------------------------------------------------------------------


def test_it_opens_at_the_failure_that_is_one_too_many() -> None:
    """Consecutive failures, counted exactly; a success in between starts anew."""
    rig = Rig()
    rig.fail(2)
    rig.admit()[0].succeeded()
    rig.fail(2)
    assert (rig.circuit(), rig.breaker.retry_after) == (Circuit.CLOSED, 0.0)
    rig.fail()
    assert (rig.circuit(), rig.breaker.retry_after) == (Circuit.OPEN, 5.0)


def test_fifty_losers_leave_no_mark() -> None:
    """Abandoned attempts neither count as failures nor, as pybreaker's exclusions do, as successes."""
    rig = Rig()
    rig.fail(2)
    for permit in rig.admit(50):
        permit.abandoned()
    assert (rig.circuit(), rig.counted) == (Circuit.CLOSED, 2)
    rig.fail()
    assert rig.circuit() is Circuit.OPEN


@pytest.mark.parametrize("failure", BLAMELESS)
def test_a_failure_not_to_blame_is_neutral(failure: Failure) -> None:
    """Bad requests, keys, quotas and limits neither open a circuit nor forgive what it has counted."""
    rig = Rig()
    rig.fail(2)
    for permit in rig.admit(50):
        permit.failed(BackendError(failure, http_status=429))
    assert (rig.circuit(), rig.counted) == (Circuit.CLOSED, 2)


def test_cancelled_tasks_are_not_failures() -> None:
    """A task cancelled around its attempt gets CancelledError, never a breaker's error, and counts for nothing."""
    rig = Rig(BreakerRule(consecutive=1))

    async def attempt() -> None:
        permit = rig.breaker.admit()
        settled = False
        try:
            await asyncio.sleep(3600)
            settled = True
        finally:
            if not settled:
                permit.abandoned()

    async def main() -> list[BaseException | None]:
        tasks = [asyncio.create_task(attempt()) for _ in range(5)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(end) for end in asyncio.run(main())] == [asyncio.CancelledError] * 5
    assert (rig.circuit(), rig.counted, rig.told) == (Circuit.CLOSED, 0, [])


# -- Clock ------------------------------------------------------------------------------------------------------------


def test_the_clock_is_the_one_that_was_given() -> None:
    """Nothing waits for the wall clock, and nothing is moved by it: fractions of a second are kept."""
    rig = Rig(BreakerRule(consecutive=1, open_for=0.2, probes=1, successes=1))
    rig.tripped()
    assert rig.refused() == pytest.approx(0.2)
    rig.now += 0.15
    assert rig.refused() == pytest.approx(0.05)
    rig.now += 0.05
    rig.admit()
    assert rig.circuit() is Circuit.HALF_OPEN


def test_only_asking_opens_it_halfway() -> None:
    """Time alone changes no state, so no event is told that nobody caused; the wait never goes below 0."""
    rig = Rig()
    rig.tripped()
    rig.now += 1000.0
    assert (rig.circuit(), rig.breaker.retry_after, rig.told) == (Circuit.OPEN, 0.0, [Circuit.OPEN])


# -- What is told -----------------------------------------------------------------------------------------------------


def test_the_new_state_is_told_once() -> None:
    """Pybreaker calls its listeners while `current_state` is still the old one; ours hear what is true from now on."""
    rig = Rig()
    assert rig.told == []
    rig.probed().succeeded()
    assert rig.told == [Circuit.OPEN, Circuit.HALF_OPEN]
    rig.admit()[0].succeeded()
    assert rig.told == [Circuit.OPEN, Circuit.HALF_OPEN, Circuit.CLOSED]


def test_a_refusal_says_how_long() -> None:
    """The error names the backend and the seconds; it is no pybreaker error, so nobody else need know pybreaker."""
    rig = Rig()
    rig.tripped()
    rig.now += 2.0
    with pytest.raises(CircuitOpen, match="the circuit of a is open") as refusal:
        rig.breaker.admit()
    assert refusal.value.retry_after == 3.0
    assert not isinstance(refusal.value, pybreaker.CircuitBreakerError)


def test_a_failure_is_not_thrown_at_whoever_reports_it() -> None:
    """Pybreaker hands failures back, and its own error at the trip; reporting returns quietly."""
    rig = Rig()
    permits = rig.admit(4)
    for permit in permits:
        permit.failed(SICK)
    assert rig.circuit() is Circuit.OPEN


def test_circuits_of_many_backends() -> None:
    """Each backend has its own, by its own rule; those not closed are listed."""
    told: list[tuple[str, Circuit]] = []
    backends = [
        Backend("a", "scripted", "m", "m", breaker=BreakerRule(consecutive=1)),
        Backend("b", "scripted", "m", "m", breaker=BreakerRule(consecutive=2)),
    ]
    breakers = Breakers(backends, lambda: 0.0, lambda name, circuit: told.append((name, circuit)))
    assert breakers.circuits() == {}
    for name in "ab":
        breakers[name].admit().failed(SICK)
    assert breakers.circuits() == {"a": Circuit.OPEN}
    assert told == [("a", Circuit.OPEN)]
    held = breakers.circuits()
    breakers["b"].admit().failed(SICK)
    breakers["a"].force(Forced.CLOSED)
    assert (held, breakers.circuits()) == ({"a": Circuit.OPEN}, {"b": Circuit.OPEN})  # plans keep what they were given
