"""Cancelling a call at every step that the event loop takes for it: nothing outlives it, nothing is counted twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest

from quickthorn_server.core.catalogue import OnBreak, Timeouts
from quickthorn_server.core.chunk import Burst, Chunk, End, FinishReason, Opened, ReasoningDelta, TextDelta
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Failure
from tests.support.stage import PROMPT, Player, Score, Stage
from tests.support.stepping import SteppingLoop
from tests.support.virtual import run_virtual

STOP = End(FinishReason.STOP)
SILENT: Score = [(10_000.0, [STOP])]
BIG = TextDelta(0, "x" * 200_000)
CONTINUES = {"on_break": OnBreak.CONTINUE}


def says(*words: str, after: float = 0.1) -> Score:
    return [*((after, [TextDelta(0, word)]) for word in words), (0.0, [STOP])]


def fails(failure: Failure, after: float = 0.1) -> Score:
    return [(after, failure)]


@dataclass(frozen=True)
class Scenario:
    """A cast, how the call is made, and how it ends when nobody cancels it."""

    scores: dict[str, Score]
    plan: dict[str, Any]
    unary: bool = False
    deadline: float | None = None
    close_after: float = 0.0
    slow_reader: float = 0.0
    timeouts: Timeouts = field(default_factory=Timeouts)
    ends: str = "answered"

    def stage(self) -> Stage:
        players = {name: Player(score, self.close_after) for name, score in self.scores.items()}
        return Stage(players, timeouts=self.timeouts)

    async def run(self, stage: Stage) -> str:
        """Make the call to its end."""
        plan, call = stage.plan(**self.plan), stage.call(self.deadline)
        try:
            if self.unary:
                await stage.executor.complete(plan, PROMPT, call)
            else:
                async with aclosing(stage.executor.stream(plan, PROMPT, call)) as events:
                    async for _ in events:
                        await asyncio.sleep(self.slow_reader)
        except CallError as error:
            return error.reason.value
        return "answered"


SCENARIOS = {
    "a plain stream": Scenario({"a": says(*"abc")}, {}),
    "a plain unary call": Scenario({"a": says(*"abc")}, {}, unary=True),
    "a hedged race": Scenario({"a": SILENT, "b": says(*"xy")}, {"delay": 0.25}),
    "a hedged unary race": Scenario({"a": SILENT, "b": says(*"xy")}, {"delay": 0.0}, unary=True),
    "a dead heat": Scenario({"a": says("a"), "b": says("b"), "c": says("c")}, {"delay": 0.0}),
    "a failover": Scenario({"a": fails(Failure.UNAVAILABLE), "b": says("x")}, {}),
    "failures before a wait and a retry": Scenario(
        {"a": fails(Failure.UNAVAILABLE), "b": fails(Failure.NOT_FOUND)}, {"attempts": 4}, ends="ALL_FAILED"
    ),
    "hidden reasoning before the commit": Scenario(
        {"a": [(0.1, [ReasoningDelta(0, "hm")]), *says("a", after=0.4)], "b": SILENT}, {"delay": 0.2}
    ),
    "a unary winner that breaks": Scenario(
        {"a": [(0.1, [TextDelta(0, "half")]), *fails(Failure.LOST)], "b": says("x")}, {}, unary=True
    ),
    "a stream that breaks": Scenario(
        {"a": [(0.1, [TextDelta(0, "half")]), *fails(Failure.LOST)], "b": says("x")}, {}, ends="STREAM_BROKEN"
    ),
    "a stream that breaks and goes on": Scenario(
        {
            "a": [(0.1, [TextDelta(0, "half")]), *fails(Failure.LOST)],
            "b": fails(Failure.UNAVAILABLE),
            "c": [(0.1, [TextDelta(0, "ha")]), *says("lf", " and half")],
        },
        CONTINUES,
        close_after=0.2,
    ),
    "a stream that breaks, goes on and breaks": Scenario(
        {"a": [(0.1, [TextDelta(0, "half")]), *fails(Failure.LOST)], "b": [(0.1, [TextDelta(0, "x")]), (10.0, [STOP])]},
        CONTINUES,
        timeouts=Timeouts(idle=1.0),
        ends="STREAM_BROKEN",
    ),
    "a lane that times out": Scenario(
        {"a": SILENT, "b": says("x")}, {}, timeouts=Timeouts(first_token=0.5, idle=0.5), close_after=0.2
    ),
    "a deadline": Scenario({"a": SILENT, "b": SILENT}, {"delay": 0.1}, deadline=0.5, ends="DEADLINE"),
    "a first token that is not waited for": Scenario(
        {"a": SILENT, "b": SILENT}, {"delay": 0.1, "max_first_token": 0.4}, ends="FIRST_TOKEN_TIMEOUT"
    ),
    "a full box and a slow reader": Scenario(
        {"a": [(0.0, [BIG]), (0.0, [BIG]), (0.0, [BIG, BIG]), (0.1, [BIG]), (0.0, [BIG, BIG, STOP])]},
        {},
        slow_reader=3.0,
        timeouts=Timeouts(idle=1.0),
    ),
    "losers that close slowly": Scenario({"a": SILENT, "b": SILENT, "c": says(*"xy")}, {"delay": 0.1}, close_after=0.7),
    "a close that takes too long": Scenario({"a": SILENT, "b": says("x")}, {"delay": 0.1}, close_after=2.0),
}


@dataclass
class Aftermath:
    """What is left of a call once everything has settled."""

    stage: Stage
    ended: str
    steps: int
    tasks: int
    timers: int
    alarms: int


def played(scenario: Scenario, *cancel_at: int) -> Aftermath:
    """Make the call, cancel it before each of the steps given, and wait until everything has settled."""

    async def main() -> Aftermath:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppingLoop)
        stage = scenario.stage()
        before = asyncio.all_tasks()
        call = asyncio.create_task(scenario.run(stage))
        loop.begin(call.cancel, cancel_at)
        try:
            ended = await call
        except asyncio.CancelledError:
            ended = "cancelled"
        loop.end()
        steps = loop.steps
        await stage.reaper.idle(100)
        await asyncio.sleep(0)
        shared = stage.alarms._timer is not None  # it stays for the next call
        return Aftermath(
            stage, ended, steps, len(asyncio.all_tasks() - before), loop.timers - shared, stage.alarms.live
        )

    with asyncio.Runner(loop_factory=SteppingLoop) as runner:
        return runner.run(main())


def holds(after: Aftermath, where: str) -> None:
    """Assert what must be true of every call, however it ended."""
    stage = after.stage
    assert (after.tasks, after.timers, after.alarms) == (0, 0, 0), f"{where}: tasks, timers or alarms are left"
    assert all(player.opened == player.closed for player in stage.players.values()), f"{where}: a stream is open"
    assert stage.reports[""] == 0, f"{where}: a permit was not settled exactly once"
    assert len(stage.ended) <= 1, f"{where}: the observer was told twice"
    assert not stage.circuits, f"{where}: a circuit changed"
    counted = sum(breaker.counted for breaker in stage.breakers.values())
    assert counted <= stage.reports["failed"], f"{where}: a circuit counted what nobody reported"


def cancelled_everywhere(scenario: Scenario, name: str, *, again: bool) -> int:
    """Cancel *scenario* before every step, or before it and *again* before the next; return the number of steps."""
    whole = played(scenario)
    holds(whole, name)
    for step in range(whole.steps + 1):
        after = played(scenario, step, step + again)
        where = f"{name}, cancelled before step {step} of {whole.steps}"
        holds(after, where)
        assert after.ended in {"cancelled", whole.ended}, where
        assert after.stage.ended in ([], ["cancelled"], [whole.ended]), where
        for outcome in ("failed", "succeeded"):  # a cancel adds no outcome to any circuit
            assert after.stage.reports[outcome] <= whole.stage.reports[outcome], where
    assert whole.stage.ended == [whole.ended]
    return whole.steps + 1


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_call_may_be_cancelled_anywhere(name: str, *, again: bool) -> None:
    """Before every step: it ends as cancelled, or as it had ended already, and nothing of it is left."""
    assert played(SCENARIOS[name]).ended == SCENARIOS[name].ends
    cancelled_everywhere(SCENARIOS[name], name, again=again)


def test_any_call_may_be_cancelled_anywhere() -> None:
    """Random scores, closes, limits, readers and races: with those above, more than a thousand ways to be cancelled."""
    ends, schedules = Counter[str](), 0
    for seed in range(32):
        scenario = random_scenario(random.Random(seed))
        ends[played(scenario).ended] += 1
        schedules += cancelled_everywhere(scenario, f"seed {seed}", again=seed % 2 == 1)
    assert schedules >= 450  # and about 600 of the scenarios above
    assert set(ends) >= {"answered", "ALL_FAILED", "STREAM_BROKEN", "DEADLINE"}


def random_scenario(dice: random.Random) -> Scenario:
    backends = dice.choice(["a", "ab", "abc"])
    return Scenario(
        {name: _score(dice) for name in backends},
        {
            "delay": dice.choice([None, 0.0, 0.1, 0.3]),
            "attempts": dice.randint(1, 4),
            "on_break": dice.choice(list(OnBreak)),
        },
        unary=dice.random() < 0.4,
        deadline=dice.choice([None, None, 0.5, 2.0]),
        close_after=dice.choice([0.0, 0.0, 0.2, 2.0]),
        slow_reader=dice.choice([0.0, 0.0, 0.7]),
        timeouts=Timeouts(first_token=1.0, idle=0.6, total=3.0),
    )


def _score(dice: random.Random) -> Score:
    waits = [0.0, 0.1, 0.1, 0.2, 0.7]
    said: list[list[Chunk]] = [[TextDelta(0, "x")], [ReasoningDelta(0, "hm")], [BIG, BIG], [Opened()]]
    ends: list[Burst | Failure] = [[STOP], [STOP], Failure.LOST, Failure.INVALID, []]
    middle: list[tuple[float, Burst | Failure]] = [
        (dice.choice(waits), dice.choice(said)) for _ in range(dice.randrange(4))
    ]
    return [*middle, (dice.choice(waits), dice.choice(ends))]


def test_ten_thousand_cancelled_calls_leave_nothing() -> None:
    """Cancelled while one lane or, every fifth, two are silent: tasks and circuits are as before the first."""

    async def main() -> Stage:
        stage = Stage({"a": Player(SILENT), "b": Player(SILENT)})
        plan = stage.plan(delay=0.1)
        for batch in range(100):
            calls = [asyncio.create_task(_consume(stage, plan)) for _ in range(100)]
            await asyncio.sleep(0.05 if batch % 5 else 0.2)
            for call in calls:
                call.cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ended)
            await stage.reaper.idle(10)
            assert len(asyncio.all_tasks()) == 1
        return stage

    stage = run_virtual(main())
    assert [player.closed for player in stage.players.values()] == [10_000, 2_000]
    assert stage.reports == {"abandoned": 12_000}
    assert [(breaker.counted, breaker.outcomes) for breaker in stage.breakers.values()] == [(0, 0), (0, 0)]


async def _consume(stage: Stage, plan: Any) -> None:
    async with aclosing(stage.executor.stream(plan, PROMPT, stage.call())) as events:
        async for _ in events:
            pass
