"""Make the catalogue of parts that are known to be sound."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from quickthorn_server.config import defaults
from quickthorn_server.config.backend import Backend
from quickthorn_server.config.errors import Location
from quickthorn_server.config.form import Parts
from quickthorn_server.config.health_rules import check_rule
from quickthorn_server.config.references import Found, References, escalation
from quickthorn_server.config.root import Caller, Records, Tls
from quickthorn_server.config.route import Route, tiers
from quickthorn_server.core import catalogue
from quickthorn_server.core.known import KNOWN
from quickthorn_server.core.ladder import After, EscalateRule, Ladder
from quickthorn_server.core.secret import Secret

_VERSION_DIGITS = 12


def built(root: Any, parts: Parts, found: Found, references: References) -> catalogue.Catalogue:
    """Return the catalogue; what was *found* is by its owner's location."""
    keys, webhooks = found.keys, found.webhooks
    backends = [_backend(part, keys.get(("backends", index)), references) for index, part in parts.backends.items()]
    routes = [
        _route(part, webhooks.get(escalation(index)), keys.get(escalation(index)))
        for index, part in parts.routes.items()
    ]
    return catalogue.Catalogue(
        backends=MappingProxyType({backend.name: backend for backend in backends}),
        routes=MappingProxyType({route.name: route for route in routes}),
        version=version(root),
        server=_server(parts, keys, references),
        records=_records(parts.records, references),
    )


def version(root: Any) -> str:
    """Return 12 hex digits of SHA-256 of the content as parsed: keys sorted, no comments, no secrets.

    The order of keys in a mapping does not count, the order of a list does, and numbers count as they are written.
    """
    canonical = json.dumps(root, sort_keys=True, separators=(",", ":"), default=lambda number: {"number": str(number)})
    return hashlib.sha256(canonical.encode()).hexdigest()[:_VERSION_DIGITS]


def _server(parts: Parts, keys: Mapping[Location, Secret], references: References) -> catalogue.ServerRule:
    callers = tuple(_caller(part, keys["callers", index]) for index, part in parts.callers.items())
    tls = _tls(parts.server.tls, references) if parts.server.tls else None
    return replace(defaults.server_rule(parts.server), tls=tls, callers=callers)


def _records(records: Records | None, references: References) -> catalogue.RecordRule | None:
    return None if records is None else defaults.record_rule(records, str(references.path(records.file)))


def _tls(tls: Tls, references: References) -> catalogue.Tls:
    return catalogue.Tls(**{key: str(references.path(written)) for key, written in tls.given().items()})


def _caller(caller: Caller, key: Secret) -> catalogue.Caller:
    return catalogue.Caller(caller.name, key, frozenset(caller.routes or ()))


def _backend(backend: Backend, key: Secret | None, references: References) -> catalogue.Backend:
    model = defaults.model(backend)
    return catalogue.Backend(
        name=backend.name,
        provider=backend.provider,
        model=model,
        model_id=backend.model_id or model,
        base_url=defaults.base_url(backend),
        path=backend.path or "",
        headers=MappingProxyType(backend.headers),
        api_key=key,
        api_key_env=backend.api_key_env or "",
        api_key_file=str(references.path(backend.api_key_file)) if backend.api_key_file else "",
        price=defaults.price(backend),
        context_window=defaults.context_window(backend),
        max_output=defaults.max_output(backend),
        capabilities=defaults.capabilities(backend),
        regions=frozenset(backend.regions or ()),
        data_policies=frozenset(backend.data_policies or ()),
        failure_domain=defaults.failure_domain(backend),
        shares=backend.failure_domain or "",
        params=MappingProxyType(backend.params),
        retires=defaults.retires(backend),
        timeouts=defaults.timeouts_rule(backend),
        breaker=defaults.breaker_rule(backend),
        slow_start=defaults.slow_start(backend),
        limits=defaults.limits_rule(backend),
        check=check_rule(backend),
        cancelled=defaults.cancelled(backend),
        embedding_space=defaults.embedding_space(backend),
        carries=defaults.carries(backend),
        options=MappingProxyType(_options(backend, references)),
        assumed=defaults.assumed(backend),
    )


def _options(backend: Backend, references: References) -> dict[str, Any]:
    """Return the provider's own settings, as far as they are given."""
    options: dict[str, Any] = {
        key: value for key, value in backend.given().items() if key in KNOWN[backend.provider].settings
    }
    if backend.provider == "local":
        options["context"] = defaults.context(backend)
    if backend.model_path is not None:
        options["model_path"] = str(references.path(backend.model_path))
    return options


def _route(route: Route, webhook: Secret | None, key: Secret | None) -> catalogue.Route:
    return catalogue.Route(
        name=route.name,
        entries=tuple(_entries(route)),
        strategy=catalogue.Strategy(route.strategy),
        hedge=defaults.hedge_rule(route.hedge) if route.hedge else None,
        budget=defaults.budget_rule(route),
        retry=defaults.retry_rule(route),
        on_break=catalogue.OnBreak(route.on_break),
        upstream=catalogue.Upstream(route.upstream),
        max_ejected=defaults.max_ejected(route),
        on_status=MappingProxyType(defaults.on_status(route)),
        ladder=_ladder(route, webhook, key),
    )


def _entries(route: Route) -> Iterator[catalogue.Entry]:
    for entry, tier, rank in zip(route.backends, *tiers(route), strict=True):
        waits_for = frozenset(entry.fallback_on or ())
        yield catalogue.Entry(entry.backend, entry.weight, entry.group, waits_for, tier, rank)


def _ladder(route: Route, webhook: Secret | None, key: Secret | None) -> Ladder | None:
    """Return the route's ladder, None = it writes neither `degrade` nor tiers."""
    degrade = route.degrade
    if degrade is None:
        return Ladder() if any(tiers(route)[1]) else None
    escalate = None
    if degrade.escalate is not None and webhook is not None:
        escalate = EscalateRule(webhook, key, After(degrade.escalate.after))
    return Ladder(defaults.stop_at(degrade), degrade.canned or "", escalate)
