"""What size says of time to first content: where it says something, and only there."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from quickthorn_server.execution.hedging.sizes import Sized, scale, size_class, usual_size

Time = Callable[[random.Random, int], float]


def lanes(time: Time, tokens: Callable[[random.Random], int], count: int = 4_096, seed: int = 2) -> list[Sized]:
    dice = random.Random(seed)
    sizes = [tokens(dice) for _ in range(count)]
    return [Sized(each, time(dice, each), spoke=True) for each in sizes]


def reading(dice: random.Random, tokens: int) -> float:
    """0.15 s and 0.4 ms a token, give or take a fifth."""
    return (0.15 + 0.0004 * tokens) * dice.lognormvariate(0, 0.2)


def conversations(dice: random.Random) -> int:
    return min(14_000, round(dice.lognormvariate(math.log(1_000), 1.0)))


def test_times_over_what_is_usual_are_alike() -> None:
    """Where time grows with size, what is left after dividing has the spread of a single size."""
    found = scale(lanes(reading, conversations))
    assert found is not None
    dice = random.Random(9)
    sizes = [conversations(dice) for _ in range(20_000)]
    left = sorted(math.log(reading(dice, each) / found.of(each)) for each in sizes)
    assert left[9_900] - left[10_000 // 2 * 2] == pytest.approx(0.0, abs=0.1)
    assert left[19_800] - left[10_000] == pytest.approx(2.326 * 0.2, rel=0.08)


@pytest.mark.parametrize("tokens", [lambda _: 550, lambda dice: dice.randint(1, 8_000)], ids=["constant", "random"])
@pytest.mark.parametrize("seed", range(5))
def test_sizes_that_say_nothing_are_left_out(tokens: Callable[[random.Random], int], seed: int) -> None:
    """Constant or unrelated sizes give no scale, be times spread ever so wide."""
    assert scale(lanes(lambda dice, _: dice.lognormvariate(0, 1.5), tokens, seed=seed)) is None


def test_few_lanes_say_nothing() -> None:
    """A class of fewer than 40 lanes is not looked at."""
    assert scale(lanes(reading, conversations, count=60)) is None
    assert scale([]) is None


def test_beyond_what_was_seen_it_goes_on_as_before() -> None:
    """Twice the largest size known takes about twice as long; what is smaller than all is taken for the smallest."""
    found = scale(lanes(reading, lambda dice: dice.choice([500, 1_000, 2_000, 4_000])))
    assert found is not None
    assert found.of(8_000) / found.of(4_000) == pytest.approx((0.15 + 3.2) / (0.15 + 1.6), rel=0.05)
    assert found.of(1) == found.of(500)


def test_a_scale_is_replaced_only_by_another_one() -> None:
    """Two samples of one backend do not differ; a backend that reads twice as fast does."""
    first, second = scale(lanes(reading, conversations, seed=1)), scale(lanes(reading, conversations, seed=2))
    quick = scale(lanes(lambda dice, tokens: (0.15 + 0.0001 * tokens) * dice.lognormvariate(0, 0.2), conversations))
    assert first is not None
    assert second is not None
    assert quick is not None
    assert not first.differs(second)
    assert first.differs(quick)


def test_lanes_that_were_stopped_do_not_make_a_size_quick() -> None:
    """Large inputs whose lanes are stopped at 0.6 s still take as long as those that are not."""
    stopped = [
        each._replace(seconds=0.7, spoke=False)
        if each.tokens > 1_500 and index % 3 == 0 and each.seconds > 0.7
        else each
        for index, each in enumerate(lanes(reading, conversations))
    ]
    whole, found = scale(lanes(reading, conversations)), scale(stopped)
    assert whole is not None
    assert found is not None
    assert found.of(3_000) / found.of(500) == pytest.approx(whole.of(3_000) / whole.of(500), rel=0.1)


def test_classes_are_a_quarter_of_an_octave() -> None:
    """Sizes in a class are within a quarter of each other, and the middle of it is in it."""
    for tokens in (0, 1, 2, 3, 7, 8, 9, 100, 1_023, 1_024, 1_300, 100_000):
        assert size_class(usual_size(size_class(tokens))) == size_class(tokens) or tokens < 4
    assert size_class(1_024) == size_class(1_279) != size_class(1_280)
    assert [size_class(each) for each in (512, 640, 768, 896)] == list(range(size_class(512), size_class(512) + 4))
