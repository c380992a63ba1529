"""What whoever asks for an explanation should know besides the plan."""

from __future__ import annotations

from collections.abc import Collection

from quickthorn_server.core.features import named
from quickthorn_server.core.plan import Circuit, Plan
from quickthorn_server.core.request import Objective, Request
from quickthorn_server.routing import standby, tiers
from quickthorn_server.routing.bill import usd
from quickthorn_server.routing.guard import said


def hedging_costs(plan: Plan) -> list[str]:
    """Return a sentence about what the hedges of the plan's route have cost, where it hedges."""
    rule = plan.route.hedge
    if rule is None:
        return []
    limit = "" if rule.max_extra_hour is None else f" of {usd(rule.max_extra_hour)}"
    spent = usd(plan.knowledge.hedging.spent(plan.route.name))
    return [f"hedges of the route have cost {spent}{limit} USD in the running hour"]


def notes(request: Request, plan: Plan, limited: Collection[str]) -> list[str]:
    """Return sentences about *plan*, made of *request* while the backends *limited* were at a limit of their own.

    Not part of the plan: a call would pay for what nobody reads.
    """
    told = []
    for backend in plan.order:
        circuit = plan.knowledge.circuits.get(backend.name, Circuit.CLOSED)
        if circuit is not Circuit.CLOSED:
            told.append(f"{backend.name}: its circuit is {circuit.value}")
    ramps = plan.knowledge.ramps
    order = [backend.name for backend in plan.order]
    told.extend(f"{name}: it recovers, and has {ramps[name]:.0%} of its usual calls" for name in order if name in ramps)
    told.extend(said(plan.panic))
    told.extend(
        f"{name}: it is asked only after {standby.listed(plan.standby[name])}" for name in order if name in plan.standby
    )
    told.extend(tiers.said(plan.route))
    told.extend(f"{backend.name}: it is at its limit" for backend in plan.order if backend.name in limited)
    told.extend(f"{name}: it would be asked without {named(lacking)}" for name, lacking in plan.left_out.items())
    wishes = request.preferences
    idle = {
        "objective": wishes.objective is Objective.LATENCY or wishes.objective is Objective.QUALITY,
        "target_cost_nano_usd": wishes.target_cost_nano_usd is not None,
        "target_first_token": wishes.target_first_token is not None,
    }
    told.extend(f"preferences.{name} does not sort in this version" for name, asked in idle.items() if asked)
    return told
