"""The form of a backend's `health`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from quickthorn_server.config.kinds import PositiveDuration, Spend
from quickthorn_server.config.strict import Strict
from quickthorn_server.config.words import OneOf
from quickthorn_server.core.health import CheckMethod

Times = Annotated[int, Field(ge=1, le=100)]


class Active(Strict):
    """How to check a backend, whether it is called or not."""

    method: Annotated[str, OneOf("way to check", frozenset(method.value for method in CheckMethod))]
    """connect = TCP and TLS; models = the provider's list of models; completion = one token, for money."""
    interval: PositiveDuration | None = None
    """Between two checks, give or take 15%; at least 1s, default 30s."""
    timeout: PositiveDuration | None = None
    """For one check; default 5s, or the interval where that is shorter."""
    unhealthy: Times | None = None
    """Bad checks in a row that open the circuit; default 3."""
    healthy: Times | None = None
    """Good checks in a row that close it again; default 2."""
    max_cost_per_day: Spend | None = None
    """Of completions: USD that they may cost in a day (UTC), then they pause; default 0.10."""


class Health(Strict):
    """How to learn of a backend's health besides from its calls."""

    active: Active | None = None
    """Checks; left out = none."""
