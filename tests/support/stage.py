"""An executor over players: providers that play bursts at set times, with permits that are counted."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

from quickthorn_server.core.call import Call
from quickthorn_server.core.catalogue import Backend, BreakerRule, BudgetRule, Entry, Limits, RetryRule, Route, Timeouts
from quickthorn_server.core.chunk import Burst
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.plan import Circuit, Hedging, Plan, Verdict
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import Ask
from quickthorn_server.execution.breakers import Breaker, Breakers, Told
from quickthorn_server.execution.carried import Estate
from quickthorn_server.execution.executor import Executor
from quickthorn_server.execution.latency import Latency
from quickthorn_server.execution.limits import Limiters
from quickthorn_server.execution.permit import Circuitry, Permit
from quickthorn_server.execution.purses import Purses
from quickthorn_server.execution.reaper import Reaper
from quickthorn_server.execution.window import Clock
from tests.support.cast import UNBOUNDED

PROMPT = Prompt((Message(Role.USER, (Part(Text("hi")),)),))

NEVER_OPENS = BreakerRule(consecutive=1_000_000, min_calls=1_000_000)

Score = Sequence[tuple[float, Burst | Failure]]
"""Seconds to wait, then what to say in one burst, or how to fail."""


class Player:
    """Plays *score* for whoever asks.  Being given up takes *close_after* seconds and may end in a failure.

    *closed* counts streams that were closed to the end, by the task that had opened them.
    """

    def __init__(self, score: Score, close_after: float = 0.0, close_fails: Failure | None = None) -> None:
        self.opened = self.closed = 0
        self.closed_at: list[float] = []
        self._score = score
        self._close_after = close_after
        self._close_fails = close_fails

    async def stream(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Play it once."""
        del ask
        self.opened += 1
        opener = asyncio.current_task()
        linger = self._close_after
        try:
            for wait, what in self._score:
                if wait:
                    await asyncio.sleep(wait)
                if isinstance(what, Failure):
                    linger = 0.0
                    raise BackendError(what, http_status=500)
                yield what
            linger = 0.0
        finally:
            if linger:
                await asyncio.sleep(linger)
            self.closed += asyncio.current_task() is opener
            self.closed_at.append(round(asyncio.get_running_loop().time(), 6))
            if linger and self._close_fails is not None:
                raise BackendError(self._close_fails)

    async def close(self) -> None:
        """Do nothing."""


class CountedPermit(Permit):
    """A permit that writes down how it was settled."""

    __slots__ = ("reports",)

    def __init__(self, breaker: Circuitry, era: int, probe: int, key: int) -> None:
        super().__init__(breaker, era, probe, key)
        self.reports: list[str] = []

    def succeeded(self, first_content: float | None = None) -> None:
        """Write it down and pass it on."""
        self.reports.append("succeeded")
        super().succeeded(first_content)

    def failed(self, error: BackendError) -> None:
        """Write it down and pass it on."""
        self.reports.append("failed")
        super().failed(error)

    def abandoned(self, age: float | None = None) -> None:
        """Write it down and pass it on."""
        self.reports.append("abandoned")
        super().abandoned(age)


class CountedBreaker(Breaker):
    """A breaker that remembers the permits it gave."""

    def __init__(self, backend: Backend, clock: Clock, told: Told) -> None:
        super().__init__(backend.name, backend.breaker, clock, told)
        self.permits: list[CountedPermit] = []

    def admit(self) -> Permit:
        """Return a permit that counts."""
        given = super().admit()
        permit = CountedPermit(self, given._era, given._probe, given._key)
        self.permits.append(permit)
        return permit

    @property
    def counted(self) -> int:
        """Failures in a row, as pybreaker counts them."""
        return self._circuit.fail_counter

    @property
    def outcomes(self) -> int:
        """Outcomes of any kind in the window."""
        return self.snapshot().outcomes


class Stage:
    """Players by name, an executor over them, and what it told."""

    def __init__(
        self,
        players: Mapping[str, Player],
        *,
        timeouts: Timeouts | None = None,
        rule: BreakerRule | None = None,
        limits: Limits | None = None,
        budget: BudgetRule | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.players = dict(players)
        self.reaper = Reaper()
        self.ended: list[str] = []
        self.decisions: list[Decision] = []
        self.circuits: list[tuple[str, Circuit]] = []
        self.backends = tuple(
            Backend(
                name,
                "scripted",
                f"model-{name}",
                "model",
                timeouts=timeouts or Timeouts(),
                breaker=rule or NEVER_OPENS,
                limits=limits or Limits(),
            )
            for name in players
        )
        breakers = Breakers(self.backends, loop.time, self.circuit_changed)
        self.breakers = {
            backend.name: CountedBreaker(backend, loop.time, self.circuit_changed) for backend in self.backends
        }
        breakers.update(self.breakers)
        purses = Purses([Route("default", (), budget=budget or UNBOUNDED)])
        self.limiters = Limiters(self.backends, loop.time)
        estate = Estate(self.players, breakers, self.limiters, purses, Latency([]), self, self.reaper, random.Random(1))
        self.alarms = estate.alarms
        self.executor = Executor(estate)

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        """Remember it."""
        self.circuits.append((backend, circuit))

    def key_changed(self, backend: Backend, refused: bool) -> None:
        """Nobody looks."""

    def call_ended(self, decision: Decision) -> None:
        """Remember how."""
        self.ended.append(decision.ended)
        self.decisions.append(decision)

    @property
    def reports(self) -> Counter[str]:
        """How often permits were settled in which way; "" counts those that were not, or twice."""
        given = [permit for breaker in self.breakers.values() for permit in breaker.permits]
        return Counter(permit.reports[0] if len(permit.reports) == 1 else "" for permit in given)

    def plan(self, *, delay: float | None = None, attempts: int = 3, **given: object) -> Plan:
        """Return a plan that asks the players in order; *delay* hedges with all of them."""
        retry = RetryRule(attempts)
        plan = Plan(
            route=Route("default", tuple(Entry(backend.name) for backend in self.backends), retry=retry),
            order=self.backends,
            verdicts=tuple(map(Verdict, self.backends)),
            hedging=None if delay is None else Hedging(delay, len(self.backends)),
            no_hedge="",
            retry=retry,
            whole=False,
            failover=True,
            shows_reasoning=False,
            max_first_token=None,
            input_tokens=1,
            config_version="test",
        )
        return replace(plan, **given)  # type: ignore[arg-type]

    def call(self, deadline: float | None = None) -> Call:
        """Return a call that arrives now."""
        now = asyncio.get_running_loop().time()
        return Call("qt-1", "request-1", now, None if deadline is None else now + deadline)
