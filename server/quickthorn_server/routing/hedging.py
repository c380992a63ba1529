"""Decide whether a call may be hedged, after how long and on whom; every no has its words.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from quickthorn_server.core.catalogue import Backend, HedgeRule, HedgeTo, Route
from quickthorn_server.core.coin import planned
from quickthorn_server.core.outline import Outline
from quickthorn_server.core.plan import Advice, Circuit, Hedging, Knowledge
from quickthorn_server.core.request import Priority
from quickthorn_server.routing.bill import Bill, bill_of, usd
from quickthorn_server.routing.ordering import cost_of_one

CIRCUIT_OPEN, NEAR_LIMIT, SPENT = "its circuit is open", "it is near a limit", "hedges of the route have cost"
"""What is said of the state of things; a replayed record is read by these words."""

_ENOUGH_FOR_A_RACE = 2


class Decided(NamedTuple):
    """The hedge of a call, or None and why not ("" where the route has none); *advice* where any was asked for."""

    hedging: Hedging | None
    no_hedge: str = ""
    advice: Advice | None = None


_NO_RULE = Decided(None)


def hedged(
    call: Outline, route: Route, order: Sequence[Backend], knowledge: Knowledge, turn: int, *, whole: bool
) -> Decided:
    """Return the hedge of *call*, whose candidates are *order*; *whole*: replies come in one piece."""
    rule = route.hedge
    if rule is None:
        return _NO_RULE
    if why := _forbidden(call, order):
        return Decided(None, why)
    first = order[0]
    if first.name in knowledge.circuits and call.directives.failover is not False:
        first = next((backend for backend in order if not _shut(backend, knowledge)), first)
    bill = bill_of(call, rule, whole=whole)
    others = order if rule.to is HedgeTo.NEXT else _sorted(order, rule.to, knowledge, call)
    targets, why = _targets(first, others, route, knowledge, bill)
    if not targets:
        return Decided(None, why)
    delay, advice = rule.delay, None
    lanes = min(rule.max_parallel, len(targets) + 1)
    if rule.percentile is not None:
        delay = knowledge.first_content.get((first.name, rule.percentile))
        if delay is None:
            return Decided(None, f"too few answers of {first.name} to know its {rule.aim}")
    elif delay is None:
        if whole:  # as vectors always do
            return Decided(None, "auto learns from streamed answers, and this one comes whole")
        advice = _advice(route, (first, *targets[: lanes - 1]), knowledge, call)
        if why := _advised_against(advice, call, turn):
            return Decided(None, why, advice)
        delay, lanes = advice.delay or 0.0, min(lanes, max(advice.lanes, _ENOUGH_FOR_A_RACE))
    if bill is None:
        return Decided(Hedging(delay, lanes, targets), "", advice)
    worst = bill.beyond_winner(first, targets[: rule.max_parallel - 1])  # of whom any may run in the end
    if why := "" if worst is None else _spent(route, rule, worst, knowledge):
        return Decided(None, why, advice)
    return Decided(Hedging(delay, lanes, targets, worst), "", advice)


def _forbidden(call: Outline, order: Sequence[Backend]) -> str:
    """Return what keeps the call from hedging whatever is known, "" = nothing."""
    if call.directives.hedging is False:
        return "the request switches hedging off"
    if call.directives.priority is Priority.BULK:
        return "bulk calls do not hedge"
    if call.provider_tools:
        return "the provider executes tools"
    return "one candidate only" if len(order) < _ENOUGH_FOR_A_RACE else ""


def _shut(backend: Backend, knowledge: Knowledge) -> bool:
    """Whether its circuit admits nobody yet; one whose time is over may be probed by a hedge, or it never closes."""
    open_ = knowledge.circuits.get(backend.name) is Circuit.OPEN
    return open_ and knowledge.hedging.shut(backend.name)


def _targets(
    first: Backend, others: Iterable[Backend], route: Route, knowledge: Knowledge, bill: Bill | None
) -> tuple[tuple[Backend, ...], str]:
    """Return whom of *others* to ask because of silence, in order; () and why where nobody is left.

    As many as the call has lanes: one that a failure has led to, or that refuses when its turn comes, is no target.
    """
    lanes = route.hedge.max_parallel - 1 if route.hedge else 0  # beside the first
    most = max(lanes, route.retry.attempts - 1)
    if bill is not None and (why := bill.unknown(first)):
        return (), f"{first.name}: {why}"
    circuits, near_limit = knowledge.circuits, knowledge.hedging.near_limit
    taken: list[Backend] = []
    against: list[str] = []
    for backend in others:
        if backend is first:
            continue
        if backend.shares and (why := _shared(backend, first, taken)):
            against.append(f"{backend.name}: {why}")
        elif backend.name in circuits and _shut(backend, knowledge):
            against.append(f"{backend.name}: {CIRCUIT_OPEN}")
        elif near_limit(backend.name):
            against.append(f"{backend.name}: {NEAR_LIMIT}")
        elif bill is not None and (why := bill.refuses(first, taken, backend, spare=len(taken) >= lanes)):
            against.append(f"{backend.name}: {why}")
        else:
            taken.append(backend)
            if len(taken) == most:
                break
    if taken:
        return tuple(taken), ""
    return (), f"nobody to hedge to: {'; '.join(against)}"


def _sorted(order: Iterable[Backend], to: HedgeTo, knowledge: Knowledge, call: Outline) -> Sequence[Backend]:
    """Return *order* with the cheapest, or the quickest, first; ties as they were."""
    if to is HedgeTo.CHEAPEST:
        return sorted(order, key=lambda backend: cost_of_one(backend, call.needs))
    return sorted(order, key=lambda backend: _usual(backend, knowledge, call))


def _usual(backend: Backend, knowledge: Knowledge, call: Outline) -> float:
    """Return its usual seconds to first content; who is not known is asked after everybody who is."""
    seconds = knowledge.hedging.typical(backend.name, call.needs.input_tokens)
    return float("inf") if seconds is None else seconds


def _shared(backend: Backend, first: Backend, taken: Iterable[Backend]) -> str:
    """Return that *backend* is slow together with one that is asked before it, "" = it is not."""
    for each in (first, *taken):
        if backend.shares == each.shares:
            return f"it shares the failure domain {backend.shares}"
    return ""


def _advice(route: Route, lanes: Sequence[Backend], knowledge: Knowledge, call: Outline) -> Advice:
    advise = knowledge.hedging.advise
    if advise is None:
        aim = route.hedge.aim if route.hedge else ""
        return Advice(None, 0.0, 0, f"auto {aim}: nothing was learned yet", "", None, None, 0)
    return advise(route.name, tuple([backend.name for backend in lanes]), call.needs.input_tokens)


def _advised_against(advice: Advice, call: Outline, turn: int) -> str:
    if advice.delay is None:
        return advice.why or "hedging such calls gains nothing"
    if call.directives.priority is Priority.CRITICAL or planned(turn, advice.probability):
        return ""
    return f"not drawn: {advice.probability:.1%} of such calls may hedge"


def _spent(route: Route, rule: HedgeRule, worst: int, knowledge: Knowledge) -> str:
    """Return that the route's hedges have cost enough for this hour, "" = they have not."""
    if rule.max_extra_hour is None or (spent := knowledge.hedging.spent(route.name)) + worst <= rule.max_extra_hour:
        return ""
    return f"{SPENT} {usd(spent)} of {usd(rule.max_extra_hour)} USD in the running hour"
