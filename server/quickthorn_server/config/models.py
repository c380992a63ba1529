"""What is known of models without asking anybody: sizes, abilities, prices, ends; dated data of the package."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from quickthorn_server.core.usage import Price, Tier

_AMOUNTS = ("input", "output", "cache_read", "cache_write", "cache_write_long")


@dataclass(frozen=True, slots=True)
class Model:
    """One model as *provider* offers it, under *name* and its *aliases*.

    What no source says is None: nothing here is a guess.  *embedding_space* "" = `provider/model`, as anywhere.
    *sources*: keys of `Models.sources`.
    """

    provider: str
    name: str
    capabilities: frozenset[str]
    aliases: tuple[str, ...] = ()
    context_window: int | None = None
    max_output: int | None = None
    price: Price | None = None
    dimensions: int | None = None
    embedding_space: str = ""
    retires: date | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider listens by itself (*hosts*, `*` for any part), and in which provider's words it is asked."""

    hosts: tuple[str, ...]
    speaks: str


Row = Mapping[str, Any]
"""A model as `models.json` has it: what is not asked for is not made a value of."""


@dataclass(frozen=True, slots=True)
class Models:
    """Everything known, as it was *compiled* on that day from *sources*, each of them older."""

    compiled: date
    sources: Mapping[str, str]
    providers: Mapping[str, Provider]
    rows: Sequence[Row]
    by_name: Mapping[tuple[str, str], Row]

    def __iter__(self) -> Iterator[Model]:
        return map(_model, self.rows)

    def own(self, provider: str, host: str) -> bool:
        """Say whether *host* is the *provider*'s own."""
        found = self.providers.get(provider)
        return found is not None and any(fnmatchcase(host, each) for each in found.hosts)

    def at(self, speaks: str, host: str, names: Iterable[str]) -> Model | None:
        """Return the model that a backend asks whose configuration says provider *speaks* and one of *names*.

        *host* is whom it asks, "" = the provider's own.  A list of prices holds for its own house only: another host,
        be it a gateway, a proxy or a server of one's own, is not known, whatever name the model has there.
        """
        for provider, known in self.providers.items():
            own = self.own(provider, host) if host else provider == speaks
            if own and speaks in {provider, known.speaks}:
                row = next((row for name in names if (row := self.by_name.get((provider, name)))), None)
                return None if row is None else _model(row)
        return None


@cache
def models() -> Models:
    """Return what the package knows; read once, when it is first asked for."""
    data = json.loads(Path(__file__).with_name("models.json").read_bytes())
    rows: list[Row] = data["models"]
    given: Mapping[str, Mapping[str, Any]] = data["providers"]
    return Models(
        compiled=date.fromisoformat(data["compiled"]),
        sources=MappingProxyType(data["sources"]),
        providers={name: Provider(tuple(each["hosts"]), each.get("speaks", name)) for name, each in given.items()},
        rows=rows,
        by_name={(row["provider"], name): row for row in rows for name in (row["model"], *row.get("aliases", ()))},
    )


def _model(row: Row) -> Model:
    return Model(
        provider=row["provider"],
        name=row["model"],
        capabilities=frozenset(row["capabilities"].split()),
        aliases=tuple(row.get("aliases", ())),
        context_window=row.get("context_window"),
        max_output=row.get("max_output"),
        price=_price(row["price"]) if "price" in row else None,
        dimensions=row.get("dimensions"),
        embedding_space=row.get("embedding_space", ""),
        retires=date.fromisoformat(row["retires"]) if "retires" in row else None,
        sources=tuple(row["sources"]),
    )


def _price(row: Row) -> Price:
    units = MappingProxyType({unit: Decimal(amount) for unit, amount in row.get("units", {}).items()})
    tiers = tuple(Tier(each["above"], **_amounts(each)) for each in row.get("tiers", ()))
    return Price(**_amounts(row), units=units, tiers=tiers)


def _amounts(row: Row) -> dict[str, Any]:
    """Return the USD per million tokens."""
    return {key: Decimal(row[key]) for key in _AMOUNTS if key in row}
