"""What is said, and who is told, where nobody could answer: the foot of a route's degradation ladder."""

from __future__ import annotations

from dataclasses import replace

from quickthorn_server.core.attempt import Trace
from quickthorn_server.core.chunk import End, FinishReason, TextDelta
from quickthorn_server.core.completion import Completion
from quickthorn_server.core.content import Part, Text
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.fall import why
from quickthorn_server.core.identifiers import random_hex
from quickthorn_server.core.json_asked import wants_json
from quickthorn_server.core.ladder import After, Rung
from quickthorn_server.core.plan import Plan
from quickthorn_server.core.prompt import Prompt, ToolMode
from quickthorn_server.core.provider import AnyPrompt
from quickthorn_server.core.value import value
from quickthorn_server.execution.events import Begun, Escalated, Event, Finished, Said

NOBODY_COULD = frozenset(
    {
        Reason.ALL_FAILED,
        Reason.NO_HEALTHY_BACKEND,
        Reason.RATE_LIMITED,
        Reason.FIRST_TOKEN_TIMEOUT,
        Reason.BACKEND_MISCONFIGURED,
    }
)
"""The failures that no caller could mend and no bug of ours made, each before anything was delivered."""


@value
class StandIn:
    """A canned *text* instead of the failure *averted*; it has consumed nothing, so nothing is known of usage."""

    text: str
    averted: Reason
    trace: Trace

    @property
    def parts(self) -> tuple[Part, ...]:
        """The answer."""
        return (Part(Text(self.text)),)

    @property
    def completion(self) -> Completion:
        """The answer to a unary call."""
        return Completion(self.parts, FinishReason.OTHER, "", None, None, self.trace)

    @property
    def events(self) -> tuple[Event, ...]:
        """The answer to a stream: folded, they are the completion."""
        told = (Escalated(self.trace.escalation, self.averted),) if self.trace.escalation else ()
        finished = Finished(End(FinishReason.OTHER), None, None, self.trace)
        return (Begun(None, "", None), Said([TextDelta(0, self.text)]), *told, finished)


class Averted(Exception):  # noqa: N818 - a way for a call to end, not a fault
    """The call would have failed; *stand_in* is its answer."""

    def __init__(self, stand_in: StandIn) -> None:
        super().__init__(stand_in.averted.value)
        self.stand_in = stand_in


def averted(plan: Plan, prompt: AnyPrompt, failure: CallError) -> StandIn | None:
    """Return what stands in for *failure*, None = nothing does.

    Where the route has a human told of it, *failure* and its trace say so from now on.
    """
    ladder = plan.route.ladder
    if ladder is None or failure.reason not in NOBODY_COULD or failure.trace is None:
        return None
    text = ladder.canned if Rung.CANNED in open_rungs(plan, prompt) else ""
    escalate = ladder.escalate
    if escalate is not None and (text or escalate.after is After.EXHAUSTED):
        identifier = f"esc-{random_hex(24)}"
        failure.trace = replace(failure.trace, escalation=identifier)
        failure.metadata = {"escalation": identifier, **failure.metadata}  # first: what is too much is cut at the end
    if not text:
        return None
    told = why(plan.order, failure.trace.attempts, "") or "no backend may be asked"
    degraded = f"{Rung.CANNED.word}: nobody could answer ({failure.reason.value}): {told}"
    degraded = "; ".join(filter(None, (failure.trace.degraded, degraded)))
    return StandIn(text, failure.reason, replace(failure.trace, rung=Rung.CANNED.word, degraded=degraded))


def open_rungs(plan: Plan, prompt: AnyPrompt) -> tuple[Rung, ...]:
    """Return the rungs of the ladder that are open to this call, highest first."""
    found = []
    others = [backend for backend in plan.order[1:] if plan.failover]
    if any(other.model_id == plan.order[0].model_id and other.name not in plan.lower for other in others):
        found.append(Rung.SAME_MODEL)
    if any(other.model_id != plan.order[0].model_id or other.name in plan.lower for other in others):
        found.append(Rung.LOWER_TIER)
    ladder, same_model = plan.route.ladder, plan.outline is not None and plan.outline.directives.same_model
    if ladder is not None and ladder.canned and not same_model and _takes_prose(prompt):
        found.append(Rung.CANNED)
    return tuple(found)


def _takes_prose(prompt: AnyPrompt) -> bool:
    """Whether words that no model wrote may answer: not where JSON, a tool call or vectors are asked for."""
    if not isinstance(prompt, Prompt):
        return False
    choice = prompt.tool_choice
    if choice is not None and (choice.name or choice.mode is ToolMode.REQUIRED):
        return False
    return not wants_json(prompt)
