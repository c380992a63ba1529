"""Calls in virtual time: exact instants, the purse's bound over every run, and nobody knows what is to come."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import accumulate

import pytest

from quickthorn_server.simulation import policies
from quickthorn_server.simulation.engine import Outcome, Policy, Row, simulate


def played(rows: Sequence[Row], policy: Policy, budget: float = 1.0, burst: int = 50, lanes: int = 2) -> list[Outcome]:
    return simulate(rows, policy, budget=budget, burst=burst, max_parallel=lanes, seed=1)


def stalls(count: int, seed: int = 4, lanes: int = 2, rate: float = 1_000.0, share: float = 0.05) -> list[Row]:
    dice, now, rows = random.Random(seed), 0.0, list[Row]()
    for _ in range(count):
        now += dice.expovariate(rate)
        times = [
            dice.uniform(5, 60) if dice.random() < share else dice.lognormvariate(math.log(0.25), 0.35)
            for _ in range(lanes)
        ]
        rows.append(Row(now, dice.randint(1, 4_000), tuple(times)))
    return rows


@pytest.mark.parametrize(
    ("lanes", "hedged", "latency"),
    [
        ((0.2, 9.0), 0, 0.2),
        ((0.3, 9.0), 0, 0.3),  # it speaks in the instant in which another lane would start
        ((0.4, 9.0), 1, 0.4),
        ((2.0, 0.5), 1, 0.8),
        ((0.8, 0.5), 1, 0.8),
    ],
)
def test_instants_are_exact(lanes: tuple[float, float], hedged: int, latency: float) -> None:
    """The second lane starts after 0.3 s of silence, and whoever speaks first ends the race."""
    [outcome] = played([Row(5.0, 10, lanes)], policies.fixed(0.3))
    assert (outcome.delay, outcome.hedged, outcome.reason) == (0.3, hedged, "fixed 0.3s")
    assert outcome.latency == pytest.approx(latency)


@pytest.mark.parametrize(
    ("lanes", "hedged", "latency"),
    [((9.0, 9.0, 9.0, 9.0), 3, 9.0), ((9.0, 0.2, 0.1, 0.1), 1, 0.5), ((9.0, 0.4, 0.1, 9.0), 2, 0.7)],
)
def test_up_to_four_lanes(lanes: tuple[float, ...], hedged: int, latency: float) -> None:
    """Each further one starts after another delay in which nobody has spoken."""
    [outcome] = played([Row(0.0, 10, lanes)], policies.fixed(0.3), lanes=4)
    assert outcome.hedged == hedged
    assert outcome.latency == pytest.approx(latency)


def test_without_hedging_lanes_run_alone() -> None:
    """`none` starts nothing."""
    rows = stalls(200)
    assert [each.latency for each in played(rows, policies.none())] == [row.lanes[0] for row in rows]
    assert all(each.delay is None and not each.hedged for each in played(rows, policies.none()))


def test_an_empty_purse_starts_nothing_and_says_so() -> None:
    """Ten at once of which one tenth is kept back, and then one call in ten."""
    rows = [Row(float(number), 10, (0.5, 0.1)) for number in range(100)]
    outcomes = played(rows, policies.fixed(0.2), budget=0.1, burst=10)
    hedged = [number for number, each in enumerate(outcomes) if each.hedged]
    assert hedged == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert {each.reason for each in outcomes if not each.hedged} == {"the purse for hedges is empty"}
    assert {each.latency for each in outcomes if not each.hedged} == {0.5}


@pytest.mark.parametrize("policy", [policies.auto(0.99), policies.fixed(3.0), policies.percentile(0.9)])
@pytest.mark.parametrize("lanes", [2, 3])
def test_no_run_of_calls_has_more_hedges_than_its_share_and_the_burst(policy: Policy, lanes: int) -> None:
    """For every run of n consecutive calls, however long their delays: hedges <= budget n + burst."""
    outcomes = played(stalls(6_000, lanes=lanes), policy, budget=0.05, lanes=lanes)
    level = [0.0, *accumulate(each.hedged - 0.05 for each in outcomes)]
    lowest = list(accumulate(level, min))
    assert max(high - low for high, low in zip(level, lowest, strict=True)) <= 50 + 1e-6
    assert sum(each.hedged for each in outcomes) > 50


@pytest.mark.parametrize("policy", [policies.auto(0.99), policies.percentile(0.95)], ids=["auto", "p95"])
@pytest.mark.parametrize("cut", [700, 2_000, 3_500])
def test_nothing_is_known_of_what_is_to_come(policy: Policy, cut: int) -> None:
    """With all later rows replaced by others, earlier decisions stay as they were."""
    rows, others = stalls(4_000), stalls(4_000, seed=77)
    moved = [row._replace(arrival=row.arrival + rows[cut].arrival) for row in others]
    before, after = played(rows, policy, 0.05), played(rows[:cut] + moved, policy, 0.05)
    assert [(each.delay, each.reason) for each in before[:cut] if each.hedged == 0] == [
        (each.delay, each.reason) for each, old in zip(after[:cut], before[:cut], strict=True) if old.hedged == 0
    ]
    assert [each.delay for each in before[:cut]] == [each.delay for each in after[:cut]]


def test_calls_at_the_end_of_a_log_are_hedged_as_those_before() -> None:
    """The rows are over, the traffic they are taken from is not: delays of seconds do not find an empty purse."""
    outcomes = played(stalls(12_000), policies.fixed(8.0), budget=0.05)
    assert sum(each.hedged for each in outcomes[-2_000:]) == pytest.approx(95, abs=20)


def test_progress_is_told() -> None:
    """Every ten thousand rows."""
    seen: list[int] = []
    simulate(stalls(20_001), policies.none(), budget=0.1, burst=5, max_parallel=2, seed=0, progress=seen.append)
    assert seen == [0, 10_000, 20_000]


def test_no_rows_no_outcomes() -> None:
    """An empty log plays."""
    assert played([], policies.auto(0.99)) == []
