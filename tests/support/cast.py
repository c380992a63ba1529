"""A cast of scripted backends for tests of the race, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from quickthorn_server.core.attempt import Trace
from quickthorn_server.core.call import Call
from quickthorn_server.core.catalogue import Backend, BreakerRule, BudgetRule, Entry, Limits, RetryRule, Route, Timeouts
from quickthorn_server.core.chunk import Chunk, End, FinishReason, Opened, TextDelta
from quickthorn_server.core.completion import Completion
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.plan import Circuit, Hedging, Plan, Verdict
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.secret import Secret
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.carried import Estate
from quickthorn_server.execution.events import Begun, Event, Said
from quickthorn_server.execution.executor import Executor
from quickthorn_server.execution.latency import Latency
from quickthorn_server.execution.limits import Limiters
from quickthorn_server.execution.purses import Purses
from quickthorn_server.execution.reaper import Reaper
from quickthorn_server.providers.scripted import Scripted

PROMPT = Prompt((Message(Role.USER, (Part(Text("hi")),)),))
UNBOUNDED = BudgetRule(hedges=10.0, retries=10.0, burst=1000, retries_burst=1000)
"""A budget that no test of something else runs into."""

STOP = End(FinishReason.STOP)

NEVER_OPENS = BreakerRule(consecutive=1_000_000, min_calls=1_000_000)

Step = tuple[float, Chunk | BackendError]


def says(*words: str, after: float = 0.1, gap: float = 0.1) -> list[Step]:
    """Say *words*, the first after *after* seconds, the others *gap* apart, and end with the last one."""
    steps: list[Step] = [(after if place == 0 else gap, TextDelta(0, word)) for place, word in enumerate(words)]
    return [*steps, (0.0, STOP)]


def fails(failure: Failure, after: float = 0.0, **given: Any) -> list[Step]:
    """Fail after *after* seconds."""
    return [(after, BackendError(failure, **given))]


def silent(seconds: float = 10_000.0) -> list[Step]:
    """Say nothing for *seconds*."""
    return [(seconds, STOP)]


@dataclass
class Told:
    """An observer that remembers."""

    circuits: list[tuple[str, Circuit]] = field(default_factory=list)
    keys: list[tuple[str, bool]] = field(default_factory=list)
    calls: list[tuple[str, Trace]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        self.circuits.append((backend, circuit))

    def key_changed(self, backend: Backend, refused: bool) -> None:
        self.keys.append((backend.name, refused))

    def call_ended(self, decision: Decision) -> None:
        self.decisions.append(decision)
        self.calls.append((decision.ended, decision.trace))


class Cast:
    """Backends by name, each playing the script given for it, and an executor over them."""

    def __init__(
        self,
        *,
        rule: BreakerRule | None = None,
        timeouts: Timeouts | None = None,
        budget: BudgetRule | None = None,
        limits: Limits | None = None,
        heartbeat: float | None = None,
        **scripts: Scripted,
    ) -> None:
        self.scripts = scripts
        self.told = Told()
        self.reaper = Reaper()
        self.backends = {
            name: Backend(
                name,
                "scripted",
                f"model-{name}",
                f"model-{name}",
                breaker=rule or NEVER_OPENS,
                timeouts=timeouts or Timeouts(),
                limits=limits or Limits(),
                api_key=Secret("of-the-cast"),
            )
            for name in scripts
        }
        loop = asyncio.get_running_loop()
        latency = Latency([])
        self.purses = Purses([Route("default", (), budget=budget or UNBOUNDED)])
        self.breakers = Breakers(
            self.backends.values(),
            loop.time,
            self.told.circuit_changed,
            p99=latency.p99,
            told_key=self.told.key_changed,
        )
        self.limiters = Limiters(self.backends.values(), loop.time)
        self.executor = Executor(
            Estate(
                providers=scripts,
                breakers=self.breakers,
                limiters=self.limiters,
                purses=self.purses,
                latency=latency,
                observer=self.told,
                reaper=self.reaper,
                random_=random.Random(1),
                heartbeat=heartbeat,
            )
        )

    def plan(self, *, delay: float | None = None, max_parallel: int = 2, attempts: int = 3, **given: Any) -> Plan:
        """Return a plan that asks the cast in order; *delay* hedges."""
        order = tuple(self.backends.values())
        retry = RetryRule(attempts=attempts)
        route = Route("default", tuple(Entry(name) for name in self.backends), retry=retry)
        made = Plan(
            route=route,
            order=order,
            verdicts=tuple(map(Verdict, order)),
            hedging=None if delay is None else Hedging(delay, max_parallel),
            no_hedge="",
            retry=retry,
            whole=False,
            failover=True,
            shows_reasoning=False,
            max_first_token=None,
            input_tokens=1,
            config_version="test",
        )
        return replace(made, **given)

    async def streamed(self, plan: Plan, deadline: float | None = None, prompt: Prompt = PROMPT) -> Played:
        """Carry *plan* out as a stream and write down what happened when."""
        loop = asyncio.get_running_loop()
        played = Played([], [], None)
        try:
            async for event in self.executor.stream(plan, prompt, _call(deadline)):
                played.at.append(round(loop.time(), 6))
                played.events.append(event)
        except CallError as error:
            played.error = error
        played.ended_at = round(loop.time(), 6)
        await self.reaper.idle(100)
        return played

    async def completed(self, plan: Plan, deadline: float | None = None) -> Completion:
        """Carry *plan* out as a unary call."""
        try:
            return await self.executor.complete(plan, PROMPT, _call(deadline))
        finally:
            await self.reaper.idle(100)

    @property
    def trace(self) -> Trace:
        """The trace of the last call."""
        return self.told.calls[-1][1]

    @property
    def ended(self) -> str:
        """How the last call ended."""
        return self.told.calls[-1][0]

    def lanes(self) -> list[tuple[str, str, str, float]]:
        """Return backend, cause, outcome, start of each lane of the last call."""
        return [(a.backend, a.cause.value, a.outcome.value, round(a.started, 6)) for a in self.trace.attempts]


@dataclass
class Played:
    """What a stream's reader saw, and at which instants."""

    events: list[Event]
    at: list[float]
    error: CallError | None
    ended_at: float = 0.0

    @property
    def words(self) -> list[tuple[float, str]]:
        """Return (instant, text) of every text event."""
        return [
            (at, "".join(chunk.text for chunk in event.chunks if isinstance(chunk, TextDelta)))
            for at, event in zip(self.at, self.events, strict=True)
            if isinstance(event, Said)
        ]

    @property
    def server(self) -> str:
        """Name of the backend that the stream began with."""
        begun = self.events[0]
        assert isinstance(begun, Begun)
        return begun.backend.name if begun.backend else ""


def opened(steps: Sequence[Step]) -> list[Step]:
    """Return *steps* with an `Opened` before them."""
    return [(0.0, Opened("reported", "upstream-1", 200)), *steps]


def _call(deadline: float | None) -> Call:
    now = asyncio.get_running_loop().time()
    return Call("qt-1", "request-1", now, None if deadline is None else now + deadline)
