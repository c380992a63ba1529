"""Purses: exact over every run, fed by first attempts, never by time."""

from __future__ import annotations

import random
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.catalogue import BreakerRule, BudgetRule
from quickthorn_server.core.failures import Failure
from quickthorn_server.core.request import Priority
from quickthorn_server.execution.purses import Purse
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import Cast, Step, fails, says, silent
from tests.support.virtual import run_virtual

_shares = st.integers(1, 3000).map(lambda thousandths: thousandths / 1000)


@given(_shares, st.integers(1, 60), st.lists(st.integers(0, 4), max_size=400))
def test_no_run_of_calls_spends_more_than_its_share_and_the_burst(share: float, burst: int, wishes: list[int]) -> None:
    """For every run of n calls, wherever it begins: paid <= share * n + burst."""
    purse = Purse(share, burst)
    paid = []
    for wish in wishes:
        purse.feed()
        count = 0
        while count < wish and purse.pays:
            purse.pay()
            count += 1
        paid.append(count)
    # Over a run from i to j: sum(paid) - share * (j - i) <= burst; the worst run is a prefix minus its deepest dip.
    drift = [0.0, *accumulate(count - share for count in paid)]
    worst = max(high - min(drift[: place + 1]) for place, high in enumerate(drift))
    assert worst <= burst + 1e-6


@given(st.integers(1, 40), st.integers(1, 12), st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=200))
def test_late_payments_are_counted_with_their_calls_too(share: int, burst: int, wishes: list[tuple[bool, int]]) -> None:
    """Whoever pays so many calls later: no run has more, neither of calls as they came nor of those paid for."""
    purse, due = Purse(share / 100, burst), dict[int, list[int]]()
    by_call, as_sent = [0] * len(wishes), [0] * (len(wishes) + 31)
    for now in range(len(as_sent)):
        if now < len(wishes):
            wants, later = wishes[now]
            number = purse.feed()
            if wants:
                due.setdefault(now + later, []).append(number)
        for number in due.pop(now, ()):
            if purse.pays_for(Priority.CRITICAL, number):
                purse.pay(number)
                by_call[number - 1] += 1
                as_sent[now] += 1
    for paid in (by_call, as_sent[: len(wishes)]):
        drift = [0.0, *accumulate(count - share / 100 for count in paid)]
        assert max(high - low for high, low in zip(drift, accumulate(drift, min), strict=True)) <= burst + 1e-6


def test_who_pays_late_pays_from_what_there_was() -> None:
    """Two calls have spent a burst of two; what comes in afterwards does not pay for one that began before them."""
    purse = Purse(0.25, 2)
    calls = [purse.feed() for _ in range(3)]
    purse.pay(calls[1])
    purse.pay(calls[2])
    assert purse.held_by(calls[0]) == 2_000_000
    for _ in range(8):
        purse.feed()
    assert purse.pays
    assert not purse.pays_for(Priority.CRITICAL, calls[0])
    with pytest.raises(ValueError, match="empty"):
        purse.pay(calls[0])


def test_a_million_calls_add_up_exactly() -> None:
    """5 % of 1,000,000 first attempts are 50,000 requests, and the burst, to the last one."""
    purse, paid = Purse(0.05, 50), 0
    for _ in range(1_000_000):
        purse.feed()
        if purse.pays:
            purse.pay()
            paid += 1
    # It begins full; what a full purse is fed is lost, so the burst is spent first and every share after it counts.
    assert paid == 50_000 + 50 - 1


@pytest.mark.parametrize("burst", [1, 50])
def test_a_share_of_nothing_switches_it_off(burst: int) -> None:
    """0 % pays for nothing, not even from the burst."""
    purse = Purse(0.0, burst)
    purse.feed()
    assert (purse.pays, purse.held) == (False, 0)
    with pytest.raises(ValueError, match="empty"):
        purse.pay()


def test_it_never_holds_more_than_the_burst() -> None:
    """A quiet night does not save up for a storm."""
    purse = Purse(1.0, 3)
    for _ in range(1000):
        purse.feed()
    assert purse.held == 3_000_000


def test_hedges_of_a_route_keep_to_their_purse() -> None:
    """Over 1,000 calls whose primary is always slow: 5 % and the burst are hedged, the others wait, none fails."""

    async def main() -> tuple[list[int], list[str]]:
        budget = BudgetRule(hedges=0.05, burst=10)
        cast = Cast(budget=budget, a=Scripted(says("A", after=1.0)), b=Scripted(says("X")))
        lanes, reasons = [], []
        for _ in range(1_000):
            assert (await cast.streamed(cast.plan(delay=0.25))).error is None
            lanes.append(len(cast.lanes()) - 1)
            reasons.append(cast.trace.no_hedge)
        return lanes, reasons

    hedged, reasons = run_virtual(main())
    drift = [0.0, *accumulate(count - 0.05 for count in hedged)]
    assert max(high - min(drift[: place + 1]) for place, high in enumerate(drift)) <= 10 + 1e-6
    assert 50 <= sum(hedged) <= 60
    assert {reason for reason, count in zip(reasons, hedged, strict=True) if not count} == {
        "the purse for hedges is empty"
    }
    assert {reason for reason, count in zip(reasons, hedged, strict=True) if count} == {""}


def test_one_bad_provider_of_three_fails_no_call() -> None:
    """A primary that fails 30 % of its calls for ever costs failovers, which are free, and not one failed call."""
    dice = random.Random(7)

    async def main() -> tuple[int, float]:
        replies: list[list[Step]] = [
            fails(Failure.UNAVAILABLE, 0.01, http_status=500) if dice.random() < 0.3 else says("A")
            for _ in range(2_000)
        ]
        rule, budget = BreakerRule(), BudgetRule()
        cast = Cast(rule=rule, budget=budget, a=Scripted(*replies), b=Scripted(says("B")), c=Scripted(says("C")))
        failed = sum([(await cast.streamed(cast.plan())).error is not None for _ in range(2_000)])
        return failed, cast.purses.levels("default").retries

    failed, retries = run_virtual(main())
    assert failed == 0
    assert retries == 20.0


def test_a_total_outage_costs_little_more_than_one_attempt_a_call() -> None:
    """Once each backend's failures are known, all down is at most 1.10 attempts a call, circuits held closed."""

    async def main() -> float:
        down = [Scripted(fails(Failure.UNAVAILABLE, 0.01, http_status=500)) for _ in range(3)]
        # A circuit that never opens: the purses alone must hold.
        rule = BreakerRule(consecutive=10_000_000, failure_rate=1.01, min_calls=10, window=1e6)
        cast = Cast(rule=rule, budget=BudgetRule(), a=down[0], b=down[1], c=down[2])
        asked = []
        for _ in range(2_000):
            assert (await cast.streamed(cast.plan())).error is not None
            asked.append(len(cast.lanes()))
        return sum(asked[300:]) / len(asked[300:])  # the burst of 20 is gone by then

    assert run_virtual(main()) <= 1.10 + 1e-3


def test_an_empty_purse_touches_neither_first_attempts_nor_running_lanes() -> None:
    """With nothing to spend every call is still asked, at once, and waits as long as its lane takes."""

    async def main() -> list[tuple[float, int]]:
        cast = Cast(budget=BudgetRule(hedges=0.0, retries=0.0), a=Scripted(says("A", after=3.0)), b=Scripted(silent()))
        seen = []
        for _ in range(5):
            played = await cast.streamed(cast.plan(delay=0.1))
            seen.append((round(played.at[0] - cast.scripts["a"].opened_at[-1], 6), len(cast.lanes())))
        return seen

    assert run_virtual(main()) == [(3.0, 1)] * 5
