"""Circuits: rates over a window that slides, what is slow, and what is no outcome at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.plan import Circuit
from tests.support.circuit import RATES, SICK, STALLED, Rig

# -- Failures ---------------------------------------------------------------------------------------------------------


def test_failures_in_a_row_are_enough_however_old() -> None:
    """Five failures an hour apart open it: the window forgets them, the row does not."""
    rig = Rig(replace(RATES, consecutive=5))
    for _ in range(4):
        rig.fail()
        rig.now += 3600.0
    assert (rig.circuit(), rig.outcomes) == (Circuit.CLOSED, 0)
    rig.fail()
    assert rig.circuit() is Circuit.OPEN


def test_half_of_the_calls_are_enough() -> None:
    """From the tenth outcome on, at exactly the rate; nine outcomes prove nothing."""
    rig = Rig(RATES)
    for _ in range(4):
        rig.fail()
        rig.succeed()
    rig.fail()
    assert (rig.circuit(), rig.outcomes) == (Circuit.CLOSED, 9)
    rig.fail()
    assert rig.circuit() is Circuit.OPEN


def test_a_success_may_complete_what_is_known() -> None:
    """The rate is judged after every outcome, so the tenth opens it even where it is a success."""
    rig = Rig(RATES)
    for _ in range(5):
        rig.fail()
        rig.succeed()
    assert (rig.circuit(), rig.told) == (Circuit.OPEN, [Circuit.OPEN])


def test_fewer_than_the_rate_never_open_it() -> None:
    """A third failing for ever, evenly spread, is for failover to bear."""
    rig = Rig(RATES)
    for _ in range(1000):
        rig.fail()
        rig.succeed(2)
        rig.now += 0.05
    assert rig.circuit() is Circuit.CLOSED


def test_the_window_forgets_in_tenths() -> None:
    """An outcome counts for nine to ten tenths of the window, then not at all."""
    rig = Rig(RATES, now=100.0)
    rig.fail(9)
    rig.now = 109.9
    assert rig.outcomes == 9
    rig.now = 110.0
    assert rig.outcomes == 0
    rig.fail()
    assert (rig.circuit(), rig.outcomes) == (Circuit.CLOSED, 1)


def test_a_long_pause_forgets_everything_once() -> None:
    """However long nobody called: no bucket is emptied twice, none is left."""
    rig = Rig(RATES)
    for pause in (10.0, 19.0, 20.0, 12345.6):
        rig.succeed(3)
        rig.now += pause
        assert rig.outcomes == 0


# -- Slowness ---------------------------------------------------------------------------------------------------------


def test_slow_successes_open_it() -> None:
    """Eight of ten with first content later than the limit; at the limit is not later."""
    rig = Rig(RATES)
    rig.succeed(3, first_content=8.0)
    rig.succeed(7, first_content=8.001)
    assert (rig.circuit(), rig.breaker.snapshot().slow_rate) == (Circuit.CLOSED, 0.7)
    rig.succeed(4, first_content=30.0)
    assert rig.breaker.snapshot().slow_rate == pytest.approx(11 / 14)
    rig.succeed(1, first_content=30.0)
    assert (rig.circuit(), rig.breaker.snapshot().failure_rate) == (Circuit.OPEN, 0.0)


def test_stalls_are_slow_and_failed() -> None:
    """A lane whose limit passed counts in both rates, and once in the number of outcomes."""
    rig = Rig(replace(RATES, failure_rate=1.0))
    rig.succeed(2)
    for _ in range(7):
        rig.breaker.admit().failed(STALLED)
    seen = rig.breaker.snapshot()
    assert (seen.outcomes, seen.failure_rate, seen.slow_rate) == (9, 7 / 9, 7 / 9)
    rig.breaker.admit().failed(STALLED)
    assert rig.circuit() is Circuit.OPEN


def test_a_reply_in_one_piece_is_never_slow() -> None:
    """Its first content is its last: how long it takes says how long it is."""
    rig = Rig(RATES)
    rig.succeed(100, first_content=None)
    assert (rig.circuit(), rig.breaker.snapshot().slow_rate) == (Circuit.CLOSED, 0.0)


def test_a_slow_probe_opens_it_again() -> None:
    """It answered, so late that it proves no recovery; nor is it a step towards closing."""
    rig = Rig()
    rig.probed().succeeded(0.1)
    rig.admit()[0].succeeded(9.0)
    assert (rig.circuit(), rig.told) == (Circuit.OPEN, [Circuit.OPEN, Circuit.HALF_OPEN, Circuit.OPEN])


# -- Abandonment ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p99", "age"), [(0.5, 0.5), (0.5, 0.1), (None, 8.0), (20.0, 19.0)])
def test_ten_thousand_young_losers_leave_no_mark(p99: float | None, age: float) -> None:
    """Not older than the backend's own p99, or than `slow_first_token` while that is unknown."""
    rig = Rig(p99=p99)
    rig.fail(2)
    before = rig.breaker.snapshot()
    rig.abandon(10_000, age)
    assert (rig.breaker.snapshot(), rig.counted, rig.told) == (before, 2, [])


@pytest.mark.parametrize(("p99", "age"), [(0.5, 0.6), (None, 8.1), (20.0, 20.5)])
def test_old_losers_are_slow_outcomes(p99: float | None, age: float) -> None:
    """Each is one slow outcome, never a failure, never a success: the row of failures goes on."""
    rig = Rig(replace(RATES, consecutive=3), p99=p99)
    rig.fail(2)
    rig.abandon(7, age)
    seen = rig.breaker.snapshot()
    assert (seen.outcomes, seen.failure_rate, seen.slow_rate, rig.counted) == (9, 2 / 9, 7 / 9, 2)
    assert rig.circuit() is Circuit.CLOSED
    rig.abandon(1, age)
    assert rig.circuit() is Circuit.OPEN


def test_what_had_spoken_was_no_loser_of_silence() -> None:
    """A caller who leaves an answer half read says nothing about the backend."""
    rig = Rig(p99=0.5)
    for permit in rig.admit(100):
        permit.abandoned(None)
    assert rig.outcomes == 0


def test_an_old_probe_given_up_opens_it_again() -> None:
    """A hedge that rescues the probe of a dead backend must not leave its circuit half-open."""
    rig = Rig(p99=0.5)
    rig.probed().abandoned(0.6)
    assert rig.circuit() is Circuit.OPEN


@pytest.mark.parametrize("failure", [Failure.INTERNAL, Failure.INVALID, Failure.UNAUTHENTICATED, Failure.RATE_LIMITED])
def test_what_is_not_the_backends_fault_is_no_outcome(failure: Failure) -> None:
    """Neither in the row nor in the window."""
    rig = Rig()
    for permit in rig.admit(100):
        permit.failed(BackendError(failure))
    assert (rig.circuit(), rig.outcomes, rig.counted) == (Circuit.CLOSED, 0, 0)


# -- Health -----------------------------------------------------------------------------------------------------------


def healthy(rig: Rig) -> bool:
    """Ask anew each time."""
    return rig.breaker.history.healthy


def test_healthy_is_half_of_what_is_known() -> None:
    """Fewer than ten outcomes are no evidence; an unanswered call is no success."""
    rig = Rig(replace(RATES, failure_rate=1.0, slow_rate=1.0), p99=0.5)
    rig.fail(5)
    rig.abandon(4, 0.6)
    assert healthy(rig)
    rig.succeed()
    assert not healthy(rig)
    rig.succeed(8)
    assert healthy(rig)
    rig.fail()
    assert not healthy(rig)
    rig.now += 10.0
    assert healthy(rig)


def test_closing_forgets() -> None:
    """A circuit that has recovered is judged by what happens from then on."""
    rig = Rig(RATES)
    rig.fail(10)
    rig.now += 5.0
    rig.succeed(2)
    assert (rig.circuit(), rig.outcomes, rig.counted) == (Circuit.CLOSED, 0, 0)
    late = rig.admit()[0]
    late.failed(SICK)
    assert rig.outcomes == 1
