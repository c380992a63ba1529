"""Going away without losing a call.

`Server.stop` alone loses calls: those that gRPC has queued but not yet accepted end as CANCELLED, about 29 per
restart at 32 concurrent callers, whatever the grace; and it returns before the handlers it cut have cleaned up.  So
the server says first that it goes, and stops when nobody comes any more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from quickthorn_server.edge.gate import Gate
from quickthorn_server.edge.health import Health

log = logging.getLogger(__name__)

_PATIENCE = 10  # times *quiet*: clients that ignore health never fall silent
_LINGER = 0.5  # seconds for streams that are not calls, once no call is left: watches that nobody reads, reflection
_CLEAN_UP = 5.0  # seconds for the handlers that were cut
_TICK = 0.02


class Stoppable(Protocol):
    """The one thing needed of a gRPC server."""

    async def stop(self, grace: float | None) -> None:
        """Accept nothing more; cut what still runs after *grace* seconds.  Of several stops the shortest counts."""


@dataclass(frozen=True, slots=True)
class Drained:
    """How it went: calls *cut* off by the end of the grace, those of them *stuck* in their clean-up, and *seconds*."""

    cut: int
    stuck: int
    seconds: float


class Drain:
    """The way down of one server, once.

    *quiet* seconds without an arrival end the wait for clients to leave; running calls then have *grace* seconds.
    *clock* returns seconds.
    """

    def __init__(
        self,
        server: Stoppable,
        gate: Gate,
        health: Health,
        *,
        quiet: float,
        grace: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._gate = gate
        self._health = health
        self._quiet = quiet
        self._grace = grace
        self._clock = clock
        self._hurried = False

    def hurry(self) -> None:
        """Cut the waits and the grace short, from now on: the second signal."""
        self._hurried = True

    async def run(self) -> Drained:
        """Drain and return when the server has stopped and its handlers have cleaned up, or had their time to."""
        began = self._clock()
        self._health.begin_drain()
        await self._silence(began)
        self._gate.close()
        self._health.end_watches()
        cut = await self._stop()
        left = self._gate.running
        stuck = (await asyncio.wait(left, timeout=_CLEAN_UP))[1] if left else set()
        drained = Drained(cut, len(stuck), self._clock() - began)
        log.info("drained cut=%d stuck=%d seconds=%.1f", drained.cut, drained.stuck, drained.seconds)
        return drained

    async def _silence(self, began: float) -> None:
        """Go on accepting until nobody has come for *quiet* seconds since clients could know."""
        while not self._hurried:
            now = self._clock()
            if min(now - began, self._gate.quiet_for()) >= self._quiet or now - began >= self._quiet * _PATIENCE:
                return
            await asyncio.sleep(_TICK)

    async def _stop(self) -> int:
        """Stop the server, and return how many calls were cut."""
        began = last_running = self._clock()
        cut = 0
        # Its own grace is longer: what ends it is the stop below, at an instant at which calls can be counted.
        stopping = asyncio.ensure_future(self._server.stop(self._grace + _LINGER))
        try:
            while not (await asyncio.wait({stopping}, timeout=_TICK))[0]:
                now, running = self._clock(), self._gate.running
                last_running = now if running else last_running
                if self._hurried or now - began >= self._grace or now - last_running >= _LINGER:
                    cut = len(running)
                    await self._server.stop(None)
                    break
            await stopping
        finally:
            stopping.cancel()
        return cut
