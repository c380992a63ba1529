"""What is known of a backend's time to first content."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.catalogue import Entry, HedgeRule, Route
from quickthorn_server.execution.latency import SIZES, Latency, Measure, size_class
from quickthorn_server.execution.sketch import ACCURACY
from tests.support.laws import law


def near(seconds: float) -> Any:
    """Stand for a time that is *seconds* but for the sketch's error."""
    return pytest.approx(seconds, rel=1.01 * ACCURACY)


def route(percentile: float | None) -> Route:
    rule = HedgeRule(delay=0.3) if percentile is None else HedgeRule(percentile=percentile)
    return Route(f"p{percentile}", (Entry("a"),), hedge=rule)


def heard(times: list[float], *percentiles: float) -> dict[tuple[str, float], float]:
    latency = Latency([route(percentile) for percentile in percentiles])
    for seconds in times:
        latency.spoke("a", seconds)
    return latency.first_content


def test_few_lanes_tell_nothing() -> None:
    """Nineteen times say nothing of a p95; the twentieth does."""
    assert heard([1.0] * 19, 0.95) == {}
    assert heard([1.0] * 20, 0.95) == {("a", 0.95): near(1.0)}


@pytest.mark.parametrize(("percentile", "answer"), [(0.5, 10.0), (0.9, 18.0), (0.95, 19.0), (0.99, 20.0), (1.0, 20.0)])
def test_a_percentile_is_a_time_that_was_seen(percentile: float, answer: float) -> None:
    """The smallest time that at least this share of the lanes did not exceed; no interpolation."""
    times = [float(seconds) for seconds in range(1, 21)]
    random.Random(4).shuffle(times)
    assert heard(times, percentile) == {("a", percentile): near(answer)}


def test_old_times_are_forgotten() -> None:
    """A backend that has become fast is known as fast within 250 lanes, however long it was slow."""
    assert heard([9.0] * 1000 + [1.0] * 180, 0.95) == {("a", 0.95): near(9.0)}
    assert heard([9.0] * 1000 + [1.0] * 260, 0.95, 0.99) == {("a", 0.95): near(1.0), ("a", 0.99): near(1.0)}


def test_only_what_a_route_asks_for_is_known() -> None:
    """Fixed delays need no figures, and cost none."""
    latency = Latency([route(None), route(0.5), route(0.9)])
    for _ in range(20):
        latency.spoke("a", 1.0)
    assert set(latency.first_content) == {("a", 0.5), ("a", 0.9)}
    idle = Latency([route(None)])
    for _ in range(20):
        idle.spoke("a", 1.0)
    assert idle.first_content == {}


def test_backends_are_told_apart() -> None:
    """One backend's times say nothing of another's."""
    latency = Latency([route(0.5)])
    for _ in range(20):
        latency.spoke("a", 1.0)
        latency.spoke("b", 2.0)
    assert latency.first_content == {("a", 0.5): near(1.0), ("b", 0.5): near(2.0)}


@law(40)
@given(st.lists(st.floats(0.001, 100), min_size=40, max_size=40), st.integers(1, 100))
def test_the_definition_holds_but_for_the_sketch_s_error(times: list[float], percent: int) -> None:
    """It is the smallest time that at least this share of all do not exceed, give or take 1 %."""
    exact = sorted(times)[max(0, -(-percent * 40 // 100) - 1)]
    assert heard(times, percent / 100) == {("a", percent / 100): near(exact)}


def test_a_percentile_stays_what_it_says_while_hedges_overtake() -> None:
    """Of lanes that a hedge overtakes nobody learns the time; left out, a p95 shrank until one call in five hedged."""
    dice, latency, hedged = random.Random(1), Latency([route(0.95)]), 0
    for _ in range(8000):
        slow, quick = dice.lognormvariate(0.0, 0.6), dice.lognormvariate(-1.5, 0.3)
        delay = latency.first_content.get(("a", 0.95), 100.0)
        hedged += slow > delay
        if slow < delay + quick:
            latency.spoke("a", slow)
        else:
            latency.outlasted("a", delay + quick)
    assert 0.04 < hedged / 8000 < 0.065


def test_a_lane_stopped_early_tells_nothing() -> None:
    """A hedge that lost a moment after its start was not slow, nor is anything known of who has rarely spoken."""
    latency = Latency([route(0.5)])
    for _ in range(100):
        latency.outlasted("a", 0.9)
    for _ in range(19):
        latency.spoke("a", 1.0)
    assert latency.first_content == {}
    latency.spoke("a", 1.0)
    assert latency.first_content == {("a", 0.5): near(1.0)}
    for _ in range(40):
        latency.outlasted("a", 2.0)
    assert latency.first_content == {("a", 0.5): near(2.0)}


def test_stopped_lanes_do_not_bend_a_percentile_below_their_age() -> None:
    """Of half of the slow lanes only an age is known; counted as times, they would pull a p95 of 10 s down to 2 s."""
    latency = Latency([route(0.95)])
    for turn in range(200):
        latency.spoke("a", 1.0 if turn % 10 else 10.0)
        if turn % 10 == 0:
            latency.outlasted("a", 2.0)
    assert latency.first_content == {("a", 0.95): near(10.0)}


def test_ages_are_kept_apart_from_times() -> None:
    """What reads them may tell what was seen from what was only waited for."""
    latency = Latency([])
    for _ in range(30):
        latency.spoke("a", 1.0)
    for _ in range(10):
        latency.outlasted("a", 3.0)
    recent = latency.recent("a", 0, Measure.FIRST_CONTENT)
    assert [(at, count) for at, count in recent.times().bins()] == [(near(1.0), 30.0)]
    assert [(at, count) for at, count in recent.ages().bins()] == [(near(3.0), 10.0)]


def test_a_backend_that_went_silent_keeps_what_is_known_of_it() -> None:
    """When hardly a lane of late has spoken, the last percentile stays: a hedge against silence must not be lost."""
    latency = Latency([route(0.5)])
    for _ in range(60):
        latency.spoke("a", 1.0)
    for _ in range(1000):
        latency.outlasted("a", 1.5)
    assert latency.first_content == {("a", 0.5): near(1.5)}


@pytest.mark.parametrize(
    ("tokens", "place"),
    [(0, 0), (512, 0), (513, 1), (4_096, 1), (4_097, 2), (32_768, 2), (32_769, 3), (10_000_000, 3)],
)
def test_there_are_four_sizes_of_input(tokens: int, place: int) -> None:
    """A boundary belongs to the class below it."""
    assert size_class(tokens) == place
    assert len(SIZES) == 3


def test_sizes_and_measures_are_told_apart() -> None:
    """What a long input took says nothing of a short one, nor a total of a first content."""
    latency = Latency([])
    for _ in range(20):
        latency.spoke("a", 0.2, 100)
        latency.spoke("a", 5.0, 100_000)
        latency.ended("a", 2.0, 100, per_token=0.01)
    assert latency.recent("a", 1, Measure.FIRST_CONTENT).percentile(0.5, 20) == near(0.2)
    assert latency.recent("a", 99_999, Measure.FIRST_CONTENT).percentile(0.5, 20) == near(5.0)
    assert latency.recent("a", 1, Measure.TOTAL).percentile(0.5, 20) == near(2.0)
    assert latency.recent("a", 1, Measure.PER_TOKEN).percentile(0.5, 20) == near(0.01)
    assert latency.recent("a", 5_000, Measure.FIRST_CONTENT).percentile(0.5, 20) is None


def test_the_p99_of_what_was_heard_takes_a_hundred_lanes() -> None:
    """Every backend's, whatever routes ask for; before that nobody is judged by it.  Later lanes weigh more."""
    latency = Latency([])
    for seconds in range(1, 100):
        latency.heard("a", float(seconds))
    assert (latency.p99("a"), latency.p99("b")) == (None, None)
    latency.heard("a", 100.0)
    assert (latency.p99("a"), latency.p99("b"), latency.first_content) == (near(100.0), None, {})


def test_the_p99_of_what_was_heard_follows_within_twenty_lanes() -> None:
    """It is looked up anew at most every twenty lanes, of the last 200 to 250."""
    latency = Latency([])
    for _ in range(200):
        latency.heard("a", 1.0)
    assert latency.p99("a") == near(1.0)
    for _ in range(19):
        latency.heard("a", 5.0)
    assert latency.p99("a") == near(1.0)
    latency.heard("a", 5.0)
    assert latency.p99("a") == near(5.0)
    for _ in range(250):
        latency.heard("a", 0.5)
    assert latency.p99("a") == near(0.5)
