"""How long a call waits until we see it, measured by calling ourselves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from quickthorn_server.edge.gate import Gate
from quickthorn_server.edge.own_door import CallItself
from quickthorn_server.edge.shedding import Shedder
from quickthorn_server.execution.window import Clock

log = logging.getLogger(__name__)

STEP = 0.1
"""Seconds between two looks."""

_BUSY = 0.5  # of the event loop's thread, from which on a call could wait
_SHORT = 0.02  # seconds: a wait that need not be looked at so often
_CALMLY = 2  # looks: so often then
_RARELY = 10  # looks: so often we look all the same, for a processor that is not ours makes calls wait, too
_AGAIN = 5.0  # seconds until a way to call ourselves that has failed is tried again


@asynccontextmanager
async def measuring(
    gate: Gate, shedder: Shedder, call: CallItself | None, thread_time: Clock = time.thread_time
) -> AsyncIterator[None]:
    """Tell *shedder* how long calls wait until the block is left, as `Sojourn` does; *call* None = it is not known."""
    if call is None:
        yield
        return
    watching = asyncio.create_task(Sojourn(gate, shedder, call, thread_time).watch(), name="sojourn")
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait([watching])


class Sojourn:
    """Tells *shedder* how long calls wait, while *gate* has any.

    *call* makes the cheapest of calls, which is queued with all others, and raises if it could not.  One at a time:
    while it waits, its age is told where that exceeds the last wait that is known.  A server that is not busy calls
    itself once a second, a busy one five times, ten where calls wait, and one without calls never; *thread_time*:
    seconds that this thread has computed.
    """

    def __init__(
        self,
        gate: Gate,
        shedder: Shedder,
        call: CallItself,
        thread_time: Clock,
    ) -> None:
        self._gate = gate
        self._shedder = shedder
        self._call = call
        self._thread_time = thread_time
        self._loop = asyncio.get_running_loop()
        self._wait = 0.0
        self._tell_at = logging.WARNING  # once for each time that it cannot be measured

    async def watch(self) -> None:
        """Measure until cancelled."""
        looks, computed = 0, self._thread_time()
        while True:
            await self._gate.somebody.wait()
            if not self._gate.running and not self._shedder.active:
                self._gate.somebody.clear()
            await asyncio.sleep(STEP)
            before, computed = computed, self._thread_time()
            looks += 1
            busy = computed - before >= _BUSY * STEP and (looks % _CALMLY == 0 or self._wait > _SHORT)
            if busy or self._shedder.active or looks % _RARELY == 0:
                await self._measure()

    async def _measure(self) -> None:
        began = self._loop.time()
        calling = asyncio.ensure_future(self._call())
        try:
            while not (await asyncio.wait({calling}, timeout=STEP))[0]:
                now = self._loop.time()
                self._shedder.observe(max(self._wait, now - began), now)
        finally:
            calling.cancel()
        if error := calling.exception():
            log.log(self._tell_at, "overload is not seen, for we cannot call ourselves: %s", error)
            self._tell_at = logging.DEBUG
            await asyncio.sleep(_AGAIN)
            return
        now = self._loop.time()
        self._wait = now - began
        self._shedder.observe(self._wait, now)
        self._tell_at = logging.WARNING
