"""Find what is well formed and yet makes no sense: contradictions inside a part, and between parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from quickthorn_server.config.backend import Backend
from quickthorn_server.config.backend_rules import BACKEND_RULES
from quickthorn_server.config.defaults import embedding_space, retry_rule
from quickthorn_server.config.errors import Finding, Location
from quickthorn_server.config.form import Parts
from quickthorn_server.config.ladder_rules import LADDER_RULES, promises, prose
from quickthorn_server.config.root import Caller
from quickthorn_server.config.route import Hedge, Route
from quickthorn_server.config.route_rules import STANDBY_RULES, racing
from quickthorn_server.config.words import nearest

_ROUNDING = 1e-9  # 29 % of 100 is 29, whatever binary floating point says


def contradictions(root: Mapping[str, Any], parts: Parts) -> Iterator[Finding]:
    """Yield every contradiction among the sound *parts*; *root* also names the parts that are not sound."""
    backends, routes = _complete_names(root, "backends"), _complete_names(root, "routes")
    named = {backend.name: backend for backend in parts.backends.values()}
    for section in ("callers", "backends", "routes"):
        yield from _twice(section, _names(root, section))
    for index, backend in parts.backends.items():
        yield from _within(("backends", index), backend, (_both_keys, *BACKEND_RULES))
    for index, route in parts.routes.items():
        yield from _within(("routes", index), route, _ROUTE_RULES)
        yield from _unknown_backends(("routes", index), route, backends) if backends else ()
        yield from _mixed_spaces(("routes", index), route, parts.backends.values())
        yield from promises(("routes", index), route, named)
        yield from prose(("routes", index), route, named)
    for index, caller in parts.callers.items():
        yield from _within(("callers", index), caller, _CALLER_RULES)
        yield from _unknown_routes(("callers", index), caller, routes) if routes else ()
    yield from _nobody_may_call(root, parts)


def _names(root: Mapping[str, Any], section: str) -> dict[int, str]:
    items = root.get(section)
    named = enumerate(items) if isinstance(items, list) else ()
    found = {index: item.get("name") for index, item in named if isinstance(item, dict)}
    return {index: name for index, name in found.items() if isinstance(name, str)}


def _complete_names(root: Mapping[str, Any], section: str) -> frozenset[str]:
    """Return all names of a section; none where one is missing, for then nobody knows what it would be."""
    names, items = _names(root, section), root.get(section)
    return frozenset(names.values()) if isinstance(items, list) and len(names) == len(items) else frozenset()


def _within(start: Location, part: Any, rules: Iterable[Callable[[Any], Iterator[Finding]]]) -> Iterator[Finding]:
    for rule in rules:
        for finding in rule(part):
            yield Finding(start + finding.location, finding.message, finding.hint, finding.at_key)


def _twice(section: str, names: Mapping[int, str]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, name in names.items():
        if name in first:
            earlier = f"{section}[{first[name]}]"
            yield Finding((section, index, "name"), f"{earlier} has this name too", "give each its own")
        first.setdefault(name, index)


def _both_keys(part: Backend | Caller) -> Iterator[Finding]:
    if part.api_key_env is not None and part.api_key_file is not None:
        yield Finding(("api_key_file",), "api_key_env is given too", "keep one of the two", at_key=True)


def _repeated_backends(route: Route) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, entry in enumerate(route.backends):
        if entry.backend in seen:
            yield Finding(("backends", index), f'"{entry.backend}" is in this route twice', "give it more weight")
        seen.add(entry.backend)


def _no_weight(route: Route) -> Iterator[Finding]:
    if not any(entry.weight for entry in route.backends):
        yield Finding(("backends",), "every weight is 0, so nobody would be asked", "give one a weight of 1")


def _hedging(route: Route) -> Iterator[Finding]:
    if route.hedge is None:
        return
    if len(racing(route)) == 1:
        hint = 'add a backend to the route, or remove "hedge"'
        whose = "" if len(route.backends) == 1 else " of the first tier that does not wait for a failure"
        yield Finding(("hedge",), f"hedging needs a second backend{whose}", hint, at_key=True)
    else:
        yield from _too_parallel(route, route.hedge)
    if route.hedge.delay.auto and route.upstream == "whole":
        message = "auto learns from streamed replies, and upstream: whole asks for none"
        yield Finding(("hedge", "delay"), message, "write upstream: auto or stream, or a time like 300ms here")
    for key in ("target", "min_gain"):
        if not route.hedge.delay.auto and key in route.hedge.model_fields_set:
            message = f'"{key}" means nothing to a delay that is not learned'
            yield Finding(("hedge", key), message, "write delay: auto, or remove the key", at_key=True)


def _too_parallel(route: Route, hedge: Hedge) -> Iterator[Finding]:
    location = ("hedge", "max_parallel")
    most = len(racing(route))
    if hedge.max_parallel > most > 0:
        which = "" if most == len(route.backends) else " of the first tier that do not wait for a failure"
        message = f"{hedge.max_parallel} lanes, and the route has {most} backends{which}"
        yield Finding(location, message, f"write at most {most}")
    attempts = retry_rule(route).attempts
    if hedge.max_parallel > attempts:
        message = f"{hedge.max_parallel} lanes, and retry.attempts allows {attempts} in a whole call"
        yield Finding(location, message, f"write attempts: {hedge.max_parallel} or more under retry")


def _wide_budget(route: Route) -> Iterator[Finding]:
    """Find a budget beyond what calls can spend: one hedge for each lane beside the first."""
    if route.hedge is None or route.budget.hedges is None:
        return
    most = route.hedge.max_parallel - 1
    if route.budget.hedges > most:
        message = f"{route.budget.hedges:.0%} of hedges, and max_parallel allows {most} a call"
        yield Finding(("budget", "hedges"), message, f"write at most {most * 100}%")


def _idle_guard(route: Route) -> Iterator[Finding]:
    """Find a share of backends that is none of them: then no circuit could keep anybody out."""
    share = route.max_ejected
    pool = sum(entry.weight > 0 or route.strategy != "weighted" for entry in route.backends)
    if share is None or share * pool >= 1 - _ROUNDING:
        return
    if pool == 1:
        message = "the route asks one backend, whose circuit alone decides"
        yield Finding(("max_ejected",), message, "remove the key, or add a backend", at_key=True)
    else:
        message = f"{share:.0%} of {pool} backends is none of them"
        yield Finding(("max_ejected",), message, f"write at least {-(-100 // pool)}%, or remove the key")


def _unknown_backends(start: Location, route: Route, names: frozenset[str]) -> Iterator[Finding]:
    for index, entry in enumerate(route.backends):
        if entry.backend not in names:
            location = (*start, "backends", index, "backend")
            yield Finding(location, f'no backend is named "{entry.backend}"', nearest(entry.backend, names))


def _mixed_spaces(start: Location, route: Route, backends: Iterable[Backend]) -> Iterator[Finding]:
    """Vectors of two spaces cannot be compared, so no failover and no hedge may change from one to the other."""
    spaces = {backend.name: space for backend in backends if (space := embedding_space(backend))}
    first: tuple[str, str] | None = None
    for index, entry in enumerate(route.backends):
        space = spaces.get(entry.backend, "")
        if not space:
            continue
        if first is not None and space != first[1]:
            message = f'"{entry.backend}" embeds into {space}, "{first[0]}" into {first[1]}'
            hint = "give them one embedding_space if their vectors may be compared, or a route each"
            yield Finding((*start, "backends", index), message, hint)
        first = first or (entry.backend, space)


def _no_caller_key(caller: Caller) -> Iterator[Finding]:
    if caller.api_key_env is None and caller.api_key_file is None:
        yield Finding((), "a caller is known by its key", "write api_key_env: its variable, or api_key_file: its path")


def _unknown_routes(start: Location, caller: Caller, names: frozenset[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, route in enumerate(caller.routes or ()):
        location = (*start, "routes", index)
        if route not in names:
            yield Finding(location, f'no route is named "{route}"', nearest(route, names))
        elif route in seen:
            yield Finding(location, f'"{route}" is in this list twice', "keep one")
        seen.add(route)


def _nobody_may_call(root: Mapping[str, Any], parts: Parts) -> Iterator[Finding]:
    callers = root.get("callers")
    # A caller of unsound form may be the one that is allowed to.
    if not isinstance(callers, list) or len(parts.callers) != len(callers) or not callers:
        return
    allowed = [caller.routes for caller in parts.callers.values()]
    for index, name in _names(root, "routes").items():
        if not any(names is None or name in names for names in allowed):
            hint = "add it to the routes of one, or remove the route"
            yield Finding(("routes", index, "name"), f'no caller may use the route "{name}"', hint)


_ROUTE_RULES: tuple[Callable[[Route], Iterator[Finding]], ...] = (
    _repeated_backends,
    _no_weight,
    _hedging,
    _wide_budget,
    _idle_guard,
    *STANDBY_RULES,
    *LADDER_RULES,
)
_CALLER_RULES: tuple[Callable[[Caller], Iterator[Finding]], ...] = (_both_keys, _no_caller_key)
