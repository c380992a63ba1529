"""Keep calls on the rungs of their route's ladder: lower tiers last, other models out where they must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quickthorn_server.core.catalogue import Backend, Route
from quickthorn_server.core.ladder import After, Rung
from quickthorn_server.core.outline import Outline
from quickthorn_server.core.plan import Drop, Verdict


def has_tiers(route: Route) -> bool:
    """Whether any entry is of a lower tier than the first."""
    return any(entry.rank for entry in route.entries)


def lower(route: Route, order: Sequence[Backend]) -> Mapping[str, str]:
    """Return those in *order* who are of a lower tier than its first, each with the name of its tier."""
    if not order or not has_tiers(route):
        return {}
    entries = {entry.backend: entry for entry in route.entries}
    rank = entries[order[0].name].rank
    return {each.name: entries[each.name].tier for each in order if entries[each.name].rank > rank}


def parted(route: Route, order: Sequence[Backend]) -> tuple[list[Backend], list[Backend]]:
    """Return *order* without those of a lower tier than its first, and those, the lowest last.

    So a wish of the caller's may bring a lower tier to the front, and then nothing falls by going up.
    """
    below = lower(route, order)
    if not below:
        return list(order), []
    ranks = {entry.backend: entry.rank for entry in route.entries}
    last = sorted((backend for backend in order if backend.name in below), key=lambda backend: ranks[backend.name])
    return [backend for backend in order if backend.name not in below], last


def said(route: Route) -> list[str]:
    """Return what people are told of a route's own classes, its ladder, and whom it tells."""
    ruled = ", ".join(f"{status} as {given.word}" for status, given in sorted(route.on_status.items()))
    told = [f"the route takes {ruled}"] if ruled else []
    if route.ladder is not None:
        told.append(f"answers fall no lower than {route.ladder.stop_at.word}")
        if route.ladder.escalate is not None:
            canned = route.ladder.escalate.after is After.CANNED
            told.append(f"a human is told {'of a canned answer' if canned else 'where nobody can answer'}")
    return told


def keeps_model(call: Outline, route: Route) -> bool:
    """Whether the call, or its route, stops at the same model."""
    return call.directives.same_model or (route.ladder is not None and route.ladder.stop_at is Rung.SAME_MODEL)


def same_model(
    route: Route, verdicts: Sequence[Verdict], order: Sequence[Backend]
) -> tuple[tuple[Verdict, ...], list[Backend]]:
    """Keep to the model, and the tier, of whoever would be asked first."""
    model_id, below = order[0].model_id, lower(route, order)
    out = {each.name for each in order if each.model_id != model_id or each.name in below}
    detail = f"the call keeps to model {model_id}"
    kept = tuple(
        Verdict(verdict.backend, Drop.OTHER_MODEL, detail) if verdict.backend.name in out else verdict
        for verdict in verdicts
    )
    return kept, [backend for backend in order if backend.name not in out]
