"""Chaos in virtual time: random weather over random calls, through the real executor, circuits and purses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.attempt import Cause
from quickthorn_server.core.failures import Failure
from tests.chaos.weather import BUDGET, TIMEOUTS, Arrival, Came, Day, Sky, Weather, breaks, fails, lived, silent, well
from tests.support.laws import law

_EARLY = [failure for failure in Failure if failure is not Failure.INTERNAL]
_MIDST = [Failure.LOST, Failure.PROTOCOL, Failure.OVERLOADED, None]
_SOON = st.floats(0.0, 1.0)
_MINUTE = 60.0
_MODES: dict[str, Weather] = {
    **{failure.value: fails(failure) for failure in _EARLY if failure is not Failure.INVALID},
    "silent": silent,
    "slow": well(first=1.9),
    "late failure": fails(Failure.LOST, after=1.5),
    **{f"breaks: {failure.value if failure else 'stalls'}": breaks(2, failure) for failure in _MIDST},
}

weathers: st.SearchStrategy[Weather] = st.one_of(
    st.builds(well, _SOON, st.floats(0.0, 0.5)),
    st.builds(fails, st.sampled_from(_EARLY), _SOON),
    st.builds(breaks, st.integers(1, 3), st.sampled_from(_MIDST), _SOON),
    st.just(silent),
)
skies: st.SearchStrategy[Sky] = st.builds(
    lambda first, later: [(0.0, first), *sorted(later, key=lambda change: change[0])],
    weathers,
    st.lists(st.tuples(st.floats(0.1, 30.0), weathers), max_size=4),
)
arrivals = st.builds(
    Arrival,
    at=st.floats(0.0, 40.0),
    unary=st.booleans(),
    deadline=st.one_of(st.none(), st.floats(0.05, 12.0)),
    delay=st.one_of(st.none(), st.floats(0.0, 1.0)),
    first=st.integers(0, 2),
)


def _steady(first: int, count: int, seconds: float, delay: float | None) -> list[Arrival]:
    """Return calls at even distances, unary ones and streams in turn, each provider first in its turn."""
    return [Arrival(seconds * k / count, k % 2 == 0, None, delay, (first + k // 2) % 3) for k in range(count)]


def _broken_late(came: Came) -> bool:
    return not came.arrival.unary and came.reason == "STREAM_BROKEN" and bool(came.text)


def _fits(came: Came, attempts: int) -> None:
    """Hold what holds for every call, whatever the weather."""
    longest = attempts * (TIMEOUTS.total + 30.0)  # each attempt, and the longest wait before it
    assert came.took <= (longest if came.arrival.deadline is None else came.arrival.deadline) + 0.01
    assert len(came.attempts) <= attempts
    assert came.finished == (came.reason == "")
    assert came.whole or came.reason
    if came.text and not came.whole:
        assert not came.arrival.unary, "a unary caller saw part of an answer"
        assert came.reason in {"STREAM_BROKEN", "DEADLINE"}
    if came.reason == "STREAM_BROKEN":
        assert came.text, "a stream that had said nothing was called broken"


def _settled(day: Day) -> None:
    """Hold what holds once all is over: streams closed by who had opened them, permits settled once, purses obeyed."""
    for player in day.players.values():
        assert player.opened == player.closed
    assert day.stage.reports[""] == 0, "a permit was settled twice, or never"
    assert day.stage.alarms.live == 0
    causes = [attempt.cause for decision in day.stage.decisions for attempt in decision.trace.attempts]
    calls = len(day.came)
    assert len(day.stage.ended) == calls
    assert causes.count(Cause.SILENCE) <= BUDGET.hedges * calls + BUDGET.burst
    assert causes.count(Cause.RETRY) <= BUDGET.retries * calls + BUDGET.retries_burst


@law(examples=150)
@given(
    st.tuples(skies, skies, skies),
    st.lists(arrivals, min_size=1, max_size=30),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.7, 3.0]),
)
def test_whatever_the_weather(
    three: tuple[Sky, Sky, Sky], calls: list[Arrival], attempts: int, close_after: float
) -> None:
    """Any faults at any instants: no call hangs, halves reach no unary caller, all that was opened is closed."""
    day = lived(dict(zip("abc", three, strict=True)), calls, attempts=attempts, close_after=close_after)
    for came in day.came:
        _fits(came, attempts)
    _settled(day)


@pytest.mark.parametrize("delay", [None, 0.5], ids=["failover alone", "hedged"])
@pytest.mark.parametrize("mode", _MODES)
def test_one_of_three_fails(mode: str, delay: float | None) -> None:
    """Whatever is wrong with one of three: no call fails, but one STREAM_BROKEN for a stream that had begun."""
    ill: Sky = [(5.0, _MODES[mode]), (45.0, well())]
    day = lived(
        {"a": [(0.0, well()), *ill], "b": [(0.0, well())], "c": [(0.0, well())]}, _steady(0, 600, _MINUTE, delay)
    )
    failed = [came for came in day.came if came.reason]
    assert all(map(_broken_late, failed)), {came.reason for came in failed}
    assert bool(failed) == (mode.startswith("breaks"))
    _settled(day)


def test_a_total_outage_costs_no_storm() -> None:
    """While everybody fails, a call costs 1.10 attempts; once they are well, nobody notices any more."""
    sky: Sky = [(0.0, well()), (10.0, fails(Failure.UNAVAILABLE)), (70.0, well())]
    calls = _steady(0, 2400, 120.0, None)
    day = lived(dict.fromkeys("abc", sky), calls)
    during = [came for came in day.came if 12.0 <= came.arrival.at < 68.0]
    attempts = sum(len(came.attempts) for came in during)
    assert attempts <= 1.10 * len(during) + 1  # what the purse may hold when the count begins
    assert not [came for came in day.came if came.reason and came.arrival.at >= 71.0]
    _settled(day)


def test_a_brown_out_costs_no_more_than_the_budget() -> None:
    """One of three is 20 times as slow: hedges stay within their share, and nobody fails."""
    sky: Sky = [(0.0, well()), (5.0, well(first=1.99))]
    day = lived({"a": sky, "b": [(0.0, well())], "c": [(0.0, well())]}, _steady(0, 1200, _MINUTE, 0.3))
    attempts = sum(len(came.attempts) for came in day.came)
    assert attempts <= 1.05 * len(day.came) + BUDGET.burst
    assert not [came for came in day.came if came.reason]
    _settled(day)
