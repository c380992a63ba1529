"""The staggered race: retry, failover and hedging as one loop.

The next lane starts when one *fails*, or when the hedging *delay passes in silence*; the first lane to say something
the client will see wins, and the others are cancelled in that same step.  It is "happy eyeballs" (RFC 8305; trio's
`open_tcp_stream`, aiohappyeyeballs) over streams, with three changes that a model needs:

* A lane speaks with its first visible chunk, or with a clean end.  An opened connection has said nothing.
* A failure never beats a healthy lane.  A terminal failure (no backend would do better) stops new lanes only; it
  becomes the call's status when no lane is left.
* A winner may break.  A stream's caller has seen its words, so the race is over; a unary caller has seen nothing, so
  `winner` may be called again and races on without it.  Whoever had lost to it may then be asked once more.

Everything is decided in `_step`, synchronously, whenever anything changed; doing is `_start` and `Lane.stop`.
Losers are never waited for here: leaving the race hands what still closes to the reaper.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from types import TracebackType
from typing import Self

from quickthorn_server.core.attempt import Outcome
from quickthorn_server.core.chunk import Chunk
from quickthorn_server.core.plan import Plan
from quickthorn_server.execution.deadlines import TICK
from quickthorn_server.execution.lane import Lane
from quickthorn_server.execution.pulse import Pulse
from quickthorn_server.execution.purses import RoutePurses
from quickthorn_server.execution.reaper import Reaper
from quickthorn_server.execution.schedule import Admit, Schedule, Start


class NobodyLeft(Exception):  # noqa: N818 - a state of the race, not a fault in it
    """No lane runs and none may start."""


class OutOfTime(Exception):  # noqa: N818 - the same
    """The call's limit passed; *first_token* tells which: the wait for content, or the deadline."""

    def __init__(self, *, first_token: bool) -> None:
        super().__init__("out of time")
        self.first_token = first_token


Launch = Callable[[Start, Callable[[], None]], Lane]
"""Open a lane for a start; the second argument is what the lane calls when there is news."""


class Race:
    """One call's lanes.  Use as an async context manager: leaving it stops every lane."""

    def __init__(
        self,
        plan: Plan,
        *,
        admit: Admit,
        purses: RoutePurses,
        healthy: Callable[[str], bool],
        launch: Launch,
        reaper: Reaper,
        random_: random.Random,
        first_by: float | None,
        deadline: float | None,
        heartbeat: float | None = None,
    ) -> None:
        self.lanes: list[Lane] = []
        self._loop = asyncio.get_running_loop()
        self._schedule = Schedule(plan, admit=admit, purses=purses, healthy=healthy, random_=random_, deadline=deadline)
        self._hedging = plan.hedging
        self._launch = launch
        self._reaper = reaper
        self._first_by = first_by
        self._deadline = deadline
        self._seen_failing: set[Lane] = set()
        self._hedge_at: float | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._alarm = None if deadline is None else self._loop.call_at(deadline, self._wake)
        self.pulse = None if heartbeat is None else Pulse(heartbeat, self._wake)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        if self.pulse is not None:
            self.pulse.stop()
        for lane in self.lanes:
            if lane.end is None:  # a lane that said its last is left to close by itself, so its connection is reused
                lane.stop(Outcome.ABANDONED)
        self._reaper.take([lane.task for lane in self.lanes if not lane.task.done()])

    @property
    def no_hedge(self) -> str:
        """Why silence was not answered with another lane, "" = it was, or there was none."""
        return self._schedule.no_hedge

    async def winner(self) -> Lane:
        """Race on until a lane has spoken; raises NobodyLeft, OutOfTime."""
        while (lane := await self.winner_or_quiet()) is None:
            pass
        return lane

    async def winner_or_quiet(self) -> Lane | None:
        """Do as `winner`, but return None when a heartbeat is due first."""
        while True:
            now = self._loop.time()
            lane = self._step(now)
            if lane is not None:
                self._first_by = None
                return lane
            self._check_time(now)
            if self.pulse is not None and self.pulse.due:
                return None
            await self._pause(self._next_instant())

    async def more(self, winner: Lane) -> list[Chunk] | None:
        """Return what *winner* said since the last call, None after its end; raises BackendError, OutOfTime.

        An empty list: it has said nothing, and a heartbeat is due.
        """
        while True:
            if winner.running:  # first: a reader slower than the winner would never find an empty box
                self._check_time(self._loop.time())
            if chunks := winner.take():
                return chunks
            if winner.end is not None:
                return None
            if winner.error is not None:
                winner.outcome = Outcome.BROKE
                raise winner.error
            if self.pulse is not None and self.pulse.due:
                return []
            await self._pause(None)

    def _step(self, now: float) -> Lane | None:
        """Crown who spoke first, else start whoever is due."""
        spoken = [lane for lane in self.lanes if lane.spoke_at is not None and lane.outcome is None and not lane.error]
        if spoken:
            return self._crown(min(spoken, key=lambda lane: lane.spoke_at or 0.0))
        self._hear_failures(now)
        self._replace(now)
        self._hedge(now)
        for lane in self.lanes:
            if lane.running:
                return None
        if self._schedule.due() is None:
            raise NobodyLeft
        return None

    def _crown(self, winner: Lane) -> Lane:
        winner.outcome = Outcome.WON
        for lane in self.lanes:
            if lane.outcome is None and lane.error is None:
                lane.stop(Outcome.LOST)
                self._schedule.lost(lane.backend)
        return winner

    def _hear_failures(self, now: float) -> None:
        for lane in self.lanes:
            if lane.error is not None and lane not in self._seen_failing:
                self._seen_failing.add(lane)
                self._schedule.failed(lane.backend, lane.error, now)

    def _replace(self, now: float) -> None:
        if not self.lanes:
            self._start(self._schedule.first(), now)
        while (start := self._schedule.replacement(now)) is not None:
            self._start(start, now)

    def _hedge(self, now: float) -> None:
        hedging = self._hedging
        while hedging is not None and self._hedge_at is not None and self._hedge_at <= now + TICK:
            self._hedge_at = None
            if 0 < sum(lane.running for lane in self.lanes) < hedging.max_parallel:
                self._start(self._schedule.hedge(), now)

    def _start(self, start: Start | None, now: float) -> None:
        if start is not None:
            self.lanes.append(self._launch(start, self._wake))
            self._hedge_at = None if self._hedging is None else now + self._hedging.delay

    def _next_instant(self) -> float | None:
        instants = (self._hedge_at, self._schedule.due(), self._first_by)
        return min((at for at in instants if at is not None), default=None)

    def _check_time(self, now: float) -> None:
        if self._deadline is not None and now + TICK >= self._deadline:
            raise OutOfTime(first_token=False)
        if self._first_by is not None and now + TICK >= self._first_by:
            raise OutOfTime(first_token=True)

    async def _pause(self, until: float | None) -> None:
        self._waiter = self._loop.create_future()
        timer = None if until is None else self._loop.call_at(until, self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
