"""What is known of a backend's time to first content."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.catalogue import Entry, HedgeRule, Route
from quickthorn_server.execution.latency import Latency
from tests.support.laws import law


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
    assert heard([1.0] * 20, 0.95) == {("a", 0.95): 1.0}


@pytest.mark.parametrize(("percentile", "answer"), [(0.5, 10.0), (0.9, 18.0), (0.95, 19.0), (0.99, 20.0), (1.0, 20.0)])
def test_a_percentile_is_a_time_that_was_seen(percentile: float, answer: float) -> None:
    """The smallest time that at least this share of the lanes did not exceed; no interpolation."""
    times = [float(seconds) for seconds in range(1, 21)]
    random.Random(4).shuffle(times)
    assert heard(times, percentile) == {("a", percentile): answer}


def test_old_times_are_forgotten() -> None:
    """The last 200 lanes count: a backend that has become fast is soon known as fast."""
    assert heard([9.0] * 200 + [1.0] * 199, 0.99) == {("a", 0.99): 1.0}
    assert heard([9.0] * 200 + [1.0] * 190, 0.95) == {("a", 0.95): 1.0}
    assert heard([9.0] * 200 + [1.0] * 189, 0.95) == {("a", 0.95): 9.0}


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
    assert latency.first_content == {("a", 0.5): 1.0, ("b", 0.5): 2.0}


@law(40)
@given(st.lists(st.floats(0, 100), min_size=20, max_size=200), st.integers(1, 100))
def test_the_definition_holds(times: list[float], percent: int) -> None:
    """At least this share of the times is not above the answer, and less than it is below."""
    answer = heard(times, percent / 100)["a", percent / 100]
    assert answer in times
    assert 100 * sum(seconds <= answer for seconds in times) >= percent * len(times)
    assert 100 * sum(seconds < answer for seconds in times) < percent * len(times)


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
    latency.outlasted("a", 9.0)
    for _ in range(20):
        latency.spoke("a", 1.0)
    for _ in range(100):
        latency.outlasted("a", 0.9)
    assert latency.first_content == {("a", 0.5): 1.0}
    for _ in range(21):
        latency.outlasted("a", 2.0)
    assert latency.first_content == {("a", 0.5): 2.0}


def test_the_p99_of_what_was_heard_takes_a_hundred_lanes() -> None:
    """Every backend's, whatever routes ask for; before that nobody is judged by it."""
    latency = Latency([])
    for seconds in range(1, 100):
        latency.heard("a", float(seconds))
    assert (latency.p99("a"), latency.p99("b")) == (None, None)
    latency.heard("a", 100.0)
    assert (latency.p99("a"), latency.p99("b"), latency.first_content) == (99.0, None, {})


def test_the_p99_of_what_was_heard_follows_within_twenty_lanes() -> None:
    """It is looked up anew at most every twenty lanes, of the last two hundred."""
    latency = Latency([])
    for _ in range(200):
        latency.heard("a", 1.0)
    assert latency.p99("a") == 1.0
    for _ in range(19):
        latency.heard("a", 5.0)
    assert latency.p99("a") == 1.0
    latency.heard("a", 5.0)
    assert latency.p99("a") == 5.0
    for _ in range(200):
        latency.heard("a", 0.5)
    assert latency.p99("a") == 0.5
