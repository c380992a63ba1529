"""One call as it came in: what is asked, what must hold, what is wished for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from quickthorn_server.core.catalogue import OnBreak
from quickthorn_server.core.features import Feature
from quickthorn_server.core.provider import AnyPrompt
from quickthorn_server.core.value import value
from quickthorn_server.core.word import Word


@value
class Requirements:
    """What must hold of whoever answers.  *max_first_token* in seconds, costs in nano-USD; None = no limit."""

    capabilities: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    data_policies: frozenset[str] = frozenset()
    max_cost_nano_usd: int | None = None
    max_first_token: float | None = None
    min_context_tokens: int | None = None


class Objective(Word):
    """What to prefer among candidates that would all do."""

    COST = "cost"
    LATENCY = "latency"
    QUALITY = "quality"


@value
class Preferences:
    """Soft wishes: they sort, they never exclude."""

    objective: Objective | None = None
    backends: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    target_cost_nano_usd: int | None = None
    target_first_token: float | None = None


class Priority(Word):
    """How urgent a call is; BULK never hedges."""

    BULK = "bulk"
    NORMAL = "normal"
    CRITICAL = "critical"


@value
class Directives:
    """Orders of the caller.  None = as the route says.  *may_drop*: what may be left out where it cannot be carried.

    *max_extra_cost_nano_usd*: the most that lanes beyond the serving one may cost.
    """

    backend: str = ""
    allow_backends: frozenset[str] = frozenset()
    deny_backends: frozenset[str] = frozenset()
    hedging: bool | None = None
    failover: bool | None = None
    same_model: bool = False
    priority: Priority = Priority.NORMAL
    may_drop: frozenset[Feature] = frozenset()
    max_extra_cost_nano_usd: int | None = None
    on_break: OnBreak | None = None


NO_REQUIREMENTS, NO_PREFERENCES, NO_DIRECTIVES = Requirements(), Preferences(), Directives()
"""Of a request that says nothing of them, as most do."""


@value
class Request:
    """One validated call."""

    prompt: AnyPrompt
    route: str = ""
    requirements: Requirements = NO_REQUIREMENTS
    preferences: Preferences = NO_PREFERENCES
    directives: Directives = NO_DIRECTIVES
    labels: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
