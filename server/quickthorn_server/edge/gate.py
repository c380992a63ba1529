"""Who may come in: counts running calls, refuses those too many, and refuses all once the replica goes away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason

_BACK_OFF = 0.25  # seconds until this replica may be asked again

CallTask = asyncio.Task[Any]


class Gate:
    """Admits at most *max_in_flight* calls at once, without a queue.

    A queue would let callers wait for a replica that has no time for them, while another one has.  *clock* returns
    seconds.
    """

    def __init__(self, max_in_flight: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._running: set[CallTask] = set()
        self._closed = False
        self._last_arrival = clock()

    @property
    def running(self) -> frozenset[CallTask]:
        """The tasks of admitted calls that have not ended yet."""
        return frozenset(self._running)

    def enter(self, task: CallTask) -> None:
        """Admit the call that runs in *task*, until the task is done.

        Raises CallError DRAINING when closed, OVERLOADED when full.
        """
        self._last_arrival = self._clock()
        if self._closed:
            raise CallError(Reason.DRAINING, "this replica is going away, ask another one")
        if len(self._running) >= self._max_in_flight:
            raise CallError(Reason.OVERLOADED, "this replica is full, ask another one", retry_after=_BACK_OFF)
        self._running.add(task)
        # Not when the handler returns but when the task ends: until then gRPC is still sending the answer.
        task.add_done_callback(self._running.discard)

    def close(self) -> None:
        """Refuse every later call as DRAINING; those running go on."""
        self._closed = True

    def quiet_for(self) -> float:
        """Return the seconds since the last call asked to come in, admitted or not."""
        return self._clock() - self._last_arrival
