"""Sketches of times, and the windows over them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.execution.recent import Recent
from quickthorn_server.execution.sketch import ACCURACY, Sketch, blended, percentiles
from tests.support.laws import law

TIMES = st.lists(st.floats(1e-5, 3600), min_size=1, max_size=300)
SHARES = [0.01, 0.5, 0.9, 0.95, 0.99, 1.0]


def sketch(times: list[float]) -> Sketch:
    filled = Sketch()
    for seconds in times:
        filled.add(seconds)
    return filled


def kaplan_meier(times: list[float], ages: list[float], share: float) -> float:
    """Return the percentile by the textbook, lane by lane."""
    lanes, lasting = sorted([(at, 0) for at in times] + [(at, 1) for at in ages]), 1.0
    for place, (at, stopped) in enumerate(lanes):
        lasting *= 1.0 if stopped else 1.0 - 1.0 / (len(lanes) - place)
        if not stopped and 1.0 - lasting >= share - 1e-9:
            return at
    return lanes[-1][0]


@law(100)
@given(TIMES)
def test_a_sketch_errs_by_a_percent_at_most(times: list[float]) -> None:
    """Every percentile is the exact order statistic but for the relative error that is promised."""
    known, ranked = percentiles(sketch(times), Sketch(), SHARES), sorted(times)
    for share in SHARES:
        exact = ranked[max(0, -(-round(share * 100) * len(times) // 100) - 1)]
        assert known[share] == pytest.approx(exact, rel=ACCURACY * 1.0001)


@law(100)
@given(TIMES, TIMES)
def test_a_merge_is_the_union(some: list[float], others: list[float]) -> None:
    """Two workers' sketches make the sketch that one worker would have made, and stay as they are."""
    left, right = sketch(some), sketch(others)
    assert blended([(left, 1.0), (right, 1.0)]).bins() == sketch(some + others).bins()
    assert blended([(left, 0.5), (right, 0.25)]).count == pytest.approx(len(some) / 2 + len(others) / 4)
    assert (left.bins(), right.bins()) == (sketch(some).bins(), sketch(others).bins())


@law(100)
@given(TIMES, TIMES, st.sampled_from(SHARES))
def test_ages_count_as_kaplan_and_meier_say(times: list[float], ages: list[float], share: float) -> None:
    """The same as lane by lane, on times as the sketch has them."""
    seen, waited = ([at for at, count in sketch(each).bins() for _ in range(round(count))] for each in (times, ages))
    assert percentiles(sketch(times), sketch(ages), [share]) == {share: kaplan_meier(seen, waited, share)}


def test_a_backend_that_never_spoke_has_no_percentile() -> None:
    """Ages alone say nothing of times."""
    assert percentiles(Sketch(), sketch([1.0, 2.0]), [0.5]) == {}


def test_times_beyond_reason_do_not_grow_a_sketch() -> None:
    """A clock that stood still, or a lane of a year, costs bins only between a microsecond and a day."""
    strange = sketch([0.0, 1e-12, 1e12])
    assert [at for at, _ in strange.bins()] == pytest.approx([1e-6, 86_400.0], rel=0.0101)


def test_a_time_counts_half_after_a_hundred_lanes() -> None:
    """Forgetting is exponential in lanes, in steps of a sub-window, and complete after 250."""
    recent = Recent(lambda: 0.0)
    for seconds in range(1, 5):
        for _ in range(50):
            recent.add(float(seconds))
    counts = [count for _, count in recent.times().bins()]
    assert counts == pytest.approx([50 * 0.5**1.5, 50 * 0.5, 50 * 0.5**0.5, 50])
    for _ in range(250):
        recent.add(9.0)
    assert [at for at, _ in recent.times().bins()] == pytest.approx([9.0], rel=0.0101)


def test_a_quiet_backend_stays_known_for_an_hour() -> None:
    """Few lanes are better than none; yesterday's are none."""
    now = [0.0]
    recent = Recent(lambda: now[0])
    for _ in range(20):
        recent.add(1.0)
        now[0] += 150.0
    assert recent.percentile(0.5, 20) == pytest.approx(1.0, rel=0.0101)
    now[0] += 3600.0
    recent.add(7.0)
    assert [(round(at), count) for at, count in recent.times().bins()] == [(7, 1.0)]


def test_memory_is_bounded() -> None:
    """However long and however seldom it is called."""
    now, dice = [0.0], random.Random(3)
    recent = Recent(lambda: now[0])
    for _ in range(20_000):
        recent.add(dice.lognormvariate(0, 3))
        now[0] += dice.choice([0.001, 10.0, 400.0])
    assert len(recent._rounds) <= 17
    assert sum(len(each.times._store.bins) for each in recent._rounds) <= 17 * 1400
