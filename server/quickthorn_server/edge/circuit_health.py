"""Tell the health service about circuits: `backend/<name>` and `route/<name>`."""

from __future__ import annotations

from quickthorn_server.core.attempt import Trace
from quickthorn_server.core.call import Call
from quickthorn_server.core.catalogue import Catalogue
from quickthorn_server.core.plan import Circuit
from quickthorn_server.edge.health import Health


class HealthObserver:
    """A core Observer.  A backend serves while its circuit is closed, a route while one of its backends does."""

    def __init__(self, health: Health, catalogue: Catalogue) -> None:
        self._health = health
        self._routes = catalogue.routes
        self._down: set[str] = set()
        for backend in catalogue.backends:
            health.set(f"backend/{backend}", serving=True)
        for route in self._routes:
            health.set(f"route/{route}", serving=True)

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        """Set the backend's health, and that of the routes it is in."""
        if circuit is Circuit.CLOSED:
            self._down.discard(backend)
        else:
            self._down.add(backend)
        self._health.set(f"backend/{backend}", serving=backend not in self._down)
        for name, route in self._routes.items():
            candidates = {entry.backend for entry in route.entries}
            if backend in candidates:
                self._health.set(f"route/{name}", serving=not candidates <= self._down)

    def call_ended(self, call: Call, route: str, ended: str, trace: Trace) -> None:
        """Nothing: health is about circuits, not about calls."""
