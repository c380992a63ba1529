"""Which setting to write for a budget, or that hedging buys nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quickthorn_server.core.catalogue import RetryRule
from quickthorn_server.simulation.measure import Measured
from quickthorn_server.simulation.trial import Terms, Tried
from quickthorn_server.simulation.words import exactly, name, percent, span

WORTH = 0.10
"""The least gain of the target percentile that is worth extra requests: the server's own `min_gain`."""

_ENOUGH = 0.95  # of the best gain: the smallest budget that has it is recommended
_FARTHEST, _FAR_BETTER = 0.999, 2
_CLEARLY = 0.05  # a plain delay is recommended where it beats auto by more


@dataclass(frozen=True, slots=True)
class Recommendation:
    """*why* in a sentence; *settings*: what to write into the route, () = nothing.  *budget* None = do not hedge.

    *beside*: what speaks for another rule, "" = nothing.
    """

    why: str
    settings: tuple[str, ...]
    budget: float | None
    beside: str = ""


def recommended(without: Measured, tried: Sequence[Tried], terms: Terms) -> Recommendation:
    """Return what is best among *tried*: the smallest budget that does about as well as all, and the rule for it."""
    target = terms.target
    before, possible = without.at(target), min(each.oracle.at(target) for each in tried)
    least = min(_best(each, target).at(target) for each in tried)
    if _gain(before, least) < WORTH:
        return Recommendation(_why_not(before, possible, max(map(_budget, tried)), terms), (), None)
    enough = before - _ENOUGH * (before - least)
    chosen = min((each for each in tried if _best(each, target).at(target) <= enough), key=_budget)
    rule = _best(chosen, target)
    after, best = rule.at(target), chosen.oracle.at(target)
    better = f"; the best possible: {span(best)}" if best < after else ""
    gain = f"{'at least ' if before >= terms.bound else ''}{percent(_gain(before, after))} less"
    why = (
        f"{exactly(chosen.budget)} and {_words(rule)} bring {name(target)} from {span(before, terms.bound)} to "
        f"{span(after)} ({gain}) for {percent(rule.load)} more requests{better}"
    )
    return Recommendation(why, _settings(rule, chosen.budget, terms), chosen.budget, _beside(rule, chosen, target))


def _why_not(before: float, possible: float, budget: float, terms: Terms) -> str:
    """Return why nothing is recommended."""
    called, gain = name(terms.target), percent(max(0.0, _gain(before, possible)))
    if _gain(before, possible) >= WORTH:
        why = f"{exactly(budget)} is too little: no rule takes {percent(WORTH)} off {called}, the oracle takes {gain}"
        return f"{why}; allow more, or leave `hedge` out"
    if before >= terms.bound:
        why = (
            f"how much longer than {span(terms.bound)} {called} is without hedging is not in this log, which was hedged"
        )
        return f"{why}: log some hours without"
    why = f"hedging buys nothing here: at {exactly(budget)} even the oracle takes only {gain} off {called}"
    return f"{why}; leave `hedge` out"


def _best(tried: Tried, target: float) -> Measured:
    """Return auto, or the plain rule that clearly beats it."""
    plain = min((tried.fixed, tried.percentile), key=lambda each: each.at(target))
    return plain if plain.at(target) < tried.auto.at(target) * (1 - _CLEARLY) else tried.auto


def _beside(rule: Measured, tried: Tried, target: float) -> str:
    """Say so where a plain delay does about as much and far better beyond the target."""
    plain = min((tried.fixed, tried.percentile), key=lambda each: each.at(_FARTHEST))
    as_good = plain.at(target) <= rule.at(target) * (1 + _CLEARLY)
    if rule is plain or not as_good or plain.at(_FARTHEST) * _FAR_BETTER > rule.at(_FARTHEST):
        return ""
    far, near = span(rule.at(_FARTHEST)), span(plain.at(_FARTHEST))
    return f"{_words(plain)} does as much, and {name(_FARTHEST)} is {near} with it instead of {far}: try --target p99.9"


def _gain(before: float, after: float) -> float:
    return 1 - after / before


def _budget(tried: Tried) -> float:
    return tried.budget


def _words(rule: Measured) -> str:
    return "`delay: auto`" if rule.rule == "auto" else f"`delay: {rule.setting}`"


def _settings(rule: Measured, budget: float, terms: Terms) -> tuple[str, ...]:
    delay = f"auto, target: {name(terms.target)}" if rule.rule == "auto" else rule.setting
    settings = (
        f"hedge: {{delay: {delay}, max_parallel: {terms.max_parallel}}}",
        f"budget: {{hedges: {exactly(budget)}, burst: {terms.burst}}}",
    )
    if terms.max_parallel <= RetryRule().attempts:
        return settings
    return *settings, f"retry: {{attempts: {terms.max_parallel}}}"
