"""Who may come in: counts running calls, refuses those too many, and refuses all once the replica goes away."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.request import Priority
from quickthorn_server.edge.episode import Episode
from quickthorn_server.edge.shedding import Shedder

_BULK, _RESERVE = 0.8, 0.1  # of all places: what bulk calls may take, and what critical ones may take beyond them
_SOON = tuple(0.25 * (0.5 + step / 16) for step in range(16))
_LATER = tuple(4 * wait for wait in _SOON)
"""Seconds until this replica may be asked again, 0.25 or 1 on the whole: where calls end soon, and where they wait.

One of 16, drawn each time, or those who were refused together would come back together.
"""

CallTask = asyncio.Task[Any]


class Gate:
    """Admits at most *max_in_flight* calls at once, without a queue; fewer bulk ones, a tenth more critical ones.

    A queue would let callers wait for a replica that has no time for them, while another one has.  *shedder* says whom
    to refuse besides, *clock* returns seconds.
    """

    def __init__(
        self,
        max_in_flight: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        shedder: Shedder | None = None,
        random_: random.Random | None = None,
    ) -> None:
        self._places = {
            Priority.BULK: max(1, int(max_in_flight * _BULK)),
            Priority.NORMAL: max_in_flight,
            Priority.CRITICAL: max_in_flight + int(max_in_flight * _RESERVE),
        }
        self._roomy = self._places[Priority.BULK]
        self._all = self._places[Priority.CRITICAL]
        self._clock = clock
        self._shedder = shedder or Shedder(float("inf"))
        self._random = random_ or random.Random()  # noqa: S311 - spreads clients, hides nothing
        self._running: set[CallTask] = set()
        self._closed = False
        self._last_arrival = clock()
        self._episode = Episode()
        self.tight = False
        """Whether `shut` or `choosy` may hold, as far as the last call saw: each call asks, so it is an attribute."""
        self.somebody = asyncio.Event()
        """Set when a call comes in; whoever clears it wants to know of the next."""

    @property
    def running(self) -> frozenset[CallTask]:
        """The tasks of admitted calls that have not ended yet."""
        return frozenset(self._running)

    @property
    def choosy(self) -> bool:
        """Whether it matters how urgent a call is: nobody need find out before."""
        running = len(self._running)
        self.tight = running + 1 >= self._roomy or self._shedder.active or self._closed
        return running >= self._roomy or self._shedder.active

    @property
    def shut(self) -> bool:
        """Whether nobody may come in, however urgent."""
        return self._closed or len(self._running) >= self._all

    def enter(self, task: CallTask, priority: Priority = Priority.NORMAL) -> None:
        """Admit the call that runs in *task*, until the task is done.

        Raises CallError DRAINING when closed, OVERLOADED when it is one too many.
        """
        self._last_arrival = now = self._clock()
        running = len(self._running)
        if running + 1 >= self._roomy or self._shedder.active or self._closed:
            self.tight = True
            if self._closed or running >= self._places[priority] or self._shedder.refuses(priority):
                raise self._refusal(priority, now)
        if not running:
            self.somebody.set()
        self._running.add(task)
        # Not when the handler returns but when the task ends: until then gRPC is still sending the answer.
        task.add_done_callback(self._running.discard)

    def turn_away(self) -> CallError:
        """Return why a call is refused that comes while the gate is shut."""
        self._last_arrival = now = self._clock()
        return self._refusal(Priority.NORMAL, now)

    def _refusal(self, priority: Priority, now: float) -> CallError:
        if self._closed:
            return CallError(Reason.DRAINING, "this replica is going away, ask another one")
        if len(self._running) >= self._places[priority]:
            self._episode.refused(priority, f"{len(self._running)} calls are in flight", now)
            wait = self._random.choice(_SOON)
            return CallError(Reason.OVERLOADED, "this replica is full, ask another one", retry_after=wait)
        self._episode.refused(priority, "calls wait too long until they are seen", now)
        wait = self._random.choice(_LATER)
        return CallError(Reason.OVERLOADED, "this replica is overloaded, ask another one", retry_after=wait)

    def close(self) -> None:
        """Refuse every later call as DRAINING; those running go on."""
        self._closed = True
        self._episode.close()

    def quiet_for(self) -> float:
        """Return the seconds since the last call asked to come in, admitted or not."""
        return self._clock() - self._last_arrival
