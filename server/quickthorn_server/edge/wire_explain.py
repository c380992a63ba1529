"""Plans and routes written as protobuf, for Explain and ListRoutes."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from quickthorn.v1 import backend_pb2, explanation_pb2, route_pb2
from quickthorn_server.core import catalogue as core
from quickthorn_server.core.outline import Needs
from quickthorn_server.core.plan import Circuit, Plan, PurseLevels, Verdict
from quickthorn_server.core.request import Request
from quickthorn_server.edge.wire_content import Fields, span
from quickthorn_server.execution import continuation
from quickthorn_server.execution.stand_in import open_rungs
from quickthorn_server.routing.eligibility import worst_cost
from quickthorn_server.routing.needs import needs
from quickthorn_server.routing.notes import hedging_costs, notes

_CIRCUITS = {
    Circuit.CLOSED: backend_pb2.CIRCUIT_STATE_CLOSED,
    Circuit.OPEN: backend_pb2.CIRCUIT_STATE_OPEN,
    Circuit.HALF_OPEN: backend_pb2.CIRCUIT_STATE_HALF_OPEN,
}


def explanation(
    plan: Plan, request: Request, levels: PurseLevels, limited: Collection[str]
) -> explanation_pb2.Explanation:
    """Write what would happen to *request* under *plan*.

    *levels*: what its route could pay for.  *limited*: the backends that are at a limit of their own.
    """
    need = needs(request)
    places = {backend.name: place for place, backend in enumerate(plan.order)}
    verdicts = sorted(plan.verdicts, key=lambda verdict: places.get(verdict.backend.name, len(places)))
    whole = explanation_pb2.UPSTREAM_MODE_WHOLE if plan.whole else explanation_pb2.UPSTREAM_MODE_STREAM
    return explanation_pb2.Explanation(
        route=plan.route.name,
        strategy=plan.route.strategy.word,
        candidates=[_candidate(verdict, places, need, plan) for verdict in verdicts],
        order=[backend.name for backend in plan.order],
        hedge=_hedge(plan),
        max_attempts=plan.retry.attempts,
        upstream=whole,
        estimated_input_tokens=plan.input_tokens,
        needs=sorted(need.capabilities),
        config_version=plan.config_version,
        notes=[
            *notes(request, plan, limited),
            *continuation.said(plan, request.prompt),
            f"the purses hold {levels.hedges:g} hedges and {levels.retries:g} retries",
            *hedging_costs(plan),
        ],
        ladder=[rung.word for rung in open_rungs(plan, request.prompt)],
    )


def route(given: core.Route, catalogue: core.Catalogue) -> route_pb2.RouteInfo:
    """Write a route as callers see it."""
    backends = [catalogue.backends[entry.backend] for entry in given.entries]
    return route_pb2.RouteInfo(
        name=given.name,
        is_default=given.name == catalogue.default_route,
        strategy=given.strategy.word,
        capabilities=sorted(frozenset[str]().union(*(backend.capabilities for backend in backends))),
        max_context_tokens=max(_windows(backends), default=0),
        hedging=given.hedge is not None,
        model_ids=list(dict.fromkeys(backend.model_id for backend in backends)),
        embedding_space=next((backend.embedding_space for backend in backends if backend.embedding_space), ""),
    )


def _windows(backends: list[core.Backend]) -> Iterator[int]:
    return (backend.context_window for backend in backends if backend.context_window is not None)


def _candidate(verdict: Verdict, places: dict[str, int], need: Needs, plan: Plan) -> explanation_pb2.Candidate:
    backend = verdict.backend
    return explanation_pb2.Candidate(
        backend=backend.name,
        provider=backend.provider,
        model=backend.model,
        model_id=backend.model_id,
        kept=verdict.kept,
        position=places.get(backend.name),
        reason=verdict.drop.word if verdict.drop else "",
        detail=verdict.detail,
        circuit=_CIRCUITS[plan.knowledge.circuits.get(backend.name, Circuit.CLOSED)],
        estimated_cost_nano_usd=worst_cost(backend, need),
        timeouts=explanation_pb2.Timeouts(
            connect=span(backend.timeouts.connect),
            first_token=span(backend.timeouts.first_token),
            idle=span(backend.timeouts.idle),
            total=span(backend.timeouts.total),
        ),
    )


def _hedge(plan: Plan) -> explanation_pb2.HedgeRule:
    hedging, advice = plan.hedging, plan.advice
    written: Fields = {
        "target": plan.route.hedge.aim if plan.route.hedge else "",
        "no_hedge": plan.no_hedge,
        "probability": plan.hedge_probability,
    }
    if hedging is not None:
        written["delay"] = span(hedging.delay)
        written["max_parallel"] = hedging.max_parallel
        written["to"] = [backend.name for backend in hedging.targets or ()]
    if advice is not None:
        written["basis"] = advice.basis
        written["learned_from"] = advice.learned_from
        written["expected"] = None if advice.expected is None else span(advice.expected)
        written["expected_without"] = None if advice.expected_without is None else span(advice.expected_without)
    return explanation_pb2.HedgeRule(**written)
