"""Purses: exact over every run, fed by first attempts, never by time."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.execution.purses import Purse

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
    assert (purse.pays, purse.level) == (False, 0.0)
    with pytest.raises(ValueError, match="empty"):
        purse.pay()


def test_it_never_holds_more_than_the_burst() -> None:
    """A quiet night does not save up for a storm."""
    purse = Purse(1.0, 3)
    for _ in range(1000):
        purse.feed()
    assert purse.level == 3.0
