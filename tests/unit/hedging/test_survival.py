"""What is known of lanes of which some were stopped: Kaplan's and Meier's curve, by bins."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.execution.hedging.survival import BINS, EDGES, Curve, Survival, bin_of

Lanes = Sequence[tuple[int, bool]]  # bins, and whether the lane spoke

_lanes = st.lists(st.tuples(st.integers(500, 560), st.booleans()), min_size=1, max_size=80)


def survival(lanes: Lanes, memory: float = 1e18) -> Survival:
    made = Survival(memory)
    for place, spoke in lanes:
        made.add(place, spoke)
    return made


def brute_force(lanes: Lanes, edge: int) -> float:
    """Return the share beyond an edge, by definition; half of those stopped in a bin are gone before its speakers."""
    level = 1.0
    for place in sorted({place for place, _ in lanes if place < edge}):
        spoke = sum(each == (place, True) for each in lanes)
        stopped = sum(each == (place, False) for each in lanes)
        if spoke:
            level *= 1 - spoke / (sum(other >= place for other, _ in lanes) - stopped / 2)
    return level


@given(_lanes)
def test_it_is_kaplans_and_meiers_estimate(lanes: Lanes) -> None:
    """At every edge the curve is the product of what the hazards leave, whatever was stopped when."""
    curve = survival(lanes).curve()
    for edge in range(498, 563):
        assert curve.at_edge(edge) == pytest.approx(brute_force(lanes, edge), abs=1e-9)
        assert curve.beyond(EDGES[edge] * (1 + 1e-9)) == pytest.approx(curve.at_edge(edge), abs=1e-4)


@given(_lanes, st.floats(0.01, 0.99))
def test_a_percentile_is_where_the_curve_says(lanes: Lanes, level: float) -> None:
    """`reaches` and `beyond` are inverse, and where nobody was seen to be so late it is the longest time known."""
    curve = survival(lanes).curve()
    if curve.last > level:
        assert curve.reaches(level) == EDGES[curve.highest]
    else:
        assert curve.beyond(curve.reaches(level) * (1 + 1e-9)) <= level + 1e-6
        assert curve.beyond(curve.reaches(level) * (1 - 1e-4)) >= level - 0.02 * (curve.reaches(level) > EDGES[500])


def test_losers_do_not_shorten_the_tail() -> None:
    """Of lanes that take 0.1 s, or in one case of ten 10 s, the slow ones are stopped at 0.3 s: they still are 10 %."""
    curve = survival([(bin_of(0.1), True)] * 900 + [(bin_of(0.3), False)] * 100).curve()
    assert curve.beyond(0.2) == pytest.approx(0.1)
    assert curve.beyond(1_000.0) == pytest.approx(0.1)  # nobody has seen the end of it
    assert curve.last == pytest.approx(0.1)


def test_lanes_still_running_count_with_the_age_they_have() -> None:
    """Ninety have spoken and ten are silent for longer: a tenth is slow, though nobody has heard of it yet."""
    known = survival([(bin_of(0.1), True)] * 90)
    assert known.curve().beyond(0.2) == 0.0
    assert known.curve([(bin_of(5.0), 10)]).beyond(0.2) == pytest.approx(0.1)
    assert known.curve([(bin_of(0.01), 1_000)]).beyond(0.2) == 0.0  # the young say nothing of it


def test_old_lanes_count_less() -> None:
    """After as many lanes as the memory is long an old one counts 1/e; who comes late weighs as if in time."""
    slow = survival([(600, True)] * 1_000, memory=1_000.0)
    for _ in range(1_000):
        slow.add(500, True)
    assert slow.curve().at_edge(550) == pytest.approx(0.2689, abs=1e-3)  # 1 / (1 + e)
    slow.fade(0.5)
    assert slow.lanes == pytest.approx(432.5, abs=1.0)
    late, timely = survival([(500, True)] * 1_000, 1_000.0), Survival(1_000.0)
    late.add(600, True, 1_000)
    timely.add(600, True)
    for _ in range(1_000):
        timely.add(500, True)
    assert late.curve().at_edge(550) == pytest.approx(timely.curve().at_edge(550), rel=2e-3)


def test_a_million_lanes_leave_it_exact() -> None:
    """Weights that grow are taken down in time: shares stay right to the last digit."""
    dice, made = random.Random(3), Survival(1_000.0)
    for _ in range(30_000):
        made.add(500 if dice.random() < 0.9 else 700, True)
    assert made.lanes == pytest.approx(1_000, rel=0.01)
    assert made.curve().at_edge(600) == pytest.approx(0.1, abs=0.04)


def test_bins_are_one_percent_wide_from_ten_microseconds_to_a_day() -> None:
    """Shorter and longer times count as these."""
    assert [bin_of(each) for each in (0.0, 1e-9, 1e-5, 86_400.0, 1e9)] == [0, 0, 0, BINS - 1, BINS - 1]
    assert all(right / left == pytest.approx(1.01, abs=1e-3) for left, right in pairwise(EDGES))
    assert all(bin_of((EDGES[each] + EDGES[each + 1]) / 2) == each for each in range(BINS - 1))


def test_little_is_blended_with_what_is_likely() -> None:
    """Ten lanes that all spoke at once, and twenty like those of a slow backend: a third of the way."""
    quick = survival([(500, True)] * 10).curve()
    slow = survival([(700, True)] * 50).curve()
    assert quick.blended(slow, 20.0).at_edge(600) == pytest.approx(2 / 3)
    assert Curve(0, (), 0.0).blended(slow, 20.0).at_edge(600) == pytest.approx(1.0)
