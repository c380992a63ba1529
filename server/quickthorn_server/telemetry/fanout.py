"""Several observers as one."""

from __future__ import annotations

from collections.abc import Sequence

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.observer import Observer
from quickthorn_server.core.plan import Circuit


class Fanout:
    """Tells every observer in turn; of calls only those *of_calls*, None = all: the others need not even be asked."""

    def __init__(self, observers: Sequence[Observer], of_calls: Sequence[Observer] | None = None) -> None:
        self._observers = observers
        self._of_calls = observers if of_calls is None else of_calls

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.circuit_changed(backend, circuit)

    def key_changed(self, backend: Backend, refused: bool) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.key_changed(backend, refused)

    def call_ended(self, decision: Decision) -> None:
        """Pass it on."""
        for observer in self._of_calls:
            observer.call_ended(decision)
