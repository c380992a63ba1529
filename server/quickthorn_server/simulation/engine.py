"""Play calls through a hedging policy in virtual time.

Events happen at their instants, so a policy knows of a call what a server would know then: times of lanes that have
spoken, ages of lanes that were stopped.  What a lane would take is looked up, but nobody is told before it has.  Races
go as in `execution/race.py`: another lane starts after each delay of silence if the purse pays, the first to speak
wins, on a tie the earlier one, and the others are stopped in that instant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple, Protocol

from quickthorn_server.core.catalogue import BudgetRule, Entry, HedgeRule, Route
from quickthorn_server.core.request import Priority
from quickthorn_server.execution.hedging.learners import Heard
from quickthorn_server.execution.purses import Purse, Purses

ROUTE = "replay"
"""The name of the route that calls are played through."""

LANES = ("primary", "hedge", "hedge2", "hedge3")
"""The backends of its lanes."""

_PROGRESS = 10_000  # rows from one report to the next


class Row(NamedTuple):
    """A call.  Times in seconds; *lanes*: until first content of each if it ran alone, the first lane first."""

    arrival: float
    input_tokens: int
    lanes: tuple[float, ...]


class Outcome(NamedTuple):
    """How a call went.  *delay* None = no hedge was planned.  *hedged*: lanes started because of silence."""

    delay: float | None
    hedged: int
    latency: float
    reason: str


class Planned(NamedTuple):
    """What a policy plans for a call: *lanes* at most at once, and why."""

    delay: float | None
    lanes: int
    reason: str


class Pilot(Protocol):
    """A policy at work on one stream of calls."""

    def plan(self, turn: int, input_tokens: int, now: float) -> Planned:
        """Plan the call with the number *turn*, which begins *now*."""

    def hedged(self, lane: int, input_tokens: int, began: float, now: float) -> None:
        """Take in that *lane* of a call that began at *began* starts *now*."""

    def settled(self, input_tokens: int, lanes: Sequence[Heard], now: float) -> None:
        """Learn from a call that was decided at *now*."""


Policy = Callable[[Route, Purses], Pilot]
"""Make a pilot for a route, whose hedges are paid from its purse."""


def simulate(
    rows: Sequence[Row],
    policy: Policy,
    *,
    budget: float,
    burst: int,
    max_parallel: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> list[Outcome]:
    """Return how each of *rows*, which are ordered by arrival, would have gone.

    *budget*: hedges as a share of calls (0..1), *burst* at once.  *max_parallel*: lanes of a call.  *seed* turns the
    wheel on which coins are drawn.  *progress* is told now and then how many rows are done.
    """
    entries = tuple(Entry(name) for name in LANES[:max_parallel])
    rule = BudgetRule(hedges=budget, burst=burst)
    route = Route(ROUTE, entries, hedge=HedgeRule(max_parallel=max_parallel), budget=rule)
    purses = Purses([route])
    game = _Game(rows, policy(route, purses), purses[ROUTE].hedges)
    for number in range(len(rows)):
        game.arrive(number, seed + number)
        if progress is not None and number % _PROGRESS == 0:
            progress(number)
    return game.ended()


class _Game:
    """The calls that are under way, and the instants at which something happens to them."""

    def __init__(self, rows: Sequence[Row], pilot: Pilot, purse: Purse) -> None:
        self._rows = rows
        self._pilot = pilot
        self._purse = purse
        self._events: list[tuple[float, int, int]] = []  # instant, call, lane to start then; 0 = it is decided
        self._planned: list[Planned] = []
        self._hedged = [0] * len(rows)
        self._outcomes: list[Outcome | None] = [None] * len(rows)

    def arrive(self, number: int, turn: int) -> None:
        """Let the next call begin, after all that happens before it."""
        row = self._rows[number]
        self._advance(row.arrival)
        self._purse.feed()
        planned = self._pilot.plan(turn, row.input_tokens, row.arrival)
        self._planned.append(planned)
        first = row.lanes[0]
        if planned.delay is None or first <= planned.delay:
            heappush(self._events, (row.arrival + first, number, 0))
        else:
            heappush(self._events, (row.arrival + planned.delay, number, 1))

    def ended(self) -> list[Outcome]:
        """Let all that is under way end, as if calls went on coming: the rows are over, their traffic is not."""
        rows = self._rows
        gap = (rows[-1].arrival - rows[0].arrival) / len(rows) if rows else 0.0
        now = rows[-1].arrival if rows else 0.0
        while self._events and gap > 0.0:
            now += gap
            self._advance(now)
            self._purse.feed()
        self._advance(inf)
        return [outcome for outcome in self._outcomes if outcome is not None]

    def _advance(self, until: float) -> None:
        events = self._events
        while events and events[0][0] < until:
            now, number, lane = heappop(events)
            if lane:
                self._silence(number, lane)
            else:
                self._decide(number, now)

    def _silence(self, number: int, lane: int) -> None:
        """Start *lane* of a call in which nobody has spoken, if the purse pays."""
        row, planned = self._rows[number], self._planned[number]
        delay = planned.delay or 0.0
        if self._purse.pays_for(Priority.NORMAL, number + 1):
            self._purse.pay(number + 1)
            self._hedged[number] = lane
            self._pilot.hedged(lane, row.input_tokens, row.arrival, row.arrival + lane * delay)
        else:
            self._planned[number] = planned._replace(reason="the purse for hedges is empty")
            lane = planned.lanes
        spoken = min(each * delay + row.lanes[each] for each in range(self._hedged[number] + 1))
        if lane + 1 < planned.lanes and (lane + 1) * delay < spoken:
            heappush(self._events, (row.arrival + (lane + 1) * delay, number, lane + 1))
        else:
            heappush(self._events, (row.arrival + spoken, number, 0))

    def _decide(self, number: int, now: float) -> None:
        row, planned, hedged = self._rows[number], self._planned[number], self._hedged[number]
        if hedged:
            heard = _heard(row.lanes[: hedged + 1], planned.delay or 0.0)
            latency = min(lane.started + lane.seconds for lane in heard)
        else:
            latency = row.lanes[0]
            heard = [Heard(LANES[0], 0.0, latency, True)]
        self._outcomes[number] = Outcome(planned.delay, hedged, latency, planned.reason)
        self._pilot.settled(row.input_tokens, heard, now)


def _heard(lanes: Sequence[float], delay: float) -> list[Heard]:
    """Return what a race of *lanes* shows, each started *delay* after the one before."""
    ends = [number * delay + seconds for number, seconds in enumerate(lanes)]
    latency = min(ends)
    winner = ends.index(latency)
    return [
        Heard(
            LANES[number], number * delay, seconds if number == winner else latency - number * delay, number == winner
        )
        for number, seconds in enumerate(lanes)
    ]
