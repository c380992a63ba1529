"""Circuits as health: a route serves while one of its backends does."""

from __future__ import annotations

from quickthorn_server.core.catalogue import Backend, Catalogue, Entry, Route
from quickthorn_server.core.plan import Circuit
from quickthorn_server.edge.circuit_health import HealthObserver
from quickthorn_server.edge.health import Health

CATALOGUE = Catalogue(
    backends={name: Backend(name, "scripted", "m", "m") for name in ("a", "b", "c")},
    routes={
        "both": Route("both", (Entry("a"), Entry("b"))),
        "one": Route("one", (Entry("a"),)),
        "other": Route("other", (Entry("c"),)),
    },
    version="1",
)


def down(health: Health) -> set[str]:
    """Return the names that do not serve."""
    return {name for name, serving in health.serving().items() if not serving}


def test_a_route_is_down_when_all_its_backends_are() -> None:
    """Open and half-open circuits count as down; the process itself is not touched."""
    health = Health()
    health.start_serving()
    observer = HealthObserver(health, CATALOGUE)
    assert down(health) == set()
    observer.circuit_changed("a", Circuit.OPEN)
    assert down(health) == {"backend/a", "route/one"}
    observer.circuit_changed("b", Circuit.HALF_OPEN)
    assert down(health) == {"backend/a", "backend/b", "route/one", "route/both"}
    observer.circuit_changed("a", Circuit.HALF_OPEN)
    assert down(health) == {"backend/a", "backend/b", "route/one", "route/both"}
    observer.circuit_changed("a", Circuit.CLOSED)
    assert down(health) == {"backend/b"}


def test_a_circuit_that_closes_during_drain_changes_nothing() -> None:
    """From drain on everything is down."""
    health = Health()
    health.start_serving()
    observer = HealthObserver(health, CATALOGUE)
    health.begin_drain()
    observer.circuit_changed("a", Circuit.CLOSED)
    health.start_serving()
    assert all(not serving for serving in health.serving().values())
