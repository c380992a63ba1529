"""What was decided about one call and what came of it: what an observer is told when the call has ended."""

from __future__ import annotations

from quickthorn_server.core.attempt import Cause, Outcome, Trace
from quickthorn_server.core.call import Call
from quickthorn_server.core.chunk import FinishReason
from quickthorn_server.core.content import Part
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.plan import Plan, PurseLevels
from quickthorn_server.core.seam import Seam
from quickthorn_server.core.usage import Usage
from quickthorn_server.core.value import value

ANSWERED, CANCELLED = "answered", "cancelled"


@value
class Decision:
    """One call that was planned and has ended.

    *ended*: `answered`, `cancelled`, or the reason of its failure.  *duration* in seconds from its arrival.  *usage*
    and *cost_nano_usd* are what the caller was told; what lanes consumed is in *trace*.  *delivered*: UTF-8 bytes of
    text that the caller was sent.  *purses*: their levels when the call ended.  *hedges_cost*: what the hedges of its
    route have cost in the running hour, in nano-USD, told where the call had more than one lane.  *answer*: the parts
    that it was sent, None unless content is kept.  *seams*: where another backend took over an
    answer that broke.  *averted*: the failure that something else than a backend's answer stands in for.
    """

    call: Call
    plan: Plan
    ended: str
    trace: Trace
    duration: float
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    cost_nano_usd: int | None = None
    delivered: int = 0
    purses: PurseLevels | None = None
    hedges_cost: int = 0
    answer: tuple[Part, ...] | None = None
    seams: tuple[Seam, ...] = ()
    averted: Reason | None = None

    @property
    def first_content(self) -> float | None:
        """Seconds from arrival to the first content of the lane that served or, of a cut call, would have.

        Where an answer was continued it is that of the lane that began it: what the caller saw first.
        """
        lanes = self.trace.attempts
        if len(lanes) > 1 and any(lane.cause is Cause.CONTINUATION for lane in lanes):
            return next((lane.first_content for lane in lanes if lane.outcome is Outcome.BROKE), None)
        if self.trace.served_by is not None:
            return lanes[self.trace.served_by].first_content
        cut = [lane for lane in lanes if lane.outcome in {Outcome.BROKE, Outcome.ABANDONED}]
        return next((lane.first_content for lane in reversed(cut) if lane.first_content is not None), None)


def refused(call: Call, plan: Plan, reason: Reason, purses: PurseLevels) -> Decision:
    """Return the decision about a call that was planned and, at once, refused."""
    return Decision(call, plan, reason.value, plan.trace((), None), duration=0.0, purses=purses)
