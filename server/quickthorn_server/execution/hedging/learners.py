"""What all routes with `delay: auto` have learned of hedging."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quickthorn_server.core.catalogue import Route
from quickthorn_server.core.plan import Advice
from quickthorn_server.execution.hedging.first_lanes import Heard, Race
from quickthorn_server.execution.hedging.learner import Learner
from quickthorn_server.execution.purses import Purses

__all__ = ["Heard", "Learners"]


class Learners:
    """One learner for each backend that a route with `delay: auto` has asked first."""

    def __init__(self, routes: Iterable[Route], purses: Purses) -> None:
        self._routes = {
            route.name: (route.hedge, route.budget, purses[route.name].hedges)
            for route in routes
            if route.hedge is not None and route.hedge.target is not None
        }
        self._learners: dict[tuple[str, str], Learner] = {}
        self._due: dict[str, set[str]] = {}

    def advice(self, route: str, lanes: tuple[str, ...], input_tokens: int) -> Advice:
        """Return what to do for a call of *route* that would ask *lanes* in this order."""
        return self._learner(route, lanes[0]).advice(lanes, input_tokens)

    def started(self, route: str, first: str, input_tokens: int, now: float) -> None:
        """Take in that a call of *route* begins *now*; *first*: the backend that is asked first.

        Each such call must be told of again, by `settled` or by `left`, or it counts as silent for ten minutes.
        """
        if route in self._routes:
            self._learner(route, first).first.start(input_tokens, now)

    def hedged(self, route: str, first: str, backend: str, input_tokens: int, *, began: float, now: float) -> None:
        """Take in that a call that began at *began* asks *backend* too, *now*, because of silence."""
        if route in self._routes:
            self._learner(route, first).hedge(backend, input_tokens, began, now)

    def left(self, route: str, first: str, input_tokens: int, began: float) -> None:
        """Take in that a call that *began* then ended without telling anything: its lane failed, or it was stopped."""
        if route in self._routes:
            self._learner(route, first).leave(input_tokens, began)

    def settled(self, route: str, input_tokens: int, lanes: Sequence[Heard], now: float) -> bool:
        """Learn from a race that is decided; *lanes*: the first one first.  True = `recompute` is due."""
        if route not in self._routes:
            return False
        first = lanes[0]
        took = first.seconds if len(lanes) == 1 else max(lane.started + lane.seconds for lane in lanes)
        if not self._learner(route, first.backend).settled(Race(input_tokens, tuple(lanes), now - took), now):
            return False
        self._due.setdefault(route, set()).add(first.backend)
        return True

    def recompute(self, route: str, now: float) -> bool:
        """Decide anew a part of what is due for *route*: up to 3 ms, so not inside a call; True = there is more."""
        due = self._due.get(route)
        if not due:
            return False
        first = due.pop()
        if self._learners[route, first].recompute(now):
            due.add(first)
        return bool(due)

    def _learner(self, route: str, first: str) -> Learner:
        found = self._learners.get((route, first))
        if found is None:
            found = self._learners[route, first] = Learner(*self._routes[route])
        return found
