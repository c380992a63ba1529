"""The simulator plays what the server does: the same calls through both take the same time, one by one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from math import exp, log

import pytest

from quickthorn_server.core.call import Call
from quickthorn_server.core.catalogue import Backend, BudgetRule, Catalogue, Entry, HedgeRule, Route, Timeouts
from quickthorn_server.core.chunk import Burst, End, FinishReason, TextDelta
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.plan import HedgeFacts, Knowledge
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import Ask
from quickthorn_server.core.request import Request
from quickthorn_server.execution import alarm, carried, deadlines, race, schedule
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.carried import Estate
from quickthorn_server.execution.events import Begun
from quickthorn_server.execution.executor import Executor
from quickthorn_server.execution.hedging.learners import Learners
from quickthorn_server.execution.latency import Latency
from quickthorn_server.execution.limits import Limiters
from quickthorn_server.execution.purses import Purses
from quickthorn_server.execution.reaper import Reaper
from quickthorn_server.execution.spending import Spending
from quickthorn_server.execution.teaching import Teaching
from quickthorn_server.routing.router import Router
from quickthorn_server.simulation.engine import LANES, Outcome, Row, simulate
from quickthorn_server.simulation.policies import auto, fixed
from tests.support.cast import NEVER_OPENS, Told
from tests.support.virtual import run_virtual

SHARE, BURST, TOKENS, RATE = 0.05, 50, 5, 1000.0
PROMPT = Prompt((Message(Role.USER, (Part(Text("hi")),)),))
PATIENT = Timeouts(connect=1000.0, first_token=1000.0, idle=1000.0, total=1000.0)


def stalls(count: int, seed: int) -> list[Row]:
    """Return calls of the population stall-2: lognormal around 250 ms, one lane of fifty hangs for 5 to 60 s."""
    dice, now, rows = random.Random(seed), 0.0, []

    def lane() -> float:
        usual = exp(dice.gauss(log(0.25), 0.35))
        return dice.uniform(5.0, 60.0) if dice.random() < 0.02 else usual

    for _ in range(count):
        now += dice.expovariate(RATE)
        rows.append(Row(now, TOKENS, (lane(), lane(), lane())))
    return rows


class Timed:
    """A provider whose lane number *place* of each call speaks when its row says, and ends with that."""

    def __init__(self, rows: Sequence[Row], place: int) -> None:
        self._rows = rows
        self._place = place

    async def stream(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Say one word."""
        await asyncio.sleep(self._rows[int(ask.request_id)].lanes[self._place])
        yield [TextDelta(0, "x"), End(FinishReason.STOP)]

    async def close(self) -> None:
        """Do nothing."""


def served(rows: Sequence[Row], rule: HedgeRule) -> list[tuple[int, float]]:
    """Return how many hedges each call had and how long it took, planned and carried out as the server does."""

    async def main() -> list[tuple[int, float]]:
        loop, told = asyncio.get_running_loop(), Told()
        names = LANES[: rule.max_parallel]
        backends = {
            name: Backend(name, "scripted", name, name, timeouts=PATIENT, breaker=NEVER_OPENS) for name in names
        }
        route = Route("default", tuple(map(Entry, names)), hedge=rule, budget=BudgetRule(hedges=SHARE, burst=BURST))
        router = Router(Catalogue(backends, {"default": route}, "v"))
        purses = Purses([route])
        learners = Learners([route], purses)
        breakers = Breakers(backends.values(), loop.time, told.circuit_changed)
        knowledge = Knowledge(hedging=HedgeFacts(learners.advice))
        estate = Estate(
            providers={name: Timed(rows, place) for place, name in enumerate(names)},
            breakers=breakers,
            limiters=Limiters(backends.values(), loop.time),
            purses=purses,
            latency=Latency([]),
            observer=told,
            reaper=Reaper(),
            random_=random.Random(1),
            spending=Spending([route], loop.time),
            teaching=Teaching(learners, loop),
        )
        executor = Executor(estate)

        async def one(number: int) -> None:
            plan = router.plan(Request(PROMPT), knowledge, number)
            call = Call(f"qt-{number}", str(number), loop.time(), None)
            async for event in executor.stream(plan, PROMPT, call):
                if isinstance(event, Begun):
                    took[number] = loop.time() - call.arrived

        took = [0.0] * len(rows)
        calls: set[asyncio.Task[None]] = set()
        for number, row in enumerate(rows):
            await asyncio.sleep(row.arrival - loop.time())
            calls.add(task := asyncio.create_task(one(number)))
            task.add_done_callback(calls.discard)
        gap = (rows[-1].arrival - rows[0].arrival) / len(rows)
        while calls:  # as the simulator does: the rows are over, their traffic is not
            await asyncio.sleep(gap)
            purses["default"].hedges.feed()
        await estate.reaper.idle(1)
        hedged = {each.call.request_id: len(each.trace.attempts) - 1 for each in told.decisions}
        return [(hedged[str(number)], took[number]) for number in range(len(rows))]

    return run_virtual(main())


def exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let instants be exact: uvloop's are whole milliseconds, and alarms ring up to one early."""
    for module in (alarm, carried, deadlines, race, schedule):
        monkeypatch.setattr(module, "TICK", 1e-9)


def compare(rows: Sequence[Row], rule: HedgeRule, played: Sequence[Outcome]) -> tuple[int, list[tuple[float, float]]]:
    """Return how many calls were hedged, and the latencies of those that went differently, played and served.

    Calls still under way at the last arrival are left out: for the simulator traffic goes on, and feeds the purse.
    """
    real, over = served(rows, rule), rows[-1].arrival
    differ = [
        (outcome.latency, latency)
        for row, outcome, (hedged, latency) in zip(rows, played, real, strict=True)
        if row.arrival + latency < over and (hedged != outcome.hedged or abs(latency - outcome.latency) > 1e-6)
    ]
    return sum(hedged for hedged, _ in real), differ


@pytest.mark.parametrize("lanes", [2, 3])
def test_a_learned_delay_does_in_the_server_what_it_does_in_the_simulator(
    lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20,000 calls with stalls, 1,000 a second, a budget of 5 %: every latency and every hedge is the same."""
    exactly(monkeypatch)
    rows = [row._replace(lanes=row.lanes[:lanes]) for row in stalls(20_000 if lanes == 2 else 5_000, seed=7)]
    played = simulate(rows, auto(0.99), budget=SHARE, burst=BURST, max_parallel=lanes, seed=0)
    hedged, differ = compare(rows, HedgeRule(target=0.99, max_parallel=lanes), played)
    assert differ == []
    assert hedged > 100


def test_a_fixed_delay_does_the_same_in_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hedges after 300 ms of silence each, as far as the purse pays."""
    exactly(monkeypatch)
    rows = stalls(3_000, seed=3)
    played = simulate(rows, fixed(0.3), budget=SHARE, burst=BURST, max_parallel=3, seed=0)
    hedged, differ = compare(rows, HedgeRule(delay=0.3, max_parallel=3), played)
    assert differ == []
    assert hedged > 100
