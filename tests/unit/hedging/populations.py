"""Populations of lanes for scenarios: what others have measured with, and what providers were measured to take."""

from __future__ import annotations

import csv
import math
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from quickthorn_server.simulation.engine import Outcome, Policy, Row, simulate

Draw = Callable[[random.Random], float]

MEASURED = Path(__file__).resolve().parents[4] / "shared" / "data" / "latency"
needs_data = pytest.mark.skipif(not MEASURED.is_dir(), reason=f"{MEASURED} holds the measured times, and is not here")


def bhope(dice: random.Random) -> float:
    """Lognormal, mean 5 ms and standard deviation 2 ms; ten times that with probability 5 % (bhope/hedge's README)."""
    spread = math.log(1 + (2 / 5) ** 2)
    return dice.lognormvariate(math.log(0.005) - spread / 2, math.sqrt(spread)) * (10 if dice.random() < 0.05 else 1)


def stall(share: float) -> Draw:
    """Lognormal, median 250 ms and sigma 0.35; so many hang for 5 to 60 s."""
    return lambda dice: dice.uniform(5, 60) if dice.random() < share else dice.lognormvariate(math.log(0.25), 0.35)


def grpc_java(dice: random.Random) -> float:
    """grpc-java's hedging example: 1 % take 10 s, 4 % take 5 s and 5 % take 2 s longer."""
    fate = dice.random()
    slow = 10.0 if fate < 0.01 else 5.0 if fate < 0.05 else 2.0 if fate < 0.10 else 0.0
    return slow + dice.lognormvariate(math.log(0.004), 0.3)


@cache
def _times(provider: str, size: str) -> Sequence[float]:
    with (MEASURED / "llmperf_requests.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if (row["provider"], row["model_size"]) == (provider, size)]
    return sorted(math.log(float(row["ttft_s"])) for row in rows if float(row["ttft_s"]) > 0)


def measured(provider: str, size: str) -> Draw:
    """Draw from 150 measured times, between them straight in the logarithm."""
    times = _times(provider, size)

    def draw(dice: random.Random) -> float:
        place = min(max(dice.random() * len(times) - 0.5, 0.0), len(times) - 1.001)
        low = int(place)
        return math.exp(times[low] + (times[low + 1] - times[low]) * (place - low))

    return draw


def rows(
    count: int, *lanes: Draw, seed: int = 1, rate: float = 1_000.0, slow: Callable[[float], float] | None = None
) -> list[Row]:
    """Return calls at *rate* a second; *slow*: by how much lanes that start at an instant are slower."""
    dice, now, made = random.Random(seed), 0.0, list[Row]()
    for _ in range(count):
        now += dice.expovariate(rate)
        factor = 1.0 if slow is None else slow(now)
        made.append(Row(now, 550, tuple(factor * lane(dice) for lane in lanes)))
    return made


def played(calls: Sequence[Row], policy: Policy, budget: float, lanes: int = 2) -> list[Outcome]:
    return simulate(calls, policy, budget=budget, burst=50, max_parallel=lanes, seed=1)


def percentile(times: Sequence[float], share: float) -> float:
    """Return the order statistic ceil(share n)."""
    return sorted(times)[math.ceil(share * len(times) - 1e-9) - 1]


def latencies(outcomes: Sequence[Outcome]) -> list[float]:
    return [each.latency for each in outcomes]


def in_window(instants: Sequence[float], window: float) -> int:
    """Return how many of ordered *instants* lie in any *window* seconds, at most."""
    return max(bisect_right(instants, each + window) - place for place, each in enumerate(instants))
