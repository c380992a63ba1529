"""Find what makes no sense about a route's ladder: rungs that nobody reaches, and falls that no promise survives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from quickthorn_server.config.backend import Backend
from quickthorn_server.config.defaults import capabilities, stop_at
from quickthorn_server.config.errors import Finding, Location
from quickthorn_server.config.route import Entry, Route, tiers
from quickthorn_server.core.json_asked import asks_for_json
from quickthorn_server.core.ladder import Rung

_PLACES = ("webhook", "webhook_env", "webhook_file")


def _rungs(route: Route) -> Iterator[Finding]:
    degrade = route.degrade
    if degrade is None:
        return
    stop = stop_at(degrade)
    if stop is Rung.CANNED and degrade.canned is None:
        hint = "write canned: what callers should read, or stop_at: lower_tier"
        yield Finding(("degrade", "stop_at"), "there is no canned text to answer with", hint)
    if stop is not Rung.CANNED and degrade.canned is not None:
        message = f"the route stops at {stop.word}, so this is never answered"
        yield Finding(("degrade", "canned"), message, "write stop_at: canned, or remove it")
    if stop is Rung.SAME_MODEL:
        for index, rank in enumerate(tiers(route)[1]):
            if rank:
                message = "the route stops at the same model, so a lower tier is never asked"
                yield Finding(("backends", index), message, "write stop_at: lower_tier, or remove the entry")


def _escalation(route: Route) -> Iterator[Finding]:
    if route.degrade is None or route.degrade.escalate is None:
        return
    escalate, start = route.degrade.escalate, ("degrade", "escalate")
    places = [key for key in _PLACES if getattr(escalate, key) is not None]
    if not places:
        hint = "write webhook: its address, or webhook_env: the variable that holds it"
        yield Finding(start, "nobody is named to be told", hint, at_key=True)
    for key in places[1:]:
        yield Finding((*start, key), f"{places[0]} is given too", "keep one of the two", at_key=True)
    if escalate.api_key_env is not None and escalate.api_key_file is not None:
        yield Finding((*start, "api_key_file"), "api_key_env is given too", "keep one of the two", at_key=True)
    if escalate.after == "canned" and route.degrade.canned is None:
        message = "the route has no canned text, so nobody would ever be told"
        yield Finding((*start, "after"), message, "write after: exhausted, or a canned text")


def promises(start: Location, route: Route, backends: Mapping[str, Backend]) -> Iterator[Finding]:
    """Find rungs that promise less than the first backend: no fall may leave its data policies.

    Without `degrade` nobody but a lower tier is a rung; whoever takes turns with the first is none.
    """
    first = backends.get(route.backends[0].backend)
    promised = set(first.data_policies or ()) if first else set()
    for index, (entry, rank) in enumerate(zip(route.backends, tiers(route)[1], strict=True)):
        below = backends.get(entry.backend)
        if first is None or below is None or not (rank or (route.degrade and not _take_turns(route, entry))):
            continue
        if lacking := ", ".join(sorted(promised.difference(below.data_policies or ()))):
            message = f'"{below.name}" does not promise {lacking}, and a call would fall to it from "{first.name}"'
            hint = f"add {lacking} to its data_policies if that holds, or remove it from the route"
            yield Finding((*start, "backends", index), message, hint)


def _take_turns(route: Route, entry: Entry) -> bool:
    """Whether *entry*, of the first's tier, and the first take turns by weight."""
    return route.strategy == "weighted" and entry.group == route.backends[0].group and not entry.fallback_on


def prose(start: Location, route: Route, backends: Mapping[str, Backend]) -> Iterator[Finding]:
    """Find canned text on a route whose answers are no text, or JSON."""
    if route.degrade is None or route.degrade.canned is None:
        return
    served = [backends[entry.backend] for entry in route.backends if entry.backend in backends]
    hint = "remove the canned text, or give the others a route of their own"
    for backend in served:
        if asks_for_json(backend.params):
            message = f'"{backend.name}" answers in JSON, by its params, and this is none'
            yield Finding((*start, "degrade", "canned"), message, hint)
            return
    if served and not any("text" in capabilities(backend) for backend in served):
        message = "the route answers with vectors, and this is none"
        yield Finding((*start, "degrade", "canned"), message, "remove it")


LADDER_RULES: tuple[Callable[[Route], Iterator[Finding]], ...] = (_rungs, _escalation)
