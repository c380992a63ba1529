"""Waits for lanes that nobody waits for any more, so that a slow close delays no answer and no task is forgotten."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

log = logging.getLogger(__name__)

_PATIENCE = 1.0  # seconds


class Reaper:
    """Holds stopped lanes until they have closed.  *stragglers* counts those that took longer than a second."""

    def __init__(self) -> None:
        self.stragglers = 0
        self._closing: dict[asyncio.Task[None], asyncio.TimerHandle] = {}

    def take(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """Look after *tasks*: they are closing, or about to end by themselves."""
        loop = asyncio.get_running_loop()
        for task in tasks:
            self._closing[task] = loop.call_later(_PATIENCE, self._late, task)
            task.add_done_callback(self._gone)

    async def idle(self, seconds: float) -> None:
        """Wait until nothing is closing any more, at most *seconds*."""
        if self._closing:
            await asyncio.wait(set(self._closing), timeout=seconds)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._closing.pop(task).cancel()

    def _late(self, task: asyncio.Task[None]) -> None:
        self.stragglers += 1
        log.warning("lane:%s has not closed within %s s", task.get_name(), _PATIENCE)
        if not task.cancelling():  # one being cancelled is left alone: a second cancel would interrupt its clean-up
            task.cancel()
