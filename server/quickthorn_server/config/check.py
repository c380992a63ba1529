"""Point out what is allowed and yet hardly meant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from quickthorn_server.core.catalogue import Cancelled, Catalogue, OnBreak, RecordRule, Route, ServerRule
from quickthorn_server.core.dialects import by_responses
from quickthorn_server.core.known import KNOWN

_NEAR = 90  # days
_DAY = 86_400  # seconds
_NANO = 1_000_000_000
_NOT_BY_RESPONSES = frozenset({"prefill"})  # each of its answers is an item of its own


def warnings(catalogue: Catalogue, today: date) -> tuple[str, ...]:
    """Return one line for each doubtful thing in *catalogue*; *today* decides what retires soon."""
    return (
        *_retiring(catalogue, today),
        *_beyond(catalogue),
        *_unused(catalogue),
        *_hedging_in_one_domain(catalogue),
        *_unpriced(catalogue),
        *_checks_that_pause(catalogue),
        *_continuing_alone(catalogue),
        *_exposed(catalogue.server),
        *_written_down(catalogue.records),
    )


def _retiring(catalogue: Catalogue, today: date) -> Iterator[str]:
    for backend in catalogue.backends.values():
        if backend.retires is None or (left := (backend.retires - today).days) > _NEAR:
            continue
        when = f"retired on {backend.retires}" if left < 0 else f"retires on {backend.retires}, in {left} days"
        yield f'backend "{backend.name}" {when}: move its routes to another model'


def _beyond(catalogue: Catalogue) -> Iterator[str]:
    for backend in catalogue.backends.values():
        known = KNOWN[backend.provider]
        foreign = backend.provider == "openai" and backend.base_url != known.base_url
        beyond = frozenset() if foreign else backend.capabilities - known.can
        if "api" in known.settings and by_responses(backend.options.get("api"), backend.path):
            beyond |= backend.capabilities & _NOT_BY_RESPONSES
        if words := sorted(beyond):
            listed = ", ".join(words)
            yield f'backend "{backend.name}" lists {listed}, which provider "{backend.provider}" is not known to carry'


def _unused(catalogue: Catalogue) -> Iterator[str]:
    used = {entry.backend for route in catalogue.routes.values() for entry in route.entries}
    for name in catalogue.backends:
        if name not in used:
            yield f'backend "{name}" is in no route: nobody can reach it'


def _hedging_in_one_domain(catalogue: Catalogue) -> Iterator[str]:
    for route in catalogue.routes.values():
        domains = _domains(catalogue, route)
        if route.hedge is not None and len(domains) == 1:
            if all(catalogue.backends[entry.backend].shares for entry in route.entries):
                shared = f'the failure domain "{domains.pop()}"'
                yield f'route "{route.name}" never hedges: its backends share {shared}; add one from elsewhere'
                continue
            yield (
                f'route "{route.name}" hedges inside one failure domain ("{domains.pop()}"): '
                "what slows one backend slows the others; add one from elsewhere"
            )


def _continuing_alone(catalogue: Catalogue) -> Iterator[str]:
    for route in catalogue.routes.values():
        if route.on_break is OnBreak.CONTINUE and min(len(route.entries), route.retry.attempts) == 1:
            what = "attempt" if len(route.entries) > 1 else "backend"
            yield f'route "{route.name}" continues what breaks, and has one {what} a call: nobody can do it'


def _unpriced(catalogue: Catalogue) -> Iterator[str]:
    for route in catalogue.routes.values():
        rule = route.hedge
        if rule is None or (rule.max_extra is None and rule.max_extra_hour is None):
            continue
        for backend in (catalogue.backends[entry.backend] for entry in route.entries):
            if backend.price is None and backend.cancelled is not Cancelled.FREE:
                yield (
                    f'backend "{backend.name}" has no price, and route "{route.name}" limits what hedges may cost: '
                    "it is never hedged to, nor from; give it a price"
                )


def _domains(catalogue: Catalogue, route: Route) -> set[str]:
    return {catalogue.backends[entry.backend].failure_domain for entry in route.entries}


def _checks_that_pause(catalogue: Catalogue) -> Iterator[str]:
    for backend in catalogue.backends.values():
        rule = backend.check
        if rule is not None and (cost := rule.cost * _DAY / rule.interval) > rule.max_cost_per_day > 0:
            yield (
                f'backend "{backend.name}" may spend {cost / _NANO:.2f} USD a day on checks, and pauses them at '
                f"{rule.max_cost_per_day / _NANO:.2f}: lengthen the interval, or raise max_cost_per_day"
            )


def _exposed(server: ServerRule) -> Iterator[str]:
    host = server.listen.rpartition(":")[0]
    if server.listen.startswith("unix:") or host in {"localhost", "[::1]"} or host.startswith("127."):
        return
    if not server.callers and (server.tls is None or not server.tls.client_ca_file):
        yield f"server.listen {server.listen} is open to the network without callers: anybody may spend your keys"
    elif server.callers and server.tls is None:
        yield f"server.listen {server.listen} is open to the network without tls: callers' keys travel in the clear"


def _written_down(records: RecordRule | None) -> Iterator[str]:
    if records is not None and records.content:
        yield f"records.content is true: {records.file} will hold what callers ask and are answered, in the clear"
