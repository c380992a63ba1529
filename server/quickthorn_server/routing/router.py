"""Make a plan of a request.  The caller owns the wheel: the same turn gives the same plan."""

from __future__ import annotations

from collections.abc import Sequence

from quickthorn_server.core.catalogue import Backend, Catalogue, HedgeRule, Route, Upstream
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.plan import Hedging, Knowledge, Plan
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.request import Priority, Request
from quickthorn_server.routing.candidates import Judges
from quickthorn_server.routing.guard import spared
from quickthorn_server.routing.needs import needs, provider_executed

_ENOUGH_FOR_A_RACE = 2


class Router:
    """Makes the plans of one catalogue; what it has judged once it knows, and gives the same plans all the same."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._judges = Judges(catalogue)

    def plan(self, request: Request, knowledge: Knowledge, turn: int) -> Plan:
        """Return whom to ask for *request*, in what order, and why everybody else is left out.

        *turn* counts the calls of the route so far.  Raises KeyError when the route is unknown.
        """
        catalogue = self._catalogue
        route = catalogue.routes[request.route or catalogue.default_route]
        need = needs(request)
        verdicts, order, left_out = self._judges.candidates(request, route, need, turn, knowledge.keys_refused)
        hedging, no_hedge = _hedging(request, route.hedge, order, knowledge)
        return Plan(
            route=route,
            order=order,
            verdicts=verdicts,
            hedging=hedging,
            no_hedge=no_hedge,
            retry=route.retry,
            whole=_whole(request, route, order),
            failover=request.directives.failover is not False,
            shows_reasoning=isinstance(request.prompt, Prompt) and request.prompt.reasoning.show,
            max_first_token=request.requirements.max_first_token,
            input_tokens=need.input_tokens,
            config_version=catalogue.version,
            circuits=knowledge.circuits,
            left_out=left_out,
            panic=spared(order, route, knowledge) if knowledge.ejected else (),
        )


def plan(request: Request, catalogue: Catalogue, knowledge: Knowledge, turn: int) -> Plan:
    """Return the plan that a `Router` of *catalogue* makes of *request*."""
    return Router(catalogue).plan(request, knowledge, turn)


def _hedging(
    request: Request, rule: HedgeRule | None, order: Sequence[Backend], knowledge: Knowledge
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


def _whole(request: Request, route: Route, order: Sequence[Backend]) -> bool:
    """Whether a unary call asks upstream for the reply in one piece: never where somebody could take over.

    Vectors always come whole.
    """
    if isinstance(request.prompt, EmbedPrompt):
        return True
    if route.upstream is not Upstream.AUTO:
        return route.upstream is Upstream.WHOLE
    return len(order) == 1 and request.requirements.max_first_token is None
