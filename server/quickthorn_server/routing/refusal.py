"""Say why a plan has nobody to ask."""

from __future__ import annotations

from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.plan import Drop, Plan


def refusal(plan: Plan) -> CallError:
    """Return the failure of a call whose *plan* kept no candidate."""
    told = "; ".join(f"{verdict.backend.name}: {verdict.detail}" for verdict in plan.verdicts)
    if all(verdict.drop is Drop.CONTEXT_WINDOW for verdict in plan.verdicts):
        reason, message = Reason.CONTEXT_TOO_LONG, f"too long for every backend of route {plan.route.name}: {told}"
    elif any(verdict.drop is Drop.KEY_REFUSED for verdict in plan.verdicts):
        reason, message = Reason.BACKEND_MISCONFIGURED, f"no backend of route {plan.route.name} may answer: {told}"
    else:
        reason, message = Reason.NO_ELIGIBLE_BACKEND, f"no backend of route {plan.route.name} may answer: {told}"
    return CallError(reason, message, metadata={verdict.backend.name: verdict.detail for verdict in plan.verdicts})
