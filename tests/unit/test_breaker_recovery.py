"""Circuits: how long they stay open, who probes, and what an operator may force."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from quickthorn_server.core.catalogue import BreakerRule
from quickthorn_server.core.plan import Circuit, Forced
from quickthorn_server.execution.backoff import Backoff
from quickthorn_server.execution.breakers import Breaker
from tests.support.circuit import RULE, SICK, Rig

# -- How long ---------------------------------------------------------------------------------------------------------


def test_each_opening_doubles_up_to_five_minutes() -> None:
    """A backend that stays dead is probed less and less, but never less than every 300 s."""
    backoff = Backoff(BreakerRule(open_for=5.0), None)
    assert [backoff.opened(0.0) for _ in range(9)] == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_an_opening_longer_than_that_stays_what_it_is() -> None:
    """Ten minutes, asked for, are ten minutes."""
    backoff = Backoff(BreakerRule(open_for=600.0), None)
    assert [backoff.opened(0.0) for _ in range(3)] == [600.0, 600.0, 600.0]


@pytest.mark.parametrize(("held", "next_"), [(9.9, 40.0), (10.0, 20.0), (25.0, 10.0), (30.0, 5.0), (1e6, 5.0)])
def test_each_window_spent_closed_takes_one_doubling_back(held: float, next_: float) -> None:
    """A circuit that flaps is trusted as little as one that never closed; one that held is trusted again."""
    backoff = Backoff(BreakerRule(open_for=5.0, window=10.0), None)
    for _ in range(3):
        backoff.opened(50.0)
    backoff.closed(100.0)
    assert backoff.opened(100.0 + held) == next_


def test_an_outage_of_days_decays_like_one_of_minutes() -> None:
    """Doublings that change nothing any more are not counted."""
    backoff = Backoff(BreakerRule(open_for=5.0, window=10.0), None)
    for _ in range(1000):
        backoff.opened(0.0)
    backoff.closed(0.0)
    assert backoff.opened(60.0) == 5.0


def test_jitter_is_fifteen_percent_either_way() -> None:
    """Replicas that opened together do not probe together."""
    dice = random.Random(7)
    times = [Backoff(BreakerRule(open_for=100.0), dice).opened(0.0) for _ in range(2000)]
    assert 85.0 <= min(times) < 86.0
    assert 114.0 < max(times) <= 115.0
    assert sum(times) / len(times) == pytest.approx(100.0, abs=1.0)


def test_the_breaker_waits_as_long_as_was_drawn() -> None:
    """What it refuses with, and what the snapshot says, is the jittered time."""
    rig = Rig(random_=random.Random(3)).tripped()
    drawn = 5.0 * random.Random(3).uniform(0.85, 1.15)
    assert rig.refused() == pytest.approx(drawn)
    assert rig.breaker.snapshot().opened_for == pytest.approx(drawn)


def test_whoever_is_told_of_an_opening_may_ask_how_long() -> None:
    """The wait is known before the state is told, though pybreaker's own state is still the old one."""
    waits: list[float] = []
    breaker = Breaker("a", RULE, lambda: 7.0, lambda *_: waits.append(breaker.retry_after))
    for permit in [breaker.admit() for _ in range(3)]:
        permit.failed(SICK)
    breaker.force(Forced.CLOSED)
    breaker.force(Forced.OPEN)
    assert waits == [5.0, 0.0, 5.0]


# -- Who probes -------------------------------------------------------------------------------------------------------


def test_a_probe_that_hangs_loses_its_place() -> None:
    """After max(open, slow_first_token) without a word the next caller may probe; before, nobody."""
    rig = Rig(replace(RULE, slow_first_token=8.0))
    hung = rig.probed()
    rig.now += 7.9
    rig.refused()
    rig.now += 0.1
    second = rig.admit()[0]
    rig.refused()
    hung.abandoned()  # it no longer has a place to give back
    rig.refused()
    second.succeeded()
    rig.admit()[0].succeeded()
    assert rig.circuit() is Circuit.CLOSED


def test_a_hung_probe_that_fails_at_last_still_speaks_of_this_era() -> None:
    """It lost its place, not its voice: the backend is not well."""
    rig = Rig()
    hung = rig.probed()
    rig.now += 8.0
    rig.admit()[0].succeeded()
    hung.failed(SICK)
    assert rig.circuit() is Circuit.OPEN


# -- What an operator forces ------------------------------------------------------------------------------------------


def test_forced_open_refuses_until_let_go() -> None:
    """No time opens it, the advice is finite, and letting go probes at once."""
    rig = Rig()
    out = rig.admit()[0]
    rig.breaker.force(Forced.OPEN)
    rig.now += 1e6
    assert (rig.refused(), rig.circuit(), rig.breaker.snapshot().forced) == (5.0, Circuit.OPEN, Forced.OPEN)
    out.succeeded()
    rig.breaker.force(Forced.AUTO)
    rig.admit()[0].succeeded()
    rig.admit()[0].succeeded()
    assert rig.told == [Circuit.OPEN, Circuit.HALF_OPEN, Circuit.CLOSED]


def test_forced_closed_counts_and_does_not_open() -> None:
    """Failures are seen, not acted upon; let go, it starts from nothing."""
    rig = Rig()
    rig.tripped()
    rig.breaker.force(Forced.CLOSED)
    rig.fail(50)
    rig.abandon(50, 60.0)
    assert (rig.circuit(), rig.breaker.snapshot().failure_rate) == (Circuit.CLOSED, 0.5)
    rig.breaker.force(Forced.AUTO)
    assert (rig.counted, rig.outcomes) == (0, 0)
    rig.fail(2)
    assert rig.circuit() is Circuit.CLOSED
    rig.fail()
    assert rig.told == [Circuit.OPEN, Circuit.CLOSED, Circuit.OPEN]


def test_forcing_what_is_says_nothing_new() -> None:
    """Health and events hear of changes only; an operator's opening is no reopening."""
    rig = Rig()
    rig.breaker.force(Forced.AUTO)
    rig.breaker.force(Forced.CLOSED)
    rig.breaker.force(Forced.CLOSED)
    assert rig.told == []
    rig.breaker.force(Forced.OPEN)
    rig.breaker.force(Forced.OPEN)
    rig.breaker.force(Forced.CLOSED)
    assert rig.told == [Circuit.OPEN, Circuit.CLOSED]
    rig.breaker.force(Forced.AUTO)
    rig.tripped()
    assert rig.refused() == 5.0


def test_auto_again_moves_no_opening() -> None:
    """Saying "auto" to a circuit that is open by itself does not cut its time short."""
    rig = Rig().tripped()
    rig.now += 1.0
    rig.breaker.force(Forced.AUTO)
    assert rig.refused() == 4.0
