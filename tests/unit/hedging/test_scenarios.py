"""Scenarios with figures to reach: R1 to R5 of what others measured, and what must be left alone."""

from __future__ import annotations

import random

import pytest

from quickthorn_server.simulation import policies
from quickthorn_server.simulation.engine import Row
from tests.unit.hedging.populations import (
    bhope,
    grpc_java,
    in_window,
    latencies,
    measured,
    needs_data,
    percentile,
    played,
    rows,
    stall,
)

pytestmark = pytest.mark.slow


def test_r1_grpc_javas_example() -> None:
    """2,000 calls from a cold start, a tenth of them slow by seconds: p95 within 30 ms, p99 within 60 ms, for 11.1 %.

    gRPC's own policy for it costs 11.0 % and has 1,004 and 2,002 ms.  It takes 11 % on average to come within 60 ms, so
    in some runs more are slow than can be paid for: of ten, eight must do it.
    """
    within = 0
    for seed in range(1, 11):
        outcomes = played(rows(2_000, grpc_java, grpc_java, grpc_java, seed=seed), policies.auto(0.99), 0.111, lanes=3)
        assert sum(each.hedged for each in outcomes) <= 0.111 * 2_000 + 50
        assert percentile(latencies(outcomes), 0.95) <= 0.030
        within += percentile(latencies(outcomes), 0.99) <= 0.060
    assert within >= 8


@pytest.mark.parametrize(("budget", "limit"), [(0.02, 0.0504), (0.05, 0.022), (0.089, 0.017)])
def test_r2_stragglers(budget: float, limit: float) -> None:
    """50,000 calls, 5 % ten times as slow: p99 within 5 % of the optimum (48.9, 20.4, 16.0 ms), cold start included."""
    outcomes = played(rows(50_000, bhope, bhope), policies.auto(0.99), budget)
    assert percentile(latencies(outcomes), 0.99) <= limit


@pytest.mark.parametrize(("target", "limit"), [(0.99, 1.0), (0.999, 1.6)])
def test_r3_stalls(target: float, limit: float) -> None:
    """2 % of calls hang for 5 to 60 s, 2 % of hedges: p99 within 1.0 s, or p99.9 within 1.6 s, as is aimed at."""
    outcomes = played(rows(80_000, stall(0.02), stall(0.02)), policies.auto(target), 0.02)
    assert percentile(latencies(outcomes[40_000:]), target) <= limit


@needs_data
@pytest.mark.parametrize("provider", ["groq", "anyscale"])
def test_r4_light_tails_are_left_alone(provider: str) -> None:
    """Providers whose p99 is near their median: 0.5 % of hedges at most, whatever the budget."""
    draw = measured(provider, "70b")
    calls = rows(40_000, draw, draw)
    outcomes = played(calls, policies.auto(0.99), 0.10)
    assert sum(each.hedged for each in outcomes) <= 0.005 * len(calls)
    for share in (0.5, 0.99):
        alone = percentile([row.lanes[0] for row in calls], share)
        assert percentile(latencies(outcomes), share) <= 1.01 * alone


def test_r5_a_brown_out_is_not_made_worse() -> None:
    """Both lanes twenty times as slow for 20 s: at most 1.10 attempts a call in any five seconds, burst included."""
    calls = rows(60_000, stall(0.02), stall(0.02), slow=lambda now: 20.0 if 30 <= now < 50 else 1.0)
    outcomes = played(calls, policies.auto(0.99), 0.05)
    hedged = sorted(
        row.arrival + each.delay for row, each in zip(calls, outcomes, strict=True) if each.hedged and each.delay
    )
    assert in_window(hedged, 5.0) <= 0.05 * 5_150 + 50
    spell = [each.hedged for row, each in zip(calls, outcomes, strict=True) if 30 <= row.arrival < 50]
    assert sum(spell) <= 0.05 * len(spell) + 50


def test_calls_that_are_large_are_not_late() -> None:
    """Where the input's size makes the difference, and both lanes have as much to read: hardly a hedge."""
    dice, now, calls = random.Random(8), 0.0, list[Row]()
    for _ in range(40_000):
        now += dice.expovariate(1_000.0)
        tokens = min(14_000, round(dice.lognormvariate(7, 1)))
        usual = 0.15 + 0.0004 * tokens
        calls.append(Row(now, tokens, (usual * dice.lognormvariate(0, 0.2), usual * dice.lognormvariate(0, 0.2))))
    outcomes = played(calls, policies.auto(0.99), 0.10)
    assert sum(each.hedged for each in outcomes[10_000:]) <= 0.005 * 30_000
    assert sum(each.hedged for each in outcomes) <= 0.01 * 40_000


def test_what_slows_both_lanes_is_left_alone() -> None:
    """Ten seconds in each two hundred everything is twenty times as slow: 1 % of hedges at most."""
    light = stall(0.0)
    calls = rows(60_000, light, light, slow=lambda now: 20.0 if 25 <= now < 35 else 1.0)
    outcomes = played(calls, policies.auto(0.99), 0.10)
    assert sum(each.hedged for each in outcomes[10_000:]) <= 0.01 * 50_000
