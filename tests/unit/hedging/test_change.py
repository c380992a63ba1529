"""Noticing that lanes take other times: soon, never by chance, and whatever was hedged meanwhile."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from quickthorn_server.execution.hedging.change import Watch
from quickthorn_server.execution.hedging.survival import Survival, bin_of

Lane = tuple[float, bool]
Draw = Callable[[random.Random], Lane]


def body(median: float = 0.25, slow: float = 0.02) -> Draw:
    def draw(dice: random.Random) -> Lane:
        return (dice.uniform(5, 60) if dice.random() < slow else dice.lognormvariate(math.log(median), 0.35)), True

    return draw


def hedged(draw: Draw, after: float, share: float) -> Draw:
    """Return lanes of which *share* are stopped by another one that starts *after* so many seconds of silence."""

    def stopped(dice: random.Random) -> Lane:
        seconds, spoke = draw(dice)
        other = after + draw(dice)[0]
        return (other, False) if seconds > other and dice.random() < share else (seconds, spoke)

    return stopped


def watched(draws: list[tuple[int, Draw]], look_every: int = 1_000, seed: int = 5) -> list[tuple[int, int]]:
    """Watch so many lanes of each draw in turn; return after which lanes a change was seen, and how many were new."""
    dice, known, watch, seen, number = random.Random(seed), Survival(40_000.0), Watch(), list[tuple[int, int]](), 0
    for count, draw in draws:
        for _ in range(count):
            seconds, spoke = draw(dice)
            number += 1
            known.add(bin_of(seconds), spoke)
            latest = watch.add(bin_of(seconds), spoke)
            if latest:
                seen.append((number, latest))
            if number % (look_every if number > look_every else 20) == 0:
                watch.compare_with(known.hazards())
    return seen


@pytest.mark.slow
def test_chance_is_not_taken_for_a_change() -> None:
    """300,000 lanes of a stable backend, 2 % of them hanging, raise no alarm."""
    assert watched([(300_000, body())]) == []


def test_what_is_hedged_does_not_matter() -> None:
    """Lanes that are stopped at other times, or not any more, are no change of theirs."""
    policies = [hedged(body(), 0.5, 0.9), hedged(body(), 0.2, 0.3), body(), hedged(body(), 0.05, 1.0)]
    assert watched([(10_000, each) for each in policies]) == []


@pytest.mark.parametrize(
    ("after", "within"),
    [(body(1.0), 96), (body(0.0625), 96), (body(0.3), 1_100), (body(slow=0.08), 1_100)],
    ids=["x4", "/4", "+20 %", "more hang"],
)
def test_a_change_is_noticed(after: Draw, within: int) -> None:
    """A large change shows within a hundred lanes, a small one within a few thousand; and how many lanes are new."""
    seen = watched([(20_000, body()), (within, after)])
    assert seen
    assert seen[0][0] > 20_000
    assert seen[-1][1] <= seen[-1][0] - 20_000 + 32


def test_a_time_never_seen_is_not_a_change_by_itself() -> None:
    """One lane between two times that are common surprises nobody."""
    common: Draw = lambda dice: (dice.choice([0.1, 0.2, 0.4, 0.8]), True)  # noqa: E731 - a draw in one line
    assert watched([(5_000, common), (1, lambda _: (0.3, True)), (500, common)]) == []
