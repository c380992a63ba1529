"""Shedding, judged on a queue of one server: calls wait no longer than they may, as many as can be are served."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from quickthorn_server.core.request import Priority
from quickthorn_server.edge.shedding import CALM, PATIENCE, Shedder
from quickthorn_server.edge.sojourn import STEP

REFUSAL = 0.18
"""What a refusal costs, in calls: 145 us to 790 us, measured."""

TARGET = 0.25


@dataclass
class Served:
    """What became of calls: the instant each arrived, and its wait, None = refused."""

    calls: list[tuple[float, float | None]] = field(default_factory=list)

    def between(self, begin: float, end: float) -> list[float | None]:
        return [wait for at, wait in self.calls if begin <= at < end]

    def goodput(self, begin: float, end: float) -> float:
        """Return how many calls a second were served of those that came between two instants."""
        return sum(wait is not None for wait in self.between(begin, end)) / (end - begin)

    def p99(self, begin: float, end: float) -> float:
        waits = sorted(wait for wait in self.between(begin, end) if wait is not None)
        return waits[len(waits) * 99 // 100]


def served(shedder: Shedder, capacity: float, phases: Sequence[tuple[float, float]], seed: int = 1) -> Served:
    """Put Poisson arrivals through one queue; *phases*: times the capacity, and for how many seconds."""
    chance, now, arrivals = random.Random(seed), 0.0, deque[float]()
    for load, seconds in phases:
        end = now + seconds
        while (now := now + chance.expovariate(load * capacity)) < end:
            arrivals.append(now)
        now = end
    return _served(shedder, capacity, arrivals)


def _served(shedder: Shedder, capacity: float, arrivals: deque[float]) -> Served:
    """Serve in order of arrival; our own call joins the queue every STEP, and its age is told while it waits."""
    told, waiting = Served(), deque[float]()
    now = asked_at = looked_at = known = 0.0
    asked = False
    while arrivals or waiting:
        if not waiting:
            now = max(now, min(arrivals[0], asked_at + STEP))
        if not asked and now >= asked_at + STEP:
            asked_at, asked = now, True
            waiting.append(-now)
        while arrivals and arrivals[0] <= now:
            waiting.append(arrivals.popleft())
        while looked_at <= now:
            looked_at += STEP
            if asked and looked_at > asked_at:
                shedder.observe(max(known, looked_at - asked_at), looked_at)
        if not waiting:
            continue
        at = waiting.popleft()
        if at < 0:
            asked, known = False, now - asked_at
            shedder.observe(known, now)
        elif shedder.refuses(Priority.NORMAL):
            told.calls.append((at, None))
            now += REFUSAL / capacity
        else:
            now += 1 / capacity
            told.calls.append((at, now - at))
    return told


@pytest.mark.parametrize("capacity", [300, 1000, 3000])
@pytest.mark.parametrize("load", [1.3, 2.0, 3.0])
def test_overload_is_shed_and_leaves_nothing_behind(load: float, capacity: float) -> None:
    """R6: 30 s of overload.

    Two seconds in, waits stay near the target and goodput near the best that refusals leave; two seconds after its end
    p99 and goodput are those of before, and nobody is refused any more.
    """
    told = served(Shedder(TARGET), capacity, [(0.7, 10.0), (load, 30.0), (0.7, 15.0)])
    best = capacity * (1 - load * REFUSAL) / (1 - REFUSAL)
    assert told.p99(12.5, 40.0) < 2.5 * TARGET
    assert 0.9 * best < told.goodput(12.5, 40.0) < 1.05 * best
    assert told.between(42.0, 55.0).count(None) == 0
    assert told.p99(42.0, 55.0) < 1.1 * told.p99(0.0, 10.0) + 0.01
    assert told.goodput(42.0, 55.0) == pytest.approx(told.goodput(0.0, 10.0), rel=0.1)


def test_without_shedding_the_same_overload_lasts() -> None:
    """What this is for: 30 s at twice the capacity leave a wait of half a minute."""
    told = served(Shedder(float("inf")), 1000, [(0.7, 10.0), (2.0, 30.0), (0.7, 15.0)])
    assert min(wait for wait in told.between(40.0, 55.0) if wait is not None) > 15.0


def test_bursts_and_a_full_house_are_no_overload() -> None:
    """Twice the capacity for 400 ms every five seconds, and 95 % of it all the time: nobody is refused."""
    shedder = Shedder(TARGET)
    told = served(shedder, 1000, [(0.5, 1.0), (2.0, 0.4), (0.5, 4.0)] * 5 + [(0.95, 20.0)])
    assert told.between(0.0, 100.0).count(None) == 0


def late(shedder: Shedder, until: float, wait: float = 0.4, since: float = 0.0) -> None:
    """Observe *wait* every step, from *since* on."""
    for step in range(round((until - since) / STEP) + 1):
        shedder.observe(wait, since + step * STEP)


def test_it_begins_after_patience_and_ends_in_calm() -> None:
    """One look within the target starts the patience anew, one beyond it the calm."""
    shedder, seen = Shedder(TARGET), []
    late(shedder, PATIENCE - STEP)
    shedder.observe(0.05, PATIENCE)
    begun, calm = PATIENCE + STEP, 10.5
    for since, until in ((begun, begun + PATIENCE - STEP), (begun + PATIENCE, begun + PATIENCE + STEP)):
        late(shedder, until, since=since)
        seen.append(shedder.active)
    late(shedder, 9.5, wait=0.0, since=9.0)
    shedder.observe(0.4, 10.0)
    for since, until in ((calm, calm + CALM - STEP), (calm + CALM, calm + CALM + STEP)):
        late(shedder, until, wait=0.0, since=since)
        seen.append(shedder.active)
    assert seen == [False, True, True, False]
    assert shedder.share == 0.0


def test_bulk_goes_first_critical_never_and_of_normal_exactly_the_share() -> None:
    """All bulk calls are refused, no critical ones, and of any n normal ones share x n, give or take one."""
    shedder = Shedder(TARGET)
    assert not any(shedder.refuses(priority) for priority in Priority)
    late(shedder, 1.0)
    assert (shedder.active, 0.0 < shedder.share < 1.0) == (True, True)
    assert all(shedder.refuses(Priority.BULK) for _ in range(100))
    assert not any(shedder.refuses(Priority.CRITICAL) for _ in range(100))
    refused = 0
    for n in range(1, 1001):
        refused += shedder.refuses(Priority.NORMAL)
        assert abs(refused - n * shedder.share) <= 1


def test_some_are_always_served() -> None:
    """However long calls wait: who refuses everybody learns nothing."""
    shedder = Shedder(TARGET)
    late(shedder, 60.0, wait=30.0)
    assert [shedder.refuses(Priority.NORMAL) for _ in range(100)].count(False) in {5, 6}
