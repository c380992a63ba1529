"""The best delay and probability: as good as trying everything, and what the paper's own examples have."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from quickthorn_server.execution.hedging.optimum import Rule, best_rule
from quickthorn_server.execution.hedging.survival import EDGES, Curve, Survival, bin_of

Draw = Callable[[random.Random], float]


def curve(draw: Draw, count: int = 40_000, seed: int = 1) -> Curve:
    dice, made = random.Random(seed), Survival(1e9)
    for _ in range(count):
        made.add(bin_of(draw(dice)), True)
    return made.curve()


def bhope(dice: random.Random) -> float:
    """Lognormal, mean 5 ms and standard deviation 2 ms; ten times that with probability 5 %."""
    spread = math.log(1 + (2 / 5) ** 2)
    return dice.lognormvariate(math.log(0.005) - spread / 2, math.sqrt(spread)) * (10 if dice.random() < 0.05 else 1)


def stall(share: float) -> Draw:
    return lambda dice: dice.uniform(5, 60) if dice.random() < share else dice.lognormvariate(math.log(0.25), 0.35)


def late(first: Curve, others: list[Curve], rule: Rule, within: float) -> float:
    """Return the share of calls that a rule leaves without a word *within* so many seconds."""
    unanswered = 1.0
    for number, other in enumerate(others[: rule.lanes - 1], 1):
        unanswered *= other.beyond(within - number * rule.delay)
    return first.beyond(within) * (1 - rule.probability * (1 - unanswered))


@pytest.mark.parametrize(
    ("draw", "budget", "seconds", "delay", "probability"),
    [
        (bhope, 0.02, 0.0489, 0.0417, 0.66),
        (bhope, 0.05, 0.0204, 0.0122, 0.90),
        (bhope, 0.089, 0.0160, 0.0090, 1.0),
        (stall(0.02), 0.02, 0.89, 0.57, 0.70),
        (stall(0.05), 0.05, 1.03, 0.616, 0.91),
    ],
)
def test_known_optima_are_found(draw: Draw, budget: float, seconds: float, delay: float, probability: float) -> None:
    """The figures that others have computed for these populations, to what 40,000 draws tell of them."""
    known = curve(draw)
    rule = best_rule(known, [known], target=0.99, budget=budget)
    assert rule is not None
    assert rule.within == pytest.approx(seconds, rel=0.05)
    assert rule.delay == pytest.approx(delay, rel=0.08)
    assert rule.probability == pytest.approx(probability, abs=0.06)


@pytest.mark.parametrize("seed", range(12))
def test_no_delay_and_no_lot_do_better(seed: int) -> None:
    """On small random samples no delay at any bin gives a smaller time, and the rule keeps what it promises."""
    dice = random.Random(seed)
    shape = dice.uniform(0.3, 1.5)
    first = curve(lambda dice: dice.lognormvariate(0, shape) + (dice.random() < 0.1) * dice.uniform(0, 50), 200, seed)
    other = curve(lambda dice: dice.lognormvariate(0.3, 0.5), 200, seed + 100)
    budget, target = dice.choice([0.02, 0.05, 0.2, 1.0]), dice.choice([0.9, 0.95, 0.99])
    rule = best_rule(first, [other], target=target, budget=budget)
    without = first.reaches(1 - target)
    best = without
    for delay in (0.0, *EDGES[first.lowest : first.highest]):
        most = Rule(delay, min(1.0, budget / max(first.beyond(delay), 1e-9)), 2, 0.0)
        found = [each for each in EDGES if delay <= each < best and late(first, [other], most, each) <= 1 - target]
        best = min(found, default=best)
    found_within = without if rule is None else rule.within
    assert found_within <= best * 1.011  # a bin
    if rule is not None:
        assert late(first, [other], rule, rule.within * 1.0001) <= 1 - target + 1e-9
        assert rule.probability * first.beyond(rule.delay) <= budget * (1 + 1e-9)


def test_a_third_lane_pays_where_two_are_slow_too_often() -> None:
    """With 10 % slow, two lanes leave 1 % slow at best and three 0.1 %: for p99.5 three are needed."""
    known = curve(lambda dice: 2.0 if dice.random() < 0.1 else 0.004)
    rule = best_rule(known, [known, known], target=0.995, budget=0.12)
    assert rule is not None
    assert rule.lanes == 3
    assert rule.within < 0.05
    two = best_rule(known, [known], target=0.995, budget=0.12)
    assert two is None or two.within >= 1.9


def test_what_is_not_rescued_is_not_believed_in() -> None:
    """Were only half of the rescues true, another rule is best; were none, no rule is."""
    known = curve(stall(0.02))
    whole = best_rule(known, [known], target=0.99, budget=0.05)
    half = best_rule(known, [known], target=0.985, budget=0.05, trust=0.5)
    assert whole is not None
    assert half is not None
    assert half.within < 5 < known.reaches(0.015)
    assert best_rule(known, [known], target=0.99, budget=0.05, trust=0.0) is None


def test_a_light_tail_gains_next_to_nothing() -> None:
    """Lognormal, sigma 0.35: 10 % of extra lanes buy 3 % at most."""
    known = curve(stall(0.0))
    rule = best_rule(known, [known], target=0.99, budget=0.10)
    assert rule is None or rule.within > 0.95 * known.reaches(0.01)


def test_nothing_known_is_no_rule() -> None:
    """An empty curve has no best delay."""
    nothing = Curve(0, (), 0.0)
    assert best_rule(nothing, [nothing], target=0.99, budget=0.1) is None
