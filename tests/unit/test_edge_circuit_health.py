"""Circuits as health: a route serves while one of its backends does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from quickthorn_server.core.catalogue import Backend, Catalogue, Entry, Route
from quickthorn_server.core.plan import Circuit
from quickthorn_server.core.secret import Secret
from quickthorn_server.edge.circuit_health import HealthObserver
from quickthorn_server.edge.health import Health

CATALOGUE = Catalogue(
    backends={name: Backend(name, "scripted", "m", "m", api_key=Secret("k")) for name in ("a", "b", "c")},
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


class Timers:
    """Timers that a test lets ring."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []
        self.wait = 5.0

    def later(self, wait: float, ring: Callable[[], None]) -> Timers.Handle:
        self.waiting.append((wait, ring))
        return Timers.Handle(self, (wait, ring))

    def ring(self) -> None:
        due, self.waiting = self.waiting, []
        for _, ring in due:
            ring()

    class Handle:
        """One of them."""

        def __init__(self, timers: Timers, entry: tuple[float, Callable[[], None]]) -> None:
            self._timers, self._entry = timers, entry

        def cancel(self) -> None:
            if self._entry in self._timers.waiting:
                self._timers.waiting.remove(self._entry)


def test_a_route_is_down_while_none_of_its_backends_may_be_asked() -> None:
    """A backend is down unless its circuit is closed; a route only while all its circuits are open."""
    health, timers = Health(), Timers()
    health.start_serving()
    observer = HealthObserver(health, CATALOGUE, timers.later, lambda _: timers.wait)
    assert down(health) == set()
    observer.circuit_changed("a", Circuit.OPEN)
    assert down(health) == {"backend/a", "route/one"}
    observer.circuit_changed("b", Circuit.OPEN)
    assert down(health) == {"backend/a", "backend/b", "route/one", "route/both"}
    observer.circuit_changed("a", Circuit.HALF_OPEN)
    assert down(health) == {"backend/a", "backend/b"}
    observer.circuit_changed("a", Circuit.CLOSED)
    assert down(health) == {"backend/b"}


def test_a_route_comes_back_when_its_circuit_would_let_a_probe_through() -> None:
    """Nobody needs to call first: a balancer that obeys the health of a route would never let anybody."""
    health, timers = Health(), Timers()
    health.start_serving()
    observer = HealthObserver(health, CATALOGUE, timers.later, lambda _: timers.wait)
    observer.circuit_changed("a", Circuit.OPEN)
    assert [wait for wait, _ in timers.waiting] == [5.0]
    timers.ring()
    assert down(health) == {"backend/a", "route/one"}  # held open for longer
    timers.wait = 0.0
    timers.ring()
    assert down(health) == {"backend/a"}
    observer.circuit_changed("a", Circuit.OPEN)
    observer.circuit_changed("a", Circuit.CLOSED)
    assert timers.waiting == []
    assert down(health) == set()


def test_a_backend_whose_key_is_refused_does_not_serve() -> None:
    """However well its circuit is; a route goes down with the last backend that may be asked, for whichever reason."""
    health = Health()
    health.start_serving()
    observer = HealthObserver(health, CATALOGUE, Timers().later, lambda _: 5.0)
    a, b = CATALOGUE.backends["a"], CATALOGUE.backends["b"]
    observer.key_changed(a, refused=True)
    observer.circuit_changed("a", Circuit.CLOSED)
    assert down(health) == {"backend/a", "route/one"}
    observer.circuit_changed("b", Circuit.OPEN)
    assert down(health) == {"backend/a", "backend/b", "route/one", "route/both"}
    observer.key_changed(b, refused=True)
    observer.circuit_changed("b", Circuit.CLOSED)
    assert down(health) == {"backend/a", "backend/b", "route/one", "route/both"}
    observer.key_changed(a, refused=False)
    assert down(health) == {"backend/b"}


def test_a_backend_without_a_key_of_ours_leaves_its_routes_open() -> None:
    """It is asked again by and by, and by calls alone: a balancer that turned away would keep it down for ever."""
    health = Health()
    health.start_serving()
    observer = HealthObserver(health, CATALOGUE, Timers().later, lambda _: 5.0)
    observer.key_changed(replace(CATALOGUE.backends["a"], api_key=None), refused=True)
    assert down(health) == {"backend/a"}


def test_a_circuit_that_closes_during_drain_changes_nothing() -> None:
    """From drain on everything is down."""
    health = Health()
    health.start_serving()
    observer = HealthObserver(health, CATALOGUE, Timers().later, lambda _: 5.0)
    health.begin_drain()
    observer.circuit_changed("a", Circuit.CLOSED)
    health.start_serving()
    assert all(not serving for serving in health.serving().values())
