"""How hard to think, in the words of the model that is asked.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quickthorn_server.core.claude import Claude
from quickthorn_server.core.prompt import ReasoningEffort, ReasoningOptions
from quickthorn_server.providers.anthropic_errors import cannot

ROOM = 4096
"""The output limit where nobody names one, because the API demands one: what even the smallest Claude may write."""

THINKING_ROOM = 16_384
"""The same where the model thinks, which counts as output: half of what the smallest thinking Claude may write."""

_LEAST_BUDGET = 1024
_LEAST_TOP_P = 0.95

_SHARES = {
    ReasoningEffort.MINIMAL: 0.1,
    ReasoningEffort.LOW: 0.2,
    ReasoningEffort.MEDIUM: 0.5,
    ReasoningEffort.HIGH: 0.8,
    ReasoningEffort.MAX: 0.95,
}
"""Of the output limit, for models that know budgets and no words (openrouter.ai, "Reasoning Tokens")."""

_PLACES = {
    ReasoningEffort.MINIMAL: 0,
    ReasoningEffort.LOW: 0,
    ReasoningEffort.MEDIUM: 1,
    ReasoningEffort.HIGH: 2,
    ReasoningEffort.MAX: -1,
}
"""Which of a model's words is meant: they all begin with low, medium, high, and only the last differs."""


def output_limit(named: int | None, asked: ReasoningOptions, rules: Claude) -> int:
    """Return `max_tokens`: what was *named*, else room for the answer, and for thinking where there will be some."""
    if named is not None:
        return named
    if asked.budget_tokens:
        return asked.budget_tokens + ROOM
    wanted = asked.effort not in {None, ReasoningEffort.NONE}
    return THINKING_ROOM if wanted or (rules.thinks and asked.effort is None) else ROOM


def thinking(asked: ReasoningOptions, rules: Claude, limit: int) -> dict[str, Any] | None:
    """Return the `thinking` of a request whose `max_tokens` is *limit*, None = leave it to the model.

    A budget is at least 1,024 tokens and less than *limit* ("Extended thinking").  Raises BackendError (UNSUPPORTED).
    """
    if asked.effort is ReasoningEffort.NONE or asked.budget_tokens == 0:
        return _off(rules)
    mode = _mode(asked, rules, limit)
    if mode is None and asked.show and rules.thinks:
        mode = {"type": "adaptive"}  # which it does anyway
    if mode is not None and asked.show and rules.silent:
        mode["display"] = "summarized"
    return mode


def effort(asked: ReasoningOptions, rules: Claude) -> str | None:
    """Return the word of `output_config.effort`, None = leave it to the model."""
    place = _PLACES.get(asked.effort) if asked.effort is not None else None
    return rules.efforts[place] if place is not None and rules.efforts else None


def turned_on(mode: Mapping[str, Any]) -> bool:
    """Say whether a model asked with this `thinking` will think."""
    return mode.get("type") in {"enabled", "adaptive"}


def excluded(
    rules: Claude,
    *,
    thinks: bool,
    forced: bool,
    temperature: float | None,
    top_p: float | None,
    top_k: int | None,
) -> str:
    """Return what is too much to ask at once, "" = nothing, whoever serves the model.

    "Extended thinking": with thinking no other temperature than 1, no `top_k`, `top_p` from 0.95 to 1, no *forced*
    tools.
    """
    if forced and not rules.forced_tools:
        return "forced tools for this model"
    if not thinks:
        return ""
    if forced:
        return "thinking with forced tools"
    if temperature not in {None, 1} or top_k is not None:
        return "thinking with a temperature other than 1, or with top_k"
    return "thinking with a top_p below 0.95" if top_p is not None and top_p < _LEAST_TOP_P else ""


def _off(rules: Claude) -> dict[str, Any] | None:
    if rules.off == "":
        raise cannot("an answer without thinking: this model always thinks")
    return {"type": rules.off} if rules.off else None


def _mode(asked: ReasoningOptions, rules: Claude, limit: int) -> dict[str, Any] | None:
    if asked.budget_tokens is not None:
        return _by_budget(asked.budget_tokens, rules, limit)
    if asked.effort is None:
        return None
    if rules.efforts:
        return {"type": "adaptive"} if rules.adaptive and not rules.thinks else None
    return _by_budget(max(int(limit * _SHARES[asked.effort]), _LEAST_BUDGET), rules, limit)


def _by_budget(budget: int, rules: Claude, limit: int) -> dict[str, Any]:
    if not rules.budget:
        raise cannot("a thinking budget for this model")
    if not _LEAST_BUDGET <= budget < limit:
        raise cannot(f"thinking by {budget} tokens in an answer of {limit}: at least 1024 and less than the answer")
    return {"type": "enabled", "budget_tokens": budget}
