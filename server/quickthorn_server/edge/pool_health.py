"""Tell the health service and the log about panic: `pool/<route>`."""

from __future__ import annotations

import logging
from collections.abc import Callable

from quickthorn_server.core.catalogue import Backend, Catalogue
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.plan import Circuit, Knowledge
from quickthorn_server.edge.health import Health
from quickthorn_server.routing.guard import pool_of, spared

log = logging.getLogger("quickthorn")


class PoolObserver:
    """A core Observer: a route's pool serves while its circuits keep out no more than the route allows.

    `route/<name>` says whether anybody may be asked, this whether the circuits are still obeyed, as a request sees it
    that every backend could answer.  Routes of one backend have no pool.  *knowledge* knows already what is told here.
    """

    def __init__(self, health: Health, catalogue: Catalogue, knowledge: Callable[[], Knowledge]) -> None:
        self._health = health
        self._knowledge = knowledge
        pools = {name: pool_of(route, catalogue) for name, route in catalogue.routes.items()}
        self._pools = [(catalogue.routes[name], pool) for name, pool in pools.items() if len(pool) > 1]
        self._panicking: set[str] = set()
        for route, _ in self._pools:
            health.set(f"pool/{route.name}", serving=True)

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:  # noqa: ARG002 - the signature is the Observer's
        """Say of each of the backend's routes whether it is in panic now; the log hears of changes only."""
        knowledge = self._knowledge()
        for route, everybody in self._pools:
            pool = [each for each in everybody if each.name not in knowledge.keys_refused]
            panic = bool(spared(pool, route, knowledge))
            if panic == (route.name in self._panicking) or all(each.name != backend for each in everybody):
                continue
            self._panicking ^= {route.name}
            self._health.set(f"pool/{route.name}", serving=not panic)
            level, state = (logging.WARNING, "entered") if panic else (logging.INFO, "left")
            out = sum(each.name in knowledge.ejected for each in pool)
            log.log(level, "panic route=%s state=%s out=%d of=%d", route.name, state, out, len(pool))

    def key_changed(self, backend: Backend, refused: bool) -> None:  # noqa: ARG002 - the same
        """Look again: whose key is refused is asked by nobody, and is not of the pool."""
        self.circuit_changed(backend.name, Circuit.CLOSED)

    def call_ended(self, decision: Decision) -> None:
        """Nothing: pools are about circuits, not about calls."""
