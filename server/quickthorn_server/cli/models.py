"""`quickthorn models`: what the package knows of models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Any

import click
from click.shell_completion import CompletionItem

from quickthorn_server.cli.terminal import say, table
from quickthorn_server.config.models import Model, Models
from quickthorn_server.config.models import models as known
from quickthorn_server.config.words import nearest
from quickthorn_server.core.usage import Price, Tier

_UNKNOWN = "-"
_PRICES = ("input", "output", "cache_read", "cache_write", "cache_write_long")
_HEADS = ("provider", "model", "context", "output", "$ in", "$ out", "$ read", "$ write", "$ long", "retires", "can")


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in known().providers if name.startswith(incomplete)]


@click.command()
@click.option("--provider", "-p", metavar="NAME", help="Only models of this provider.", shell_complete=_complete)
@click.option("--search", "-s", metavar="TEXT", default="", help="Only models with TEXT in a name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def models(provider: str | None, search: str, *, as_json: bool) -> None:
    """List the models that are known: sizes, abilities, prices, ends.

    Prices are USD per million tokens: input, output, read from a cache, written to it, written for long; `-` = no
    source says. A backend whose configuration leaves them open takes them from here, if it asks the provider's own
    host; what your configuration says always counts. Nobody is asked anything: the list comes with this version.

    \b
    quickthorn models --provider anthropic
    quickthorn models --search flash --json | jq '.models[].price'
    """  # noqa: D301 - click reads \b as: do not wrap
    data = known()
    if provider is not None and provider not in data.providers:
        raise click.BadParameter(f"unknown provider; {nearest(provider, data.providers)}", param_hint="--provider")
    found = [model for model in data if provider in {None, model.provider} and _named(model, search.lower())]
    if as_json:
        click.echo(json.dumps(_described(data, found), indent=2))
    else:
        say("\n".join(_listed(data, found)))


def _named(model: Model, text: str) -> bool:
    return any(text in name.lower() for name in (model.name, *model.aliases))


def _listed(data: Models, found: list[Model]) -> list[str]:
    if not found:
        return ["no model is known by that name"]
    rows = [row for model in found for row in _rows(model)]
    sources = {source for model in found for source in model.sources}
    return [
        *table(_HEADS, rows, right=range(2, 9)),
        "",
        f"{len(found)} of {len(data.rows)} models, in USD per million tokens; compiled on {data.compiled} from what is",
        "named here, each as old as its copy, and prices change: what your configuration says counts.",
        *(f"  {said}" for source, said in data.sources.items() if source in sources),
    ]


def _rows(model: Model) -> Iterator[tuple[str, ...]]:
    """Yield the model's row, and one for each tier of its price."""
    sizes = (_number(model.context_window), _number(model.max_output))
    ends = model.retires.isoformat() if model.retires else _UNKNOWN
    can = ", ".join(sorted(model.capabilities - {"text"})) or "text"
    yield (model.provider, model.name, *sizes, *_amounts(model.price), ends, can)
    for tier in model.price.tiers if model.price else ():
        yield ("", f"  above {tier.above:,} tokens", "", "", *_amounts(tier), "", "")


def _amounts(price: Price | Tier | None) -> Iterable[str]:
    for key in _PRICES:
        amount = None if price is None else getattr(price, key)
        yield _UNKNOWN if amount is None else _plain(amount)


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _number(count: int | None) -> str:
    return _UNKNOWN if count is None else f"{count:,}"


def _described(data: Models, found: list[Model]) -> dict[str, Any]:
    return {
        "compiled": data.compiled.isoformat(),
        "sources": dict(data.sources),
        "models": [_json(model) for model in found],
    }


def _json(model: Model) -> dict[str, Any]:
    """Return what is known of *model*: what is not is left out, and amounts are text, so that they stay exact."""
    written = {field.name: getattr(model, field.name) for field in fields(model)}
    written |= {"capabilities": sorted(model.capabilities), "aliases": list(model.aliases)}
    written |= {"retires": model.retires.isoformat() if model.retires else None, "sources": list(model.sources)}
    if model.price is not None:
        written["price"] = _price_json(model.price)
    return {key: value for key, value in written.items() if value not in (None, "", [])}


def _price_json(price: Price) -> dict[str, Any]:
    written: dict[str, Any] = _amounts_json(price)
    if price.units:
        written["units"] = {unit: _plain(amount) for unit, amount in price.units.items()}
    if price.tiers:
        written["tiers"] = [{"above": tier.above} | _amounts_json(tier) for tier in price.tiers]
    return written


def _amounts_json(price: Price | Tier) -> dict[str, Any]:
    return {key: _plain(amount) for key in _PRICES if (amount := getattr(price, key)) is not None}
