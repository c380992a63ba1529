"""On which rung of its route's ladder an answer stands, and why not higher.  Pure: read off what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quickthorn_server.core.attempt import Attempt
from quickthorn_server.core.catalogue import Backend, Route, Strategy
from quickthorn_server.core.ladder import Rung


def rung(
    route: Route, order: Sequence[Backend], lower: Mapping[str, str], attempts: Sequence[Attempt], served_by: int
) -> Rung | None:
    """Return the rung of the answer that lane *served_by* gave, None = it was served as planned.

    *order*: the plan's candidates.  *lower*: those of a lower tier than the first, with its name.  As planned is
    the first candidate; who overtook it while it went on; and whoever takes turns with it by weight.
    """
    name, first = attempts[served_by].backend, order[0]
    if name in lower:
        return Rung.LOWER_TIER
    if name == first.name or _was_overtaken(first, attempts):
        return None
    served = next(backend for backend in order if backend.name == name)
    if served.model_id == first.model_id:
        return Rung.SAME_MODEL
    return None if _take_turns(route, first.name, name) else Rung.LOWER_TIER


def why(order: Sequence[Backend], attempts: Sequence[Attempt], served: str) -> str:
    """Return what became of those before *served* in *order* (all of them, if it is not among them), in words.

    Who was not asked is counted and not named: traces tell callers nothing about them.
    """
    found, unasked = [], 0
    for backend in order:
        if backend.name == served:
            break
        tries = [attempt for attempt in attempts if attempt.backend == backend.name]
        failure = next((attempt.failure for attempt in tries if attempt.failure), None)
        if tries:
            found.append(f"{backend.name} {failure.value if failure else 'gave no answer in time'}")
        else:
            unasked += 1
    return ", ".join([*found, f"{unasked} not asked"] if unasked else found)


def _was_overtaken(first: Backend, attempts: Sequence[Attempt]) -> bool:
    """Whether the first candidate was asked and had not failed when another answered."""
    tries = [attempt for attempt in attempts if attempt.backend == first.name]
    return bool(tries) and all(attempt.failure is None for attempt in tries)


def _take_turns(route: Route, first: str, other: str) -> bool:
    groups = {entry.backend: entry.group for entry in route.entries}
    return route.strategy is Strategy.WEIGHTED and groups.get(first) == groups.get(other)
