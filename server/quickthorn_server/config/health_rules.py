"""What a backend's checks cost, and what makes no sense in them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from quickthorn_server.config import defaults
from quickthorn_server.config.backend import Backend
from quickthorn_server.config.errors import Finding
from quickthorn_server.config.health import Active
from quickthorn_server.core.dialects import by_responses
from quickthorn_server.core.health import CheckMethod, CheckRule
from quickthorn_server.core.known import KNOWN
from quickthorn_server.core.usage import Usage

_MAX_COST = 100_000_000  # nano-USD a day
_NANO = 1_000_000_000
_INPUT_TOKENS = 16  # of a prompt of one word, with what providers wrap around it
_THINKING_TOKENS = 16
"""What OpenAI's Responses API takes at least; models that think answer 400 where their limit leaves no room for it."""
_SHORTEST = 1.0  # seconds


def check_rule(backend: Backend) -> CheckRule | None:
    """Return how the backend is checked, None = not at all."""
    active = backend.health.active
    if active is None:
        return None
    method = CheckMethod(active.method)
    given = active.given() | {"method": method}
    given.pop("max_cost_per_day", None)
    given.setdefault("timeout", min(CheckRule(method).timeout, given.get("interval", CheckRule(method).interval)))
    if method is not CheckMethod.COMPLETION:
        return CheckRule(**given)
    output_tokens = _output_tokens(backend)
    return CheckRule(
        **given,
        output_tokens=output_tokens,
        most_tokens=_INPUT_TOKENS + output_tokens,
        cost=_cost(backend) or 0,
        max_cost_per_day=_max_cost(active),
    )


def health_findings(backend: Backend) -> Iterator[Finding]:
    """Find what keeps checks from being made, or from meaning anything."""
    active = backend.health.active
    if active is not None:
        yield from _method(backend, active)
        yield from _money(backend, active)
        yield from _times(active)


def _method(backend: Backend, active: Active) -> Iterator[Finding]:
    location, known = ("health", "active", "method"), KNOWN[backend.provider]
    if not known.remote and active.method != "completion":
        message = f'provider "{backend.provider}" is asked by no connection of its own'
        yield Finding(location, message, "write completion, or remove the key health")
    elif active.method == "models" and not (known.lists and _lists(backend)):
        yield Finding(
            location, f'provider "{backend.provider}" has no list of models here', "write connect, or completion"
        )


def _lists(backend: Backend) -> bool:
    """Say whether the address is one with a list: Foundry's model inference has none."""
    return backend.provider != "azure" or not (backend.base_url or "").rstrip("/").endswith("/models")


def _money(backend: Backend, active: Active) -> Iterator[Finding]:
    location = ("health", "active", "max_cost_per_day")
    if active.method != "completion":
        if active.max_cost_per_day is not None:
            yield Finding(location, f"checks by {active.method} cost nothing", "remove the key", at_key=True)
        return
    cost = _cost(backend)
    if cost is None:
        message = "a completion costs money, and this backend's price is not known"
        hint = "write its price (0 where it is free), or method: models"
        yield Finding(("health", "active", "method"), message, hint)
    elif cost > _max_cost(active):
        message = f"one check may cost {Decimal(cost) / _NANO:f} USD, so none would be made"
        yield Finding(location, message, "write more, or method: models")


def _times(active: Active) -> Iterator[Finding]:
    interval = CheckRule(CheckMethod.CONNECT).interval if active.interval is None else active.interval
    if interval < _SHORTEST:
        yield Finding(("health", "active", "interval"), "that would be traffic, not a check", "write at least 1s")
    elif active.timeout is not None and active.timeout > interval:
        message = f"a check would outlast the interval ({interval:g}s)"
        yield Finding(("health", "active", "timeout"), message, f"write at most {interval:g}s")


def _max_cost(active: Active) -> int:
    return _MAX_COST if active.max_cost_per_day is None else active.max_cost_per_day


def _output_tokens(backend: Backend) -> int:
    responses = by_responses(backend.api, backend.path or "") if "api" in KNOWN[backend.provider].settings else False
    return _THINKING_TOKENS if responses or "reasoning" in defaults.capabilities(backend) else 1


def _cost(backend: Backend) -> int | None:
    """Return what one completion costs at most, in nano-USD; None = unknown.  What runs in this process is free."""
    if not KNOWN[backend.provider].remote:
        return 0
    price = defaults.price(backend)
    return None if price is None else price.nano_usd(Usage(_INPUT_TOKENS, _output_tokens(backend)))
