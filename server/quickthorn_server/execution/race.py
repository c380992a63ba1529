"""The staggered race: retry, failover and hedging as one loop.

The next lane starts when one *fails*, or when the hedging *delay passes in silence*; the first lane to say something
the client will see wins, and the others are cancelled in that same step.  It is "happy eyeballs" (RFC 8305; trio's
`open_tcp_stream`, aiohappyeyeballs) over streams, with three changes that a model needs:

* A lane speaks with its first visible chunk, or with a clean end.  An opened connection has said nothing.
* A failure never beats a healthy lane.  A terminal failure (no backend would do better) stops new lanes only; it
  becomes the call's status when no lane is left.
* A winner may break.  A unary caller has seen nothing, so `winner` may be called again and races on without it;
  whoever had lost to it may then be asked once more.  A stream's caller has seen its words, so the race is over, or
  somebody is looked for who goes on with them (`go_on`).

Everything is decided in `_step`, synchronously, whenever anything changed; doing is `_start` and `Lane.stop`.
Losers are never waited for here: leaving the race hands what still closes to the reaper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quickthorn_server.core.attempt import Outcome
from quickthorn_server.core.chunk import Chunk
from quickthorn_server.core.plan import Hedging
from quickthorn_server.execution.alarm import TICK, Alarm, Alarms
from quickthorn_server.execution.lane import Lane
from quickthorn_server.execution.pulse import Pulse
from quickthorn_server.execution.reaper import Reaper
from quickthorn_server.execution.schedule import Schedule, Start


class NobodyLeft(Exception):  # noqa: N818 - a state of the race, not a fault in it
    """No lane runs and none may start."""


class OutOfTime(Exception):  # noqa: N818 - the same
    """The call's limit passed; *first_token* tells which: the wait for content, or the deadline."""

    def __init__(self, *, first_token: bool) -> None:
        super().__init__("out of time")
        self.first_token = first_token


Launch = Callable[[Start, Alarm, Callable[[], None]], Lane]
"""Open a lane for a start; the alarm watches it, and the last argument is what it calls when there is news."""


class Race:
    """One call's lanes.  Whoever makes a race must `leave` it, which stops every lane.

    *first_by* and *deadline*: instants by which there must be content, and an end; None = no limit.
    """

    __slots__ = (
        "_alarm",
        "_deadline",
        "_first_by",
        "_hedge_at",
        "_hedging",
        "_launch",
        "_loop",
        "_reaper",
        "_until",
        "_waiter",
        "lanes",
        "pulse",
        "schedule",
    )

    def __init__(
        self,
        hedging: Hedging | None,
        schedule: Schedule,
        launch: Launch,
        reaper: Reaper,
        alarms: Alarms,
        *,
        first_by: float | None,
        deadline: float | None,
        heartbeat: float | None = None,
    ) -> None:
        self.lanes: list[Lane] = []
        self._loop = loop = asyncio.get_running_loop()
        self.schedule = schedule
        self._hedging = hedging
        self._launch = launch
        self._reaper = reaper
        self._first_by = first_by
        self._deadline = deadline
        self._hedge_at: float | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._until: float | None = None  # when to look again though nothing has happened
        self._alarm = alarm = Alarm(alarms, self._look)
        self.pulse = None if heartbeat is None else Pulse(heartbeat, alarm, loop.time(), self._wake)

    def leave(self) -> None:
        """Stop every lane; what still closes is the reaper's."""
        self._alarm.stop()
        closing = []
        for lane in self.lanes:
            if lane.end is None:  # a lane that said its last is left to close by itself, so its connection is reused
                lane.stop(Outcome.ABANDONED)
            if not lane.task.done():
                closing.append(lane.task)
        if closing:
            self._reaper.take(closing)

    def forget(self) -> None:
        """Let go of all that refers back to the race, once nothing is asked of it any more.

        What is left to the collector of garbage stays cold memory until it comes: 50 objects a call.
        """
        self.lanes = []
        del self._launch, self.schedule

    async def winner(self) -> Lane | None:
        """Race on until a lane has spoken; None = a heartbeat is due first.  Raises NobodyLeft, OutOfTime."""
        while True:
            now = self._loop.time()
            lane = self._step(now)
            if lane is not None:
                self._first_by = None
                return lane
            self._check_time(now)
            if self.pulse is not None and self.pulse.due:
                return None
            await self._news(self._next_instant())

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
            await self._news(self._deadline)

    def go_on(self, broken: Lane) -> None:
        """Race on, without hedges, for somebody to continue what *broken*, the last winner, was saying.

        `winner` then returns who does, or raises NobodyLeft.
        """
        if broken.error is None:
            raise ValueError("the winner has not broken")
        broken.noted = True
        self._hear_failures(self._loop.time())  # of who failed in the step that was won: owed to the race before
        self._hedging = self._hedge_at = None
        self.schedule.broke(broken.error)

    def _step(self, now: float) -> Lane | None:
        """Crown who spoke first, else start whoever is due."""
        if not self.lanes:
            self._start(self.schedule.first(), now)
            if self.lanes and (self._hedge_at is None or self._hedge_at > now + TICK):
                return None
        elif (spoken := self._first_to_speak()) is not None:
            return self._crown(spoken)
        else:
            self._hear_failures(now)
        while (start := self.schedule.replacement(now)) is not None:
            self._start(start, now)
        self._hedge(now)
        for lane in self.lanes:
            if lane.running:
                return None
        if self.schedule.due() is None:
            raise NobodyLeft
        return None

    def _first_to_speak(self) -> Lane | None:
        first: Lane | None = None
        for lane in self.lanes:
            if lane.spoke_at is None or lane.outcome is not None or lane.error is not None:
                continue
            if first is None or first.spoke_at is None or lane.spoke_at < first.spoke_at:
                first = lane
        return first

    def _crown(self, winner: Lane) -> Lane:
        winner.outcome = Outcome.WON
        for lane in self.lanes:
            if lane.outcome is None and lane.error is None:
                lane.stop(Outcome.LOST)
                self.schedule.lost(lane.backend)
        return winner

    def _hear_failures(self, now: float) -> None:
        for lane in self.lanes:
            if lane.error is not None and not lane.noted:
                lane.noted = True
                self.schedule.failed(lane.backend, lane.error, now)

    def _hedge(self, now: float) -> None:
        hedging = self._hedging
        while hedging is not None and self._hedge_at is not None and self._hedge_at <= now + TICK:
            self._hedge_at = None
            if 0 < sum(lane.running for lane in self.lanes) < hedging.max_parallel:
                self._start(self.schedule.hedge(), now)

    def _start(self, start: Start | None, now: float) -> None:
        if start is None:
            return
        self._hedge_at = None if self._hedging is None else now + self._hedging.delay
        if (at := self._next_instant()) is not None:
            self._alarm.by(at)  # before the lane asks for instants that are mostly later: so it sets one timer, not two
        self.lanes.append(self._launch(start, self._alarm, self._wake))

    def _next_instant(self) -> float | None:
        first: float | None = None
        retry_at = self.schedule.due() if self.schedule.again else None
        for at in (self._deadline, self._hedge_at, self._first_by, retry_at):
            if at is not None and (first is None or at < first):
                first = at
        return first

    def _check_time(self, now: float) -> None:
        if self._deadline is not None and now + TICK >= self._deadline:
            raise OutOfTime(first_token=False)
        if self._first_by is not None and now + TICK >= self._first_by:
            raise OutOfTime(first_token=True)

    def _news(self, until: float | None) -> asyncio.Future[None]:
        """Return what is done when something has happened, or *until* has come."""
        self._waiter = waiter = self._loop.create_future()
        self._until = until
        if until is not None and until < self._alarm.at:
            self._alarm.by(until)
        return waiter

    def _look(self, now: float) -> float | None:
        if self._until is None or self._until > now + TICK:
            return self._until
        self._wake()
        return None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
