"""Tell whoever learns when to hedge what each race has shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from quickthorn_server.core.attempt import Cause
from quickthorn_server.core.catalogue import Route
from quickthorn_server.core.failures import Failure
from quickthorn_server.core.plan import Plan
from quickthorn_server.execution.hedging.learners import Heard
from quickthorn_server.execution.lane import Lane


class Learning(Protocol):
    """Who learns when to hedge.  Whoever is told that a call has `started` is told what came of it, too."""

    def started(self, route: str, first: str, input_tokens: int, now: float) -> None:
        """Take in that a call of *route* has asked its *first* backend."""
        ...

    def settled(self, route: str, input_tokens: int, lanes: Sequence[Heard], now: float) -> bool:
        """Take in what one race showed until *now*; returns whether `recompute` is due."""
        ...

    def hedged(self, route: str, first: str, backend: str, input_tokens: int, *, began: float, now: float) -> None:
        """Take in that a call that had started at *began* asks *backend* too because of silence."""
        ...

    def left(self, route: str, first: str, input_tokens: int, began: float) -> None:
        """Take in that a call that had started at *began* shows nothing."""
        ...

    def recompute(self, route: str, now: float) -> bool:
        """Draw a conclusion, which takes up to three milliseconds; returns whether there are more to draw."""
        ...


class Teaching:
    """Tells *learners* of races on routes whose delay is learned, and has them draw conclusions between calls."""

    def __init__(self, learners: Learning, loop: asyncio.AbstractEventLoop) -> None:
        self._learners = learners
        self._loop = loop

    def started(self, plan: Plan, first: Lane, *, whole: bool) -> None:
        """Tell of a call that begins with *first*; *whole*: replies come in one piece, and show nothing of streams."""
        if _shows_streams(plan, whole=whole):
            self._learners.started(plan.route.name, first.backend.name, plan.input_tokens, first.started_at)

    def hedged(self, plan: Plan, first: Lane, lane: Lane, *, whole: bool) -> None:
        """Tell of a *lane* that silence has started."""
        if _shows_streams(plan, whole=whole):
            began = first.started_at
            backends = first.backend.name, lane.backend.name
            self._learners.hedged(plan.route.name, *backends, plan.input_tokens, began=began, now=lane.started_at)

    def settled(self, plan: Plan, lanes: Sequence[Lane], *, whole: bool) -> None:
        """Tell of a race that is decided, or over."""
        if not lanes or not _shows_streams(plan, whole=whole):
            return
        route, first = plan.route.name, lanes[0]
        heard = lessons(lanes, self._loop.time())
        if not heard:
            self._learners.left(route, first.backend.name, plan.input_tokens, first.started_at)
        elif self._learners.settled(route, plan.input_tokens, heard, first.started_at + _took(heard)):
            self._loop.call_soon(self._conclude, route)

    def _conclude(self, route: str) -> None:
        if self._learners.recompute(route, self._loop.time()):
            self._loop.call_soon(self._conclude, route)


def taught(learners: Learning, routes: Iterable[Route], loop: asyncio.AbstractEventLoop) -> Teaching | None:
    """Return who tells *learners*; None where no route's delay is learned, so that calls need not ask."""
    learned = any(route.hedge is not None and route.hedge.target is not None for route in routes)
    return Teaching(learners, loop) if learned else None


def _shows_streams(plan: Plan, *, whole: bool) -> bool:
    rule = plan.route.hedge
    if rule is None or rule.target is None or whole:
        return False
    return plan.outline is None or not plan.outline.embeds


def _took(heard: Sequence[Heard]) -> float:
    return max(each.started + each.seconds for each in heard)


def lessons(lanes: Sequence[Lane], now: float) -> list[Heard]:
    """Return what *lanes* show of time to first content at *now*: the first lane's, and those that its silence started.

    A failure shows nothing, unless it is a timeout: then the lane would have taken longer.  Without the first lane the
    others show nothing, for nobody knows how slow a call they ran on.
    """
    if not lanes or not _shows(lanes[0]):
        return []
    began = lanes[0].started_at
    return [
        _heard(lane, began, now) for lane in lanes if (lane is lanes[0] or lane.cause is Cause.SILENCE) and _shows(lane)
    ]


def _shows(lane: Lane) -> bool:
    return lane.spoke_at is not None or lane.error is None or lane.error.failure is Failure.TIMEOUT


def _heard(lane: Lane, began: float, now: float) -> Heard:
    spoke = lane.spoke_at is not None
    until = lane.spoke_at if lane.spoke_at is not None else lane.ended_at if lane.ended_at is not None else now
    return Heard(lane.backend.name, lane.started_at - began, until - lane.started_at, spoke)
