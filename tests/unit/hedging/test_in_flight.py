"""Calls on their way: how many, how old, and each told of once, in the order in which they began."""

from __future__ import annotations

from quickthorn_server.execution.hedging.in_flight import InFlight, Told
from quickthorn_server.execution.hedging.sizes import size_class

SMALL, LARGE = size_class(100), size_class(5_000)


def running(flights: InFlight, now: float) -> list[tuple[float, dict[int, int]]]:
    return [(round(age, 6), dict(batch.running)) for age, batch in flights.running(now)]


def test_calls_are_counted_until_they_end() -> None:
    """Ages are known to half a batch; who ends is gone, and nobody ends twice."""
    flights = InFlight(0.5)
    for at, size in ((10.0, SMALL), (10.4, LARGE), (11.0, SMALL)):
        flights.start(at, size, 7)
    assert running(flights, 20.0) == [(9.75, {SMALL: 1, LARGE: 1}), (8.75, {SMALL: 1})]
    ended = flights.end(10.4 - 1e-9, LARGE)  # sums of clocks are not exact
    assert ended is not None
    assert ended.number == 7
    assert flights.end(10.4, LARGE) is None
    assert flights.end(9.0, SMALL) is None
    assert running(flights, 20.0) == [(9.75, {SMALL: 1}), (8.75, {SMALL: 1})]


def test_a_batch_passes_once_it_is_old_enough() -> None:
    """All its calls are told of in the order in which they began: those heard of, and those silent so far."""
    flights = InFlight(1.0)
    for at in (0.0, 0.2, 0.4, 0.6):
        flights.start(at, SMALL, 0)
    for at, seconds in ((0.6, 0.1), (0.2, 0.3)):
        batch = flights.end(at, SMALL)
        assert batch is not None
        batch.told.append(Told(at, 100, seconds, spoke=True))
    assert flights.passed(0.9) is None
    passed = flights.passed(1.0)
    assert passed is not None
    assert flights.passed(9.0) is None
    assert [(lane.seconds, lane.spoke) for lane in passed.lanes(4.0)] == [
        (0.3, True),
        (4.0, False),
        (0.1, True),
        (4.0, False),
    ]


def test_what_is_forgotten_is_neither_counted_nor_passed() -> None:
    """After a change only calls of the new kind are counted."""
    flights = InFlight(1.0)
    for at in (0.0, 5.0):
        flights.start(at, SMALL, 0)
    flights.forget(2.0)
    assert running(flights, 6.0) == [(0.5, {SMALL: 1})]
    passed = flights.passed(100.0)
    assert passed is not None
    assert passed.began == 5.0
    assert flights.end(0.0, SMALL) is None


def test_whoever_is_lost_is_forgotten_in_the_end() -> None:
    """A call of which nobody ever tells is counted for ten minutes, not for ever."""
    flights = InFlight(1.0)
    flights.start(0.0, SMALL, 0)
    assert flights.passed(5.0) is not None
    assert len(running(flights, 599.0)) == 1
    assert running(flights, 601.0) == []


def test_old_calls_take_little_room() -> None:
    """A minute of calls that hang, at a thousand a second, are some hundred batches, none older than it is known."""
    flights = InFlight(0.01)
    for number in range(60_000):
        flights.start(number / 1_000, SMALL, number)
    while flights.passed(59.0) is not None:
        pass
    batches = list(flights.running(60.0))
    assert sum(batch.running[SMALL] for _, batch in batches) == 60_000
    assert len(batches) < 400
    assert all((batch.ends - batch.began) < max(0.03, age / 10) for age, batch in batches)
