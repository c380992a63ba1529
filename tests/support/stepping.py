"""A virtual loop that can act between any two callbacks, to cancel a call wherever it may be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import TypeVarTuple

from tests.support.virtual import VirtualTimeLoop

Ts = TypeVarTuple("Ts")


class SteppingLoop(VirtualTimeLoop):
    """Counts callbacks (steps of tasks, wake-ups, timers) from `begin` on, and calls *act* before those at *stops*."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self._stops: frozenset[int] = frozenset()
        self._act: Callable[[], object] = bool
        self._counting = False

    def begin(self, act: Callable[[], object], stops: Iterable[int]) -> None:
        """Count from here."""
        self.steps, self._stops, self._act, self._counting = 0, frozenset(stops), act, True

    def end(self) -> None:
        """Count no more."""
        self._counting = False

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a callback that is counted."""
        return super().call_soon(self._run, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule a callback that is counted."""
        return super().call_at(when, self._run, callback, *args, context=context)

    @property
    def timers(self) -> int:
        """Timers that are set and not cancelled."""
        return sum(not handle.cancelled() for handle in self._scheduled)  # type: ignore[attr-defined]

    def _run(self, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        if self._counting:
            if self.steps in self._stops:
                self._act()
            self.steps += 1
        callback(*args)
