"""The form of `routes`: the names callers ask for, and who may answer."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from quickthorn_server.config.errors import shown
from quickthorn_server.config.kinds import BudgetShare, HedgeDelay, PositiveShare, Share, Spend, Target, refuse
from quickthorn_server.config.ladder import Degrade
from quickthorn_server.config.strict import Strict
from quickthorn_server.config.words import Name, OneOf, nearest
from quickthorn_server.core.catalogue import HedgeTo, OnBreak, Strategy, Upstream
from quickthorn_server.core.classes import FailureClass

RETRY_WORDS = frozenset({"timeout", "connect"})
_FAULTS = range(400, 600)
_STATUS = re.compile("[45][0-9][0-9]")
_HEAVIEST = 1000  # a cycle of turns is as long as its weights together, and is laid out whole
_LAST_GROUP = 1_000_000


def _cause(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if value not in _FAULTS:
            refuse(f"{value} is no HTTP status of a fault", "write one from 400 to 599")
    elif not isinstance(value, str):
        refuse(f"{shown(value)} is nothing to act on", "write an HTTP status like 503, or timeout, or connect")
    elif value not in RETRY_WORDS:
        refuse(f"unknown cause {shown(value)}", nearest(value, RETRY_WORDS))
    return value


def _status(key: str) -> int:
    if not _STATUS.fullmatch(key):
        refuse(f"{shown(key)} is no HTTP status of a fault", "write one from 400 to 599")
    return int(key)


Cause = Annotated[
    int | str,
    BeforeValidator(_cause),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 400, "maximum": 599}, {"enum": sorted(RETRY_WORDS)}]},
    ),
]
Status = Annotated[int, BeforeValidator(_status), WithJsonSchema({"type": "string", "pattern": f"^{_STATUS.pattern}$"})]
Class = Annotated[str, OneOf("class", frozenset(item.value for item in FailureClass))]


class Entry(Strict):
    """A backend's place in a route; its bare name is enough."""

    backend: Name
    """The name of a backend."""
    weight: Annotated[int, Field(ge=0, le=_HEAVIEST)] = 1
    """Its share of turns among the weights of its group, up to 1000; 0 = none; default 1."""
    group: Annotated[int, Field(ge=0, le=_LAST_GROUP)] = 0
    """Lower groups are asked first; default 0."""
    tier: Name | None = None
    """A word for how good it is: standard, economy.  Another than the first's is a lower tier, in order of appearance.

    Lower tiers are asked after the others have failed, never because of silence.  Left out = that of the entry before.
    """
    fallback_on: Annotated[list[Cause], Field(min_length=1)] | None = None
    """It waits, and is asked only after another has failed with one of these: [429, 503, timeout, connect].

    Left out = it does not wait.  Never first, and never because of silence.  A status that would end the call (400)
    ends it no more.
    """

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"backend": value}
        if not isinstance(value, dict):
            refuse(f"{shown(value)} is no backend", "write its name, or {backend: its name, weight: 2}")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{"type": "string"}, mapping]}


class ExtraCost(Strict):
    """What hedges may cost, in USD: the worst case of what cancelled lanes are billed."""

    request: Spend | None = None
    """For one call: 0.01."""
    hour: Spend | None = None
    """For all calls of the route in any hour: 2.00."""

    @model_validator(mode="after")
    def _limits_something(self) -> ExtraCost:
        if not self.model_fields_set:
            refuse("this limits nothing", "write {request: 0.01}, {hour: 2.00} or both, in USD")
        return self


class Hedge(Strict):
    """When to start another lane while one is silent, and on whom."""

    delay: HedgeDelay
    """How long to wait for first content: `auto` = learned, so that hedges hold `target` within `budget.hedges`.

    Or a time like 300ms, 0s = at once, or a percentile like p95 of the backend's own times.
    """
    target: Target | None = None
    """Of `delay: auto`: the percentile of first content to hold, p50 to p99, p99.5 or p99.9; default p99."""
    min_gain: PositiveShare | None = None
    """Of `delay: auto`: where hedges would shorten the target by less, none is sent; default 10%."""
    max_parallel: Annotated[int, Field(ge=2, le=4)] = 2
    """Lanes running at once, at most: 2 to 4; default 2."""
    to: Annotated[str, OneOf("hedge target", frozenset(item.value for item in HedgeTo))] = "next"
    """Whom to ask: the `next` candidate, the `cheapest`, or the one that has been `fastest` of late; default next."""
    max_extra_cost: ExtraCost | None = None
    """What hedges may cost; left out = no limit but the budget."""


class Budget(Strict):
    """How much hedges and retries may add."""

    hedges: BudgetShare | None = None
    """Lanes started in silence, as a share of calls; 0% = none; default 5%."""
    retries: BudgetShare | None = None
    """Lanes on backends that are likely to fail, as a share of calls; 0% = none; default 10%."""
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """How many hedges may come at once, beyond their share; default 50."""
    retries_burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """How many retries may come at once, beyond their share; default 20."""


class Retry(Strict):
    """How often to try, and after what."""

    attempts: Annotated[int, Field(ge=1, le=100)] | None = None
    """Lanes of one call, all together: the first, hedges, failovers and retries; default 3."""
    on: list[Cause] | None = None
    """What the same backend may be asked again after; [] = nothing.  Any status may be named, 404 and 409 too.

    Default [429, 500, 502, 503, 504, 529, timeout, connect].
    """


class Route(Strict):
    """A name callers ask for, and the backends that may answer it."""

    name: Name
    """Its name; a request that names none gets `default`, or else the first route."""
    backends: Annotated[list[Entry], Field(min_length=1)]
    """Who may answer, in this order."""
    strategy: Annotated[str, OneOf("strategy", frozenset(item.value for item in Strategy))] = "priority"
    """`priority`: in order of group and place.  `weighted`: turns by weight inside a group.  Default priority."""
    hedge: Hedge | None = None
    """When to start another lane; left out = never."""
    budget: Budget = Budget()
    """How much hedges and retries may add."""
    retry: Retry = Retry()
    """How often to try, and after what."""
    on_break: Annotated[str, OneOf("on_break", frozenset(item.value for item in OnBreak))] = "fail"
    """What to do when a stream breaks after its first piece; default fail.

    `continue`: another backend writes on, and a seam event marks the place.
    """
    upstream: Annotated[str, OneOf("upstream", frozenset(item.value for item in Upstream))] = "auto"
    """Whether unary calls stream upstream: `auto` = whole only where there is one candidate; default auto."""
    on_status: dict[Status, Class] | None = None
    """What follows from a failure with a status, instead of what is usual: {404: elsewhere, 402: terminal, 409: retry}.

    `retry` asks others, then the same again; `elsewhere` only others; `terminal` nobody.
    """
    degrade: Degrade | None = None
    """How far answers may fall, and who is told where nobody could answer."""
    max_ejected: Share | None = None
    """The share of a call's backends that their circuits may keep out; default 50%, 100% = all.

    Beyond it (panic) the others are asked in spite of their circuits, where nobody else may be, ten lanes at once for
    each of `breaker.probes`.
    """


def tiers(route: Route) -> tuple[list[str], list[int]]:
    """Return each entry's tier ("" = nobody named it) and its rank, 0 = the highest, in order of appearance."""
    words: list[str] = []
    for entry in route.backends:
        words.append(entry.tier or (words[-1] if words else ""))
    ranks = {word: rank for rank, word in enumerate(dict.fromkeys(words))}
    return words, [ranks[word] for word in words]
