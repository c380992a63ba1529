"""One call being carried out: its race, what it has delivered, and how it ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from quickthorn_server.core.attempt import Attempt, Cause, Outcome, Trace
from quickthorn_server.core.call import Call
from quickthorn_server.core.catalogue import Backend, Cancelled, OnBreak
from quickthorn_server.core.chunk import Chunk, FinishReason, TextDelta
from quickthorn_server.core.completion import Fold
from quickthorn_server.core.content import Part, Text
from quickthorn_server.core.decision import ANSWERED, CANCELLED, Decision
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import BackendError, Reason
from quickthorn_server.core.observer import Observer
from quickthorn_server.core.plan import Plan
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import AnyPrompt, Ask, Provider
from quickthorn_server.core.sizes import utf8_size
from quickthorn_server.core.trimmed import trimmed
from quickthorn_server.execution import ending
from quickthorn_server.execution.alarm import TICK, Alarm, Alarms
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.consumed import whole_reply
from quickthorn_server.execution.events import Finished
from quickthorn_server.execution.lane import Lane, LaneRule
from quickthorn_server.execution.latency import Latency
from quickthorn_server.execution.lessons import learn
from quickthorn_server.execution.limits import Limiters
from quickthorn_server.execution.permit import Permit
from quickthorn_server.execution.purses import Purses
from quickthorn_server.execution.race import NobodyLeft, OutOfTime, Race
from quickthorn_server.execution.reaper import Reaper
from quickthorn_server.execution.refusal import Refused
from quickthorn_server.execution.schedule import Schedule, Start
from quickthorn_server.execution.spending import Spending, spent_on_hedging
from quickthorn_server.execution.stand_in import Averted, StandIn, averted
from quickthorn_server.execution.takeover import Takeover
from quickthorn_server.execution.teaching import Teaching


@dataclass(frozen=True, slots=True)
class Estate:
    """What all calls share.

    *heartbeat*: seconds of quiet until a stream says that it goes on, None = never.  *keeps_content*: observers are
    told what was answered, too.  *teaching*: who learns when to hedge, None = nobody.
    """

    providers: Mapping[str, Provider]
    breakers: Breakers
    limiters: Limiters
    purses: Purses
    latency: Latency
    observer: Observer
    reaper: Reaper
    random_: random.Random
    heartbeat: float | None = None
    keeps_content: bool = False
    alarms: Alarms = field(default_factory=Alarms)
    spending: Spending = field(default_factory=Spending)
    teaching: Teaching | None = None


class Carried:
    """Use as a context manager: leaving it stops the race, learns from it and tells the observer.

    Whatever ends the race inside the block leaves it as a CallError, or as Averted where something stands in for it.
    """

    __slots__ = (
        "_call",
        "_estate",
        "_finished",
        "_loop",
        "_plan",
        "_prompt",
        "_refused",
        "_reserved",
        "_rule",
        "_said",
        "_taught",
        "_whole",
        "delivered",
        "race",
        "takeover",
    )

    def __init__(self, estate: Estate, plan: Plan, prompt: AnyPrompt, call: Call, *, unary: bool) -> None:
        self.delivered = 0
        self._said = Fold() if estate.keeps_content else None
        self._whole: tuple[Part, ...] = ()
        self._finished: Finished | None = None
        self._loop = asyncio.get_running_loop()
        self._estate = estate
        self._plan = plan
        self._prompt = prompt
        self._call = call
        self._rule = LaneRule(
            plan.shows_reasoning, whole=unary and plan.whole, until_end=unary, input_tokens=plan.input_tokens
        )
        self._refused: list[Refused] = []
        self.takeover = None if unary or plan.on_break is OnBreak.FAIL else Takeover(plan, prompt)
        self._reserved: int | None = None  # nano-USD, for its hedges
        self._taught = estate.teaching is None
        schedule = Schedule(
            plan,
            admit=self._admit,
            admit_in_panic=self._admit_in_panic,
            purses=estate.purses[plan.route.name],
            healthy=estate.breakers.healthy,
            random_=estate.random_,
            deadline=call.deadline,
            refused=self._refused,
            affords=self._affords,
        )
        self.race = Race(
            plan.hedging,
            schedule,
            self._launch,
            estate.reaper,
            estate.alarms,
            first_by=None if plan.max_first_token is None else call.arrived + plan.max_first_token,
            deadline=call.deadline,
            heartbeat=None if unary else estate.heartbeat,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.race.leave()
        learn(self._estate.latency, self.race.lanes, whole=self._rule.whole)
        if not self._taught:
            self.decided()
        failure = None if error is None else self._failure(error)
        stand_in = None if failure is None else averted(self._plan, self._prompt, failure)
        told = self._decision(error, failure) if stand_in is None else self._decision_of(stand_in)
        self._estate.observer.call_ended(told)
        self.race.forget()
        if stand_in is not None:
            raise Averted(stand_in) from None
        if failure is not None:
            raise failure from None

    def decided(self) -> None:
        """Learn from the race as soon as it is decided: whoever serves may go on for minutes.  Only once counts."""
        teaching = self._estate.teaching
        if teaching is not None and not self._taught:
            self._taught = True
            teaching.settled(self._plan, self.race.lanes, whole=self._rule.whole)

    def count(self, chunks: Sequence[Chunk]) -> None:
        """Count the text that is about to be delivered."""
        self.delivered += sum(utf8_size(chunk.text) for chunk in chunks if type(chunk) is TextDelta)
        if self._said is not None:
            self._said.add(chunks)
        if self.takeover is not None:
            self.takeover.draft.add(chunks)

    def take_over(self, broken: Lane, error: BackendError) -> Takeover:
        """Look for somebody to continue what *broken* said before *error*; raises that where nobody may."""
        takeover, deadline = self.takeover, self._call.deadline
        in_time = deadline is None or self._loop.time() + TICK < deadline
        if takeover is None or not takeover.begin(broken.attempt(self._call.arrived), error, in_time=in_time):
            raise error
        self.race.go_on(broken)
        return takeover

    def deliver(self, parts: tuple[Part, ...]) -> None:
        """Count the whole answer that is about to be delivered."""
        for part in parts:
            if type(part.kind) is Text:
                self.delivered += utf8_size(part.kind.text)
        self._whole = parts

    def sent(self) -> None:
        """Say that an event has left."""
        if self.race.pulse is not None:
            self.race.pulse.sent(self._loop.time())

    def finished(self, winner: Lane) -> Finished:
        """Return the clean end of the call, once *winner* has ended."""
        if winner.end is None:
            raise ValueError("the winner has not ended")
        trace = self._trace()
        usage, cost = winner.usage, trace.attempts[self.race.lanes.index(winner)].cost_nano_usd
        if self.takeover is not None:
            usage, cost = self.takeover.total(usage, cost)
        self._finished = Finished(winner.end, usage, cost, trace)
        return self._finished

    def _admit(self, backend: Backend, *, in_panic: bool = False) -> Permit | None:
        if self.takeover is not None and not self.takeover.fits(backend):
            return None
        try:
            if backend.name in self._estate.limiters.limited:
                self._estate.limiters.check(backend.name, self._most_tokens())
            breaker = self._estate.breakers[backend.name]
            return breaker.admit_in_panic() if in_panic else breaker.admit()
        except Refused as refusal:
            self._refused.append(refusal)
            return None

    def _admit_in_panic(self, backend: Backend) -> Permit | None:
        return self._admit(backend, in_panic=True)

    def _affords(self) -> str:
        """Set aside what hedging the call may cost at most; returns "", or that the hour's limit leaves no room."""
        rule, hedging = self._plan.route.hedge, self._plan.hedging
        if rule is None or rule.max_extra_hour is None or self._reserved is not None:
            return ""
        worst = hedging.worst_extra if hedging else None
        if worst is None or not self._estate.spending.reserve(self._plan.route.name, worst):
            return "hedges of the route have cost enough in the running hour"
        self._reserved = worst
        return ""

    def _launch(self, start: Start, alarm: Alarm, wake: Callable[[], None]) -> Lane:
        name, connect = start.backend.name, start.backend.timeouts.connect
        if self._call.deadline is not None:
            connect = min(connect, max(0.001, self._call.deadline - self._loop.time()))
        out = self._plan.left_out.get(name)
        prompt, rule = self._prompt, self._rule
        if self.takeover is not None and self.takeover.broken is not None:
            prompt = self.takeover.asked(start.backend).prompt
            rule = replace(rule, input_tokens=rule.input_tokens + self.takeover.more_input)
        prompt = trimmed(prompt, out) if out else prompt
        ask = Ask(prompt, self._call.request_id, connect, self._rule.whole)
        limiters = self._estate.limiters
        leave = limiters.take(name, self._most_tokens()) if name in limiters.limited else None
        lane = Lane(start, self._estate.providers[name], ask, leave=leave, rule=rule, alarm=alarm, wake=wake)
        if not self._taught:
            self._teach_of(lane, whole=rule.whole)
        return lane

    def _teach_of(self, lane: Lane, *, whole: bool) -> None:
        """Tell who learns when to hedge that *lane* has started."""
        teaching = self._estate.teaching
        if teaching is None:
            return
        if lane.cause is Cause.FIRST:
            teaching.started(self._plan, lane, whole=whole)
        elif lane.cause is Cause.SILENCE:
            teaching.hedged(self._plan, self.race.lanes[0], lane, whole=whole)

    def _most_tokens(self) -> int:
        """Return how many tokens an attempt may count for: its estimated input, and all the output it is allowed."""
        prompt = self._prompt
        output = prompt.sampling.max_output_tokens if isinstance(prompt, Prompt) else None
        more = 0 if self.takeover is None else self.takeover.more_input
        return self._plan.input_tokens + more + (output or 0)

    def _failure(self, error: BaseException) -> CallError | None:
        """Return the call's failure, or None when it was answered or cancelled, or met a bug of ours."""
        match error:
            case NobodyLeft():
                return ending.nobody_left(self._plan, self.race.lanes, self._refused, self._trace())
            case OutOfTime():
                return ending.out_of_time(self._trace(), self.delivered, first_token=error.first_token)
            case BackendError():
                refused = "" if self.takeover is None else self.takeover.refused
                return ending.broken(error, self._trace(), self.delivered, refused)
            case _:
                return None

    def _trace(self) -> Trace:
        arrived, served, attempts, whole_bill = self._call.arrived, None, [], False
        for place, lane in enumerate(self.race.lanes):
            attempts.append(lane.attempt(arrived))
            if served is None and lane.outcome is Outcome.WON:
                served = place
            whole_bill = whole_bill or (lane.backend.cancelled is Cancelled.FULL and lane.cut)
        if whole_bill:
            self._bill_whole(attempts, served)
        schedule = self.race.schedule
        degraded = schedule.degraded
        if self.takeover is not None:
            degraded = "; ".join(filter(None, (degraded, self.takeover.words)))
        return self._plan.trace(tuple(attempts), served, schedule.no_hedge, degraded)

    def _bill_whole(self, attempts: list[Attempt], served: int | None) -> None:
        usage = None if served is None else attempts[served].usage
        most = self._plan.outline.needs.max_output_tokens if self._plan.outline else None
        for place, lane in enumerate(self.race.lanes):
            if lane.cut and lane.backend.cancelled is Cancelled.FULL:
                attempts[place] = whole_reply(attempts[place], lane.backend, usage, most)

    def _settle(self, trace: Trace) -> None:
        """Count what hedging has cost."""
        hedging = self._plan.hedging
        spent = spent_on_hedging(trace, hedging.worst_extra if hedging else None)
        self._estate.spending.settle(self._plan.route.name, self._reserved or 0, spent)

    def _decision_of(self, stand_in: StandIn) -> Decision:
        """Return what there is to tell of a call for which nobody's answer stands in."""
        self.deliver(stand_in.parts)
        return replace(
            self._decision(None, None),
            trace=stand_in.trace,
            finish_reason=FinishReason.OTHER,
            averted=stand_in.averted,
        )

    def _decision(self, error: BaseException | None, failure: CallError | None) -> Decision:
        """Return what there is to tell of the call; what it says of usage and cost is what the caller was told."""
        finished = self._finished if error is None else None
        trace = (failure.trace if failure else finished and finished.trace) or self._trace()
        told = finished or (trace.spent if failure else None)
        if len(trace.attempts) > 1 or self._reserved is not None:
            self._settle(trace)
        return Decision(
            call=self._call,
            plan=self._plan,
            ended=ANSWERED if error is None else _how(error, failure),
            trace=trace,
            duration=self._loop.time() - self._call.arrived,
            finish_reason=finished.end.reason if finished else None,
            usage=told.usage if told else None,
            cost_nano_usd=told.cost_nano_usd if told else None,
            delivered=self.delivered,
            purses=self._estate.purses.levels(self._plan.route.name),
            hedges_cost=self._estate.spending.of(self._plan.route.name) if len(trace.attempts) > 1 else 0,
            answer=None if self._said is None else self._whole or self._said.parts(),
            seams=() if self.takeover is None else self.takeover.seams,
        )


def _how(error: BaseException, failure: CallError | None) -> str:
    """Say how a call ended that ended with *error*, in the observer's words."""
    if failure is not None:
        return failure.reason.value
    return CANCELLED if isinstance(error, asyncio.CancelledError | GeneratorExit) else Reason.INTERNAL.value
