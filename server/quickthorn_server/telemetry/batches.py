"""Observers told of calls a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.observer import Observer
from quickthorn_server.core.plan import Circuit

_FEW = 16
_LINGER = 0.05  # seconds


class Batches:
    """Tells *observers* of 16 calls at once, or of fewer after 50 ms; of circuits at once, and in order with the calls.

    What runs once a call finds the processor's caches full of everything else that a call runs, and takes up to five
    times as long as what runs twice in a row.  `flush` when no call comes any more.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Decision] = []
        self._timer: asyncio.TimerHandle | None = None

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        """Pass it on, behind the calls that ended before."""
        self.flush()
        for observer in self._observers:
            observer.circuit_changed(backend, circuit)

    def key_changed(self, backend: Backend, refused: bool) -> None:
        """Pass it on, likewise."""
        self.flush()
        for observer in self._observers:
            observer.key_changed(backend, refused)

    def call_ended(self, decision: Decision) -> None:
        """Pass it on soon."""
        self._waiting.append(decision)
        if len(self._waiting) >= _FEW:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(_LINGER, self._look)

    def flush(self) -> None:
        """Pass on what waits."""
        waiting, self._waiting = self._waiting, []
        for observer in self._observers:
            for decision in waiting:
                observer.call_ended(decision)

    def _look(self) -> None:
        self._timer = None
        self.flush()
