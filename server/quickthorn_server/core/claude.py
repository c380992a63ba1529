"""What Anthropic's models take of their API, by name: it differs from model to model, whoever serves them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from quickthorn_server.core.features import Feature

_NAME = re.compile(r"claude-(?P<family>[a-z]+)-(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?!\d)")
_OLD_NAME = re.compile(r"claude-(?P<major>\d)(?:[-.](?P<minor>\d))?-(?P<family>[a-z]+)")

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_ALWAYS_THINK = frozenset({"fable", "mythos"})


@dataclass(frozen=True, slots=True)
class Claude:
    """What one model takes.  The defaults are those of a model whose name says nothing: then its API decides.

    *sampling*: `temperature`, `top_p`, `top_k`.  *budget*: thinking by `budget_tokens`; *adaptive*: as it sees fit.
    *efforts*: the words of `output_config.effort`, least first.  *thinks*: unasked; *off*: the `thinking.type` that
    stops it, "" = nothing does, None = it need not be stopped.  *silent*: its thoughts are shown only if
    `thinking.display` says so.
    *forced_tools*: a call can be demanded.  *system_turns*: `system` is a role of messages, too.
    """

    sampling: bool = True
    budget: bool = True
    adaptive: bool = True
    efforts: tuple[str, ...] = _EFFORTS
    thinks: bool = False
    off: str | None = "disabled"
    silent: bool = False
    forced_tools: bool = True
    system_turns: bool = True


@lru_cache(maxsize=256)
def claude(model: str) -> Claude:
    """Return what *model* takes, under whichever of its names: `claude-opus-4-6`, `us.anthropic.claude-...-v1:0`.

    Sources, as of November 2026: platform.claude.com "Effort", "Thinking", "Adaptive thinking", "Mid-conversation
    system messages" and the "What's new in ..." and migration pages of Opus 4.7, 4.8, 5, 5.5, Sonnet 5, 5.5 and Haiku
    5.5; docs.aws.amazon.com "Adaptive thinking".  A model newer than those is taken to be like the newest of them.
    """
    match = _NAME.search(model) or _OLD_NAME.search(model)
    if match is None:
        return Claude()
    family, version = match["family"], (int(match["major"]), int(match["minor"] or 0))
    recent, current = version >= (4, 7), version >= (5, 0)
    return Claude(
        sampling=not recent,
        budget=(3, 7) <= version < (4, 7),
        adaptive=version >= (4, 6),
        efforts=_efforts(family, version),
        thinks=current,
        off=_off(family, version),
        silent=recent,
        forced_tools=version < ((5, 1) if family in _ALWAYS_THINK else (5, 5)) or family == "haiku",
        system_turns=version >= (4, 8),
    )


def lacks(model: str) -> frozenset[Feature]:
    """Return what the API has a field for and *model* does not take."""
    rules = claude(model)
    found: set[Feature] = set()
    if not rules.sampling:
        found |= {Feature.TEMPERATURE, Feature.TOP_P, Feature.TOP_K}
    if not rules.budget:
        found.add(Feature.THINKING_BUDGET)
    if not rules.budget and not rules.efforts:
        found.add(Feature.EFFORT)
    return frozenset(found)


def _efforts(family: str, version: tuple[int, int]) -> tuple[str, ...]:
    if version >= (4, 7):
        return _EFFORTS
    if version == (4, 6):
        return ("low", "medium", "high", "max")
    return ("low", "medium", "high") if (family, version) == ("opus", (4, 5)) else ()


def _off(family: str, version: tuple[int, int]) -> str | None:
    if version < (5, 0):
        return None
    if family in _ALWAYS_THINK or (family == "opus" and version >= (5, 5)):
        return ""
    return "between_tools" if family == "sonnet" and version >= (5, 5) else "disabled"
