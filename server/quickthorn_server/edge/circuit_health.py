"""Tell the health service about circuits: `backend/<name>` and `route/<name>`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from quickthorn_server.core.catalogue import Backend, Catalogue
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.plan import Circuit
from quickthorn_server.edge.health import Health
from quickthorn_server.execution.alarm import TICK


class Timer(Protocol):
    """What can be taken back."""

    def cancel(self) -> None:
        """Do not call after all."""


Later = Callable[[float, Callable[[], None]], Timer]
"""Call something so many seconds from now."""


class HealthObserver:
    """A core Observer.

    A backend serves while its circuit is closed and its key is taken; the log says which it is.  A route serves while
    one of its backends may be asked, also on trial: a balancer that turns away from a route would stop the very calls
    that close its circuits again.

    *wait*: backend -> seconds until its circuit lets a probe through.
    """

    def __init__(self, health: Health, catalogue: Catalogue, later: Later, wait: Callable[[str], float]) -> None:
        self._health = health
        self._catalogue = catalogue
        self._later = later
        self._wait = wait
        self._shut: dict[str, Timer] = {}
        self._not_closed: set[str] = set()
        self._keys_refused: set[str] = set()
        self._never_asked: set[str] = set()
        for backend in catalogue.backends:
            health.set(f"backend/{backend}", serving=True)
        for route in catalogue.routes:
            health.set(f"route/{route}", serving=True)

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        """Set the backend's health, and that of the routes it is in."""
        (self._not_closed.discard if circuit is Circuit.CLOSED else self._not_closed.add)(backend)
        timer = self._shut.pop(backend, None)
        if timer is not None:
            timer.cancel()
        if circuit is Circuit.OPEN:
            self._shut[backend] = self._later(self._wait(backend), lambda: self._may_be_tried(backend))
        self._tell(backend)

    def key_changed(self, backend: Backend, refused: bool) -> None:
        """Set the same: a backend whose key is refused is asked nothing, however well it is.

        Without a key of ours it is asked again by and by, so its routes stay open as they do for a trial.
        """
        (self._keys_refused.add if refused else self._keys_refused.discard)(backend.name)
        if backend.api_key is not None:
            (self._never_asked.add if refused else self._never_asked.discard)(backend.name)
        self._tell(backend.name)

    def call_ended(self, decision: Decision) -> None:
        """Nothing: health is about circuits, not about calls."""

    def _may_be_tried(self, backend: str) -> None:
        self._shut.pop(backend, None)
        if (wait := self._wait(backend)) > TICK:  # an operator holds it open
            self._shut[backend] = self._later(wait, lambda: self._may_be_tried(backend))
        self._tell_routes(backend)

    def _tell(self, backend: str) -> None:
        serving = backend not in self._not_closed and backend not in self._keys_refused
        self._health.set(f"backend/{backend}", serving=serving)
        self._tell_routes(backend)

    def _tell_routes(self, backend: str) -> None:
        for name, route in self._catalogue.routes.items():
            candidates = {entry.backend for entry in route.entries}
            if backend in candidates:
                self._health.set(f"route/{name}", serving=not candidates <= self._shut.keys() | self._never_asked)
