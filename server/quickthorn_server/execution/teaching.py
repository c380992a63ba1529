"""Tell whoever learns when to hedge what each race has shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from quickthorn_server.core.attempt import Cause
from quickthorn_server.core.failures import Failure
from quickthorn_server.core.plan import Plan
from quickthorn_server.execution.lane import Lane


class Heard(NamedTuple):
    """One lane.  *started*: seconds after the first one's start.

    *seconds*: from its own start until it *spoke*, that is, had content for the client; else until it was stopped, or
    timed out, and would have taken longer.
    """

    backend: str
    started: float
    seconds: float
    spoke: bool


class Learning(Protocol):
    """Who learns when to hedge."""

    def settled(self, route: str, input_tokens: int, lanes: Sequence[Heard], now: float) -> bool:
        """Take in what one race showed; returns whether `recompute` is due."""
        ...

    def recompute(self, route: str) -> None:
        """Draw conclusions, which takes about a millisecond."""
        ...


class Teaching:
    """Tells *learners* of races on routes whose delay is learned, and has them draw conclusions between calls."""

    def __init__(self, learners: Learning, loop: asyncio.AbstractEventLoop) -> None:
        self._learners = learners
        self._loop = loop

    def settled(self, plan: Plan, lanes: Sequence[Lane], *, whole: bool) -> None:
        """Tell of a race that is decided, or over; *whole*: replies come in one piece, and teach nothing of streams."""
        rule = plan.route.hedge
        if rule is None or rule.target is None or whole or (plan.outline is not None and plan.outline.embeds):
            return
        now = self._loop.time()
        heard = lessons(lanes, now)
        if heard and self._learners.settled(plan.route.name, plan.input_tokens, heard, now):
            self._loop.call_soon(self._learners.recompute, plan.route.name)


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
