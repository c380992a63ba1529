"""Make a plan of a request.  The caller owns the wheel: the same turn gives the same plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from quickthorn_server.core.catalogue import Backend, Catalogue, Route, Upstream
from quickthorn_server.core.outline import Outline
from quickthorn_server.core.plan import Knowledge, Plan
from quickthorn_server.core.request import Request
from quickthorn_server.routing.candidates import Judges
from quickthorn_server.routing.guard import spared
from quickthorn_server.routing.hedging import hedged
from quickthorn_server.routing.needs import outline


class Router:
    """Makes the plans of one catalogue; what it has judged once it knows, and gives the same plans all the same."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._judges = Judges(catalogue)

    def plan(self, request: Request, knowledge: Knowledge, turn: int) -> Plan:
        """Return whom to ask for *request*, in what order, and why everybody else is left out.

        *turn* counts the calls of the route so far.  Raises KeyError when the route is unknown.
        """
        return self.planned(outline(request), knowledge, turn)

    def planned(self, call: Outline, knowledge: Knowledge, turn: int) -> Plan:
        """Do as `plan`, for a *call* of which nothing more is known."""
        catalogue = self._catalogue
        route = catalogue.routes[call.route or catalogue.default_route]
        verdicts, order, left_out, standby, below = self._judges.candidates(call, route, knowledge, turn)
        racers = _racers(order, standby, below) if standby or below else order
        whole = _whole(call, route, order)
        hedging, no_hedge, advice = hedged(call, route, racers, knowledge, turn, whole=whole)
        return Plan(
            route=route,
            order=order,
            verdicts=verdicts,
            hedging=hedging,
            no_hedge=no_hedge,
            retry=route.retry,
            whole=whole,
            failover=call.directives.failover is not False,
            shows_reasoning=call.shows_reasoning,
            max_first_token=call.max_first_token,
            input_tokens=call.needs.input_tokens,
            config_version=catalogue.version,
            left_out=left_out,
            panic=spared(order, route, knowledge) if knowledge.ejected else (),
            standby=standby,
            lower=below,
            advice=advice,
            outline=call,
            turn=turn,
            knowledge=knowledge,
            on_break=call.directives.on_break or route.on_break,
        )


def plan(request: Request, catalogue: Catalogue, knowledge: Knowledge, turn: int) -> Plan:
    """Return the plan that a `Router` of *catalogue* makes of *request*."""
    return Router(catalogue).plan(request, knowledge, turn)


def _racers(order: Sequence[Backend], *apart: Collection[str]) -> list[Backend]:
    """Return those whom silence may lead to: none of those *apart*."""
    return [backend for backend in order if not any(backend.name in names for names in apart)]


def _whole(call: Outline, route: Route, order: Sequence[Backend]) -> bool:
    """Whether a unary call asks upstream for the reply in one piece: never where somebody could take over.

    Vectors always come whole.
    """
    if call.embeds:
        return True
    if route.upstream is not Upstream.AUTO:
        return route.upstream is Upstream.WHOLE
    return len(order) == 1 and call.max_first_token is None
