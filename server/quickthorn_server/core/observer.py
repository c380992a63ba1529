"""What the outside may be told while calls run.  Nobody inside waits for an observer, or needs one."""

from __future__ import annotations

from typing import Protocol

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.plan import Circuit


class Observer(Protocol):
    """Told synchronously; must return at once and must not raise."""

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        """Say that a backend's circuit is now in another state."""
        ...

    def key_changed(self, backend: Backend, refused: bool) -> None:
        """Say that a backend's key was refused, once for each key, or that it has been given another."""
        ...

    def call_ended(self, decision: Decision) -> None:
        """Say that a call ended, and how: once for every call that was planned."""
        ...
