"""Who waits for a certain failure (`fallback_on`) instead of being asked in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from quickthorn_server.core.catalogue import Backend, Route
from quickthorn_server.core.plan import Drop, Verdict

Causes = frozenset[int | str]

_KEY = 401


def waiting(route: Route, verdicts: Iterable[Verdict], pinned: str) -> Mapping[str, Causes]:
    """Return those kept who wait, by name, each with what it waits for.

    Who is *pinned* by the request is asked whatever it waits for, and so is who waits for a 401 where one has come
    before: a key that was refused.
    """
    on = {entry.backend: entry.fallback_on for entry in route.entries if entry.fallback_on}
    if not on:
        return {}
    verdicts = tuple(verdicts)
    keyless = any(verdict.drop is Drop.KEY_REFUSED and verdict.backend.name not in on for verdict in verdicts)
    kept = (verdict.backend.name for verdict in verdicts if verdict.kept)
    return {name: on[name] for name in kept if name in on and name != pinned and not (keyless and _KEY in on[name])}


def told(verdicts: Sequence[Verdict], on: Mapping[str, Causes]) -> tuple[Verdict, ...]:
    """Return *verdicts* with those who wait saying so; dropped, where nobody is left whom they could stand in for."""
    alone = all(verdict.backend.name in on for verdict in verdicts if verdict.kept)
    return tuple(
        _verdict(verdict.backend, on[verdict.backend.name], alone=alone)
        if verdict.kept and verdict.backend.name in on
        else verdict
        for verdict in verdicts
    )


def beside(
    order: Sequence[Backend], on: Mapping[str, Causes], sort: Callable[[list[Backend]], list[Backend]]
) -> list[Backend]:
    """Return *order*, those who are asked in turn sorted by *sort*; who waits keeps its place, but never the first."""
    if not on:
        return sort(list(order))
    regular = sort([backend for backend in order if backend.name not in on])
    for place, backend in enumerate(order):
        if backend.name in on:
            regular.insert(max(place, 1), backend)
    return regular


def listed(causes: frozenset[int | str]) -> str:
    """Return *causes* in words: `429, 503 or timeout`."""
    words = [str(cause) for cause in sorted(causes, key=lambda cause: (isinstance(cause, str), cause))]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _verdict(backend: Backend, causes: Causes, *, alone: bool) -> Verdict:
    if alone:
        detail = f"stands in after {listed(causes)}, and nobody it could stand in for may be asked"
        return Verdict(backend, Drop.STANDBY, detail)
    return Verdict(backend, None, f"asked only after {listed(causes)}")
