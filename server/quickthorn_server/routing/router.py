"""Make a plan of a request.  The caller owns the wheel: the same turn gives the same plan."""

from __future__ import annotations

from collections.abc import Mapping

from quickthorn_server.core.catalogue import Backend, Catalogue, Entry, HedgeRule, Route, Strategy, Upstream
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.features import Feature, named
from quickthorn_server.core.plan import Circuit, Drop, Hedging, Knowledge, Plan, Verdict
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.request import Objective, Priority, Request
from quickthorn_server.routing.eligibility import judged_by
from quickthorn_server.routing.needs import Needs, needs, provider_executed
from quickthorn_server.routing.ordering import ordered, preferred

_ENOUGH_FOR_A_RACE = 2


def plan(request: Request, catalogue: Catalogue, knowledge: Knowledge, turn: int) -> Plan:
    """Return whom to ask for *request*, in what order, and why everybody else is left out.

    *turn* counts the calls of the route so far.  Raises KeyError when the route is unknown.
    """
    route = catalogue.routes[request.route or catalogue.default_route]
    need = needs(request)
    verdicts, order = _candidates(request, catalogue, route, need, turn, keys_refused=knowledge.keys_refused)
    left_out = {backend.name: lacking for backend in order if (lacking := need.features - backend.carries)}
    hedging, no_hedge = _hedging(request, route.hedge, order, knowledge)
    return Plan(
        route=route,
        order=tuple(order),
        verdicts=tuple(verdicts),
        hedging=hedging,
        no_hedge=no_hedge,
        retry=route.retry,
        whole=_whole(request, route, order),
        failover=request.directives.failover is not False,
        shows_reasoning=isinstance(request.prompt, Prompt) and request.prompt.reasoning.show,
        max_first_token=request.requirements.max_first_token,
        input_tokens=need.input_tokens,
        config_version=catalogue.version,
        notes=tuple(_notes(request, order, knowledge, left_out)),
        circuits=knowledge.circuits,
        left_out=left_out,
    )


def _candidates(
    request: Request, catalogue: Catalogue, route: Route, need: Needs, turn: int, *, keys_refused: frozenset[str]
) -> tuple[list[Verdict], list[Backend]]:
    weighted = route.strategy is Strategy.WEIGHTED
    judge = judged_by(need, request.directives)
    verdicts: list[Verdict] = []
    kept: list[Entry] = []
    for entry in route.entries:
        backend = catalogue.backends[entry.backend]
        if weighted and entry.weight == 0:
            verdict = Verdict(backend, Drop.WEIGHT_ZERO, "its weight is 0")
        else:
            verdict = judge(backend)
        if keys_refused and verdict.drop is None and backend.name in keys_refused:
            verdict = Verdict(backend, Drop.KEY_REFUSED, "its provider refused its key")
        verdicts.append(verdict)
        if verdict.drop is None:
            kept.append(entry)
    backends = catalogue.backends
    order = [backends[entry.backend] for entry in ordered(kept, route.strategy, turn)]
    order = preferred(order, request.preferences, need)
    if request.directives.same_model and order:
        verdicts, order = _same_model(verdicts, order)
    return verdicts, order


def _same_model(verdicts: list[Verdict], order: list[Backend]) -> tuple[list[Verdict], list[Backend]]:
    """Keep to the model of whoever would be asked first."""
    model_id = order[0].model_id
    detail = f"the call keeps to model {model_id}"
    verdicts = [
        Verdict(verdict.backend, Drop.OTHER_MODEL, detail)
        if verdict.kept and verdict.backend.model_id != model_id
        else verdict
        for verdict in verdicts
    ]
    return verdicts, [backend for backend in order if backend.model_id == model_id]


def _hedging(
    request: Request, rule: HedgeRule | None, order: list[Backend], knowledge: Knowledge
) -> tuple[Hedging | None, str]:
    """Return the hedge of this call, or None and why not ("" where the route has none)."""
    if rule is None:
        return None, ""
    if request.directives.hedging is False:
        return None, "the request switches hedging off"
    if request.directives.priority is Priority.BULK:
        return None, "bulk calls do not hedge"
    if provider_executed(request.prompt):
        return None, "the provider executes tools"
    if len(order) < _ENOUGH_FOR_A_RACE:
        return None, "one candidate only"
    delay = rule.delay
    if delay is None and rule.percentile is not None:
        delay = knowledge.first_content.get((order[0].name, rule.percentile))
    if delay is None:
        return None, f"too few answers of {order[0].name} to know its p{round((rule.percentile or 0) * 100)}"
    return Hedging(delay, min(rule.max_parallel, len(order))), ""


def _whole(request: Request, route: Route, order: list[Backend]) -> bool:
    """Whether a unary call asks upstream for the reply in one piece: never where somebody could take over.

    Vectors always come whole.
    """
    if isinstance(request.prompt, EmbedPrompt):
        return True
    if route.upstream is not Upstream.AUTO:
        return route.upstream is Upstream.WHOLE
    return len(order) == 1 and request.requirements.max_first_token is None


def _notes(
    request: Request, order: list[Backend], knowledge: Knowledge, left_out: Mapping[str, frozenset[Feature]]
) -> list[str]:
    circuits, notes = knowledge.circuits, []
    for backend in order if circuits else ():
        circuit = circuits.get(backend.name, Circuit.CLOSED)
        if circuit is not Circuit.CLOSED:
            notes.append(f"{backend.name}: its circuit is {circuit.value}")
    if knowledge.limited:
        notes.extend(f"{backend.name}: it is at its limit" for backend in order if backend.name in knowledge.limited)
    notes.extend(f"{name}: it would be asked without {named(lacking)}" for name, lacking in left_out.items())
    wishes = request.preferences
    idle = {
        "objective": wishes.objective is Objective.LATENCY or wishes.objective is Objective.QUALITY,
        "target_cost_nano_usd": wishes.target_cost_nano_usd is not None,
        "target_first_token": wishes.target_first_token is not None,
    }
    notes.extend(f"preferences.{name} does not sort in this version" for name, asked in idle.items() if asked)
    return notes
