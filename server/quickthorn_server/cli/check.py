"""`quickthorn check`: say whether the configuration is right, and what it would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from quickthorn_server.cli.options import catalogue_of, config_option, today
from quickthorn_server.config.check import warnings
from quickthorn_server.config.models import models
from quickthorn_server.core.catalogue import Backend, Catalogue, OnBreak, Route
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.plan import Knowledge, Plan
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.request import Request
from quickthorn_server.routing.router import plan
from quickthorn_server.routing.standby import listed
from quickthorn_server.routing.tiers import said


@click.command()
@config_option
@click.option("--no-secrets", is_flag=True, help="Do not look for the keys; check the rest.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def check(file: Path | None, no_secrets: bool, as_json: bool) -> None:
    """Validate the configuration and print the plan of every route.

    Exit status 0: it is right. 2: it is not; every problem is listed with its file and line. Nothing is started and
    nobody is asked anything.
    """
    catalogue, source = catalogue_of(file, resolve_secrets=not no_secrets)
    found = warnings(catalogue, today())
    if as_json:
        click.echo(json.dumps(_described(catalogue, source, found), indent=2))
        return
    click.echo(f"{source} is right (version {catalogue.version}); listens on {catalogue.server.listen}")
    for route in catalogue.routes.values():
        click.echo("\n".join(_told(route, _plan(catalogue, route))))
    if assumed := [_assumed(backend) for backend in catalogue.backends.values() if backend.assumed]:
        click.echo(f"\nleft open, and taken from `quickthorn models` of {models().compiled}:")
        click.echo("\n".join(assumed))
    for warning in found:
        click.echo(f"warning: {warning}", err=True)


def _plan(catalogue: Catalogue, route: Route) -> Plan:
    """Plan the simplest request there is."""
    prompt = Prompt((Message(Role.USER, (Part(Text("hello")),)),))
    return plan(Request(prompt, route=route.name), catalogue, Knowledge(), 0)


def _told(route: Route, planned: Plan) -> list[str]:
    lines = [f"\nroute {route.name} ({route.strategy.value}), at most {planned.retry.attempts} lanes a call"]
    weights = {entry.backend: entry.weight for entry in route.entries}
    for place, backend in enumerate(planned.order, start=1):
        limits = backend.timeouts
        lines.append(
            f"  {place}. {backend.name}: {backend.provider} {backend.model}"
            + (f", weight {weights[backend.name]}" if route.strategy.value == "weighted" else "")
            + f"; first token {limits.first_token:g} s, idle {limits.idle:g} s, total {limits.total:g} s"
            + (f"; asked only after {listed(planned.standby[backend.name])}" if backend.name in planned.standby else "")
            + (f"; tier {planned.lower[backend.name]}" if backend.name in planned.lower else "")
        )
    lines.extend(f"  - {verdict.backend.name}: {verdict.detail}" for verdict in planned.verdicts if not verdict.kept)
    lines.append(f"  hedging: {_hedging(route, planned)}")
    if route.on_break is OnBreak.CONTINUE:
        lines.append("  a stream that breaks is continued by another backend")
    lines.extend(f"  {note}" for note in said(route))
    return lines


def _assumed(backend: Backend) -> str:
    return f"  {backend.name}: {', '.join(backend.assumed)}"


def _hedging(route: Route, planned: Plan) -> str:
    if route.hedge is None:
        return "none"
    if planned.hedging is not None:
        return f"after {planned.hedging.delay:g} s of silence, {planned.hedging.max_parallel} lanes at once"
    if route.hedge.percentile is not None:
        return f"after the {route.hedge.aim} of the first backend, once it is known"
    if route.hedge.target is not None and planned.advice is not None:
        return f"to hold the {route.hedge.aim}, learned while serving, {route.hedge.max_parallel} lanes at once at most"
    return planned.no_hedge


def _described(catalogue: Catalogue, source: str, found: tuple[str, ...]) -> dict[str, Any]:
    return {
        "source": source,
        "version": catalogue.version,
        "listen": catalogue.server.listen,
        "warnings": list(found),
        "models_compiled": models().compiled.isoformat(),
        "assumed": {backend.name: list(backend.assumed) for backend in catalogue.backends.values() if backend.assumed},
        "routes": {
            route.name: {
                "strategy": route.strategy.value,
                "order": [backend.name for backend in _plan(catalogue, route).order],
                "attempts": route.retry.attempts,
                "hedging": _hedging(route, _plan(catalogue, route)),
            }
            for route in catalogue.routes.values()
        },
    }
