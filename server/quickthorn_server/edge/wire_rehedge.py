"""What bore on the hedging of a recorded call, as far as its record tells."""

from __future__ import annotations

import re
from decimal import Decimal

from quickthorn.v1 import explanation_pb2, record_pb2
from quickthorn_server.core.catalogue import HedgeRule
from quickthorn_server.core.plan import Advice, Advise, HedgeFacts
from quickthorn_server.edge.wire_content import seconds
from quickthorn_server.routing.hedging import CIRCUIT_OPEN, NEAR_LIMIT, SPENT


def hedge_facts(record: record_pb2.DecisionRecord, rule: HedgeRule) -> HedgeFacts:
    """Return what was known when the call in *record* was planned, for a route that now hedges by *rule*.

    A record holds the outcome, not the state that led to it: whom hedges would have asked, or why there was none.
    """
    hedge = record.plan.hedge
    places = {name: place for place, name in enumerate(hedge.to)}
    passed_by, shut = _passed_by(record.plan), _shut(record.plan)
    return HedgeFacts(
        advise=_advise(hedge) if rule.aim == hedge.target else None,
        near_limit=lambda backend: backend in passed_by or f"{backend}: {NEAR_LIMIT}" in hedge.no_hedge,
        shut=lambda backend: backend in shut,
        spent=lambda _: _spent(hedge.no_hedge),
        typical=lambda backend, _: float(places[backend]) if backend in places else None,
    )


def _spent(no_hedge: str) -> int:
    """Return the nano-USD that *no_hedge* says were spent, 0 where it says something else."""
    found = re.match(rf"{SPENT} ([0-9.]+) ", no_hedge)
    return int(Decimal(found[1]).scaleb(9)) if found else 0


def _passed_by(plan: record_pb2.RecordedPlan) -> frozenset[str]:
    """Return who comes before somebody whom hedges would have asked, and would not have been asked by one."""
    order, targets = list(plan.order), set(plan.hedge.to)
    last = max((place for place, name in enumerate(order) if name in targets), default=0)
    return frozenset(name for name in order[1:last] if name not in targets)


def _shut(plan: record_pb2.RecordedPlan) -> frozenset[str]:
    """Return whose circuit let nobody through, if it was open at all.

    Where a hedge was planned everybody but the first and its targets; else who is said to be, and who comes before the
    one that was to be asked first.
    """
    hedge, order = plan.hedge, list(plan.order)
    if hedge.to:
        return frozenset(order[1:]) - frozenset(hedge.to)
    said = {name for name in order if f"{name}: {CIRCUIT_OPEN}" in hedge.no_hedge}
    first = re.match(r"too few answers of (\S+) to know|(\S+): its cost", hedge.no_hedge)
    name = (first[1] or first[2]) if first else ""
    return frozenset(said | set(order[: order.index(name)] if name in order else ()))


def _advise(hedge: explanation_pb2.HedgeRule) -> Advise:
    told = hedge.HasField("delay") or hedge.HasField("probability")
    advice = Advice(
        delay=seconds(hedge.delay) if told else None,
        probability=hedge.probability if hedge.HasField("probability") else 1.0,
        lanes=hedge.max_parallel,
        why="" if told else hedge.no_hedge,
        basis=hedge.basis,
        expected=seconds(hedge.expected) if hedge.HasField("expected") else None,
        expected_without=seconds(hedge.expected_without) if hedge.HasField("expected_without") else None,
        learned_from=hedge.learned_from,
    )
    return lambda _, __, ___: advice
