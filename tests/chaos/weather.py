"""Providers whose health changes with the time, and callers that come meanwhile: chaos in virtual time, no sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from quickthorn_server.core.attempt import Attempt
from quickthorn_server.core.catalogue import BreakerRule, BudgetRule, Timeouts
from quickthorn_server.core.chunk import Burst, End, FinishReason, TextDelta
from quickthorn_server.core.content import Text
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Failure
from quickthorn_server.core.plan import Circuit, Knowledge
from quickthorn_server.core.provider import Ask
from quickthorn_server.execution.events import Finished, Said
from quickthorn_server.routing.guard import spared
from tests.support.stage import PROMPT, Player, Score, Stage
from tests.support.virtual import run_virtual

WORDS = 4
TIMEOUTS = Timeouts(connect=1.0, first_token=2.0, idle=2.0, total=8.0)
BUDGET = BudgetRule(burst=5, retries_burst=5)
_FOREVER = 10_000.0

Weather = Callable[[str], Score]
"""A provider's name -> how it answers."""
Sky = Sequence[tuple[float, Weather]]
"""Instants from which on the weather is another one, in order, the first at 0."""


def answer_of(name: str) -> str:
    """Return the whole answer of a provider."""
    return "".join(f"{name}{place} " for place in range(WORDS))


def well(first: float = 0.1, gap: float = 0.05) -> Weather:
    """Answer."""

    def score(name: str) -> Score:
        said: Score = [(gap if place else first, [TextDelta(0, f"{name}{place} ")]) for place in range(WORDS)]
        return [*said, (0.0, [End(FinishReason.STOP)])]

    return score


def fails(failure: Failure, after: float = 0.0) -> Weather:
    """Fail before a word is said."""
    return lambda _: [(after, failure)]


def breaks(said: int, failure: Failure | None, first: float = 0.1) -> Weather:
    """Fail after *said* words; None = fall silent."""
    last: Score = [(0.05, failure)] if failure else silent("")
    return lambda name: [*well(first)(name)[:said], *last]


def silent(_: str) -> Score:
    """Never answer."""
    return [(_FOREVER, [End(FinishReason.STOP)])]


class Weathered(Player):
    """A provider that answers as its weather is at the instant at which it is asked; *asked* has those instants."""

    def __init__(self, name: str, sky: Sky, close_after: float = 0.0) -> None:
        super().__init__((), close_after)
        self.asked: list[float] = []
        self._name = name
        self._sky = sky

    async def stream(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Play what the weather says."""
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        weather = [weather for since, weather in self._sky if since <= now][-1]
        self._score = weather(self._name)
        async with aclosing(super().stream(ask)) as bursts:
            async for burst in bursts:
                yield burst


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call that comes at instant *at*.  *delay*: of its hedges, None = it does not hedge."""

    at: float
    unary: bool
    deadline: float | None = None
    delay: float | None = None
    first: int = 0


@dataclass(frozen=True, slots=True)
class Came:
    """What a caller got: the reason of its failure, "" = an answer; the text; how long it took; its lanes."""

    arrival: Arrival
    reason: str
    text: str
    took: float
    attempts: tuple[Attempt, ...]
    finished: bool

    @property
    def whole(self) -> bool:
        """Whether the text is one provider's whole answer."""
        return bool(self.text) and self.text == answer_of(self.text[0])


@dataclass(frozen=True, slots=True)
class Day:
    """What came of a run: the calls, in the order of their arrival, and the stage they ran on."""

    came: list[Came]
    stage: Stage
    players: Mapping[str, Weathered]


def lived(skies: Mapping[str, Sky], arrivals: Sequence[Arrival], *, attempts: int = 3, close_after: float = 0.0) -> Day:
    """Have *arrivals* come while the providers' weather is as *skies* say; return when all has settled."""

    async def main() -> Day:
        players = {name: Weathered(name, sky, close_after) for name, sky in skies.items()}
        stage = Stage(players, timeouts=TIMEOUTS, rule=BreakerRule(), budget=BUDGET)
        tasks = [asyncio.create_task(_come(stage, arrival, attempts)) for arrival in arrivals]
        came = [await task for task in tasks]
        await stage.reaper.idle(100)
        return Day(came, stage, players)

    return run_virtual(main())


def _knowledge(stage: Stage) -> Knowledge:
    """Return what the router would know of the circuits."""
    shut = {name: breaker for name, breaker in stage.breakers.items() if breaker.circuit is not Circuit.CLOSED}
    circuits = {name: breaker.circuit for name, breaker in shut.items()}
    return Knowledge(circuits, ejected={name: breaker.history.hope for name, breaker in shut.items()})


async def _come(stage: Stage, arrival: Arrival, attempts: int) -> Came:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(arrival.at)
    order = (*stage.backends[arrival.first :], *stage.backends[: arrival.first])
    plan, call = stage.plan(delay=arrival.delay, attempts=attempts, order=order), stage.call(arrival.deadline)
    plan = replace(plan, panic=spared(order, plan.route, _knowledge(stage)))
    before, text, reason, finished, trace = loop.time(), "", "", False, None
    try:
        if arrival.unary:
            answer = await stage.executor.complete(plan, PROMPT, call)
            text = "".join(part.kind.text for part in answer.parts if isinstance(part.kind, Text))
            finished, trace = True, answer.trace
        else:
            async with aclosing(stage.executor.stream(plan, PROMPT, call)) as events:
                async for event in events:
                    if isinstance(event, Said):
                        text += "".join(chunk.text for chunk in event.chunks if isinstance(chunk, TextDelta))
                    elif isinstance(event, Finished):
                        finished, trace = True, event.trace
    except CallError as error:
        reason, trace = error.reason.value, error.trace
    lanes = trace.attempts if trace is not None else ()
    return Came(arrival, reason, text, loop.time() - before, lanes, finished)
