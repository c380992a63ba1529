"""The race where two things happen at once, or where a backend hangs in its close as well."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from quickthorn_server.core.catalogue import BreakerRule, Entry, HedgeRule, Route, Timeouts
from quickthorn_server.core.chunk import End, FinishReason, ReasoningDelta, TextDelta
from quickthorn_server.core.content import Text
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Failure, Reason
from quickthorn_server.core.plan import Plan
from quickthorn_server.execution.events import Event, Finished, Said
from quickthorn_server.execution.executor import Executor
from quickthorn_server.execution.latency import Latency
from tests.support.stage import PROMPT, Player, Score, Stage
from tests.support.virtual import run_virtual

STOP = End(FinishReason.STOP)
SILENT: Score = [(10_000.0, [STOP])]


async def streamed(stage: Stage, plan: Plan, deadline: float | None = None) -> list[tuple[float, Event]]:
    """Return what a reader saw, and when."""
    loop, seen = asyncio.get_running_loop(), list[tuple[float, Event]]()
    async with aclosing(stage.executor.stream(plan, PROMPT, stage.call(deadline))) as events:
        async for event in events:
            seen.append((round(loop.time(), 6), event))
    await stage.reaper.idle(100)
    return seen


def says(word: str, after: float = 0.1) -> Score:
    return [(after, [TextDelta(0, word), STOP])]


def outcomes(seen: list[tuple[float, Event]]) -> list[str]:
    """Return how the lanes ended."""
    last = seen[-1][1]
    assert isinstance(last, Finished)
    return [attempt.outcome.value for attempt in last.trace.attempts]


def test_a_lane_that_times_out_is_replaced_before_it_has_closed() -> None:
    """A backend that hangs may take 5 s to close, too: the next one starts at the limit."""

    async def main() -> tuple[list[tuple[float, Event]], Stage]:
        stage = Stage({"a": Player(SILENT, 5.0), "b": Player(says("x"))}, timeouts=Timeouts(first_token=1.0))
        return await streamed(stage, stage.plan()), stage

    seen, stage = run_virtual(main())
    assert seen[0][0] == 1.1
    assert outcomes(seen) == ["failed", "won"]
    assert stage.players["a"].closed_at == [6.0]
    assert stage.reports == {"failed": 1, "succeeded": 1}


def test_no_limit_interrupts_the_close_of_a_loser() -> None:
    """A lane stopped just before its first token was due closes in peace."""

    async def main() -> Stage:
        players = {"a": Player(SILENT, 0.5), "b": Player(says("x", after=0.4))}
        stage = Stage(players, timeouts=Timeouts(first_token=1.0))
        await streamed(stage, stage.plan(delay=0.5))
        return stage

    stage = run_virtual(main())
    assert stage.players["a"].closed_at == [1.4]
    assert stage.reports == {"abandoned": 1, "succeeded": 1}


@pytest.mark.parametrize(("first_token", "outcome", "failure"), [(9.0, "lost", None), (0.2, "failed", Failure.TIMEOUT)])
def test_what_goes_wrong_in_a_close_is_nobodys_failure(
    first_token: float, outcome: str, failure: Failure | None
) -> None:
    """A lane that was given up, by the race or by its own limit, has ended: its close changes nothing any more."""

    async def main() -> tuple[list[tuple[float, Event]], Stage]:
        players = {"a": Player(SILENT, 0.2, Failure.LOST), "b": Player([(0.15, [TextDelta(0, "x")]), (1.0, [STOP])])}
        stage = Stage(players, timeouts=Timeouts(first_token=first_token))
        return await streamed(stage, stage.plan(delay=0.1)), stage

    seen, stage = run_virtual(main())
    last = seen[-1][1]
    assert isinstance(last, Finished)
    assert (last.trace.attempts[0].outcome.value, last.trace.attempts[0].failure) == (outcome, failure)
    assert stage.reports == {"abandoned" if outcome == "lost" else "failed": 1, "succeeded": 1}


def test_a_lost_probe_frees_its_place_at_once() -> None:
    """Whatever its close takes: a backend that hangs must not keep its own circuit half open for ever."""

    async def main() -> Stage:
        rule = BreakerRule(consecutive=1, open_for=1.0, probes=1, successes=1)
        stage = Stage({"a": Player([(0.0, Failure.UNAVAILABLE)]), "b": Player(says("x"))}, rule=rule)
        await streamed(stage, stage.plan())
        await asyncio.sleep(2.0)
        stage.players["a"] = Player(SILENT, 50.0)
        async with aclosing(stage.executor.stream(stage.plan(delay=0.1), PROMPT, stage.call())) as events:
            async for _ in events:
                pass
        stage.breakers["a"].admit().succeeded()
        await stage.reaper.idle(100)
        return stage

    assert run_virtual(main()).reports == {"failed": 1, "abandoned": 1, "succeeded": 3}


def test_two_whole_answers_at_once_have_one_winner() -> None:
    """Of two lanes that end in the same moment one won and one lost; neither was abandoned."""

    async def main() -> list[tuple[float, Event]]:
        stage = Stage({"a": Player([(0.1, [STOP])]), "b": Player([(0.1, [STOP])])})
        return await streamed(stage, stage.plan(delay=0.0))

    assert sorted(outcomes(run_virtual(main()))) == ["lost", "won"]


def test_a_deadline_reaches_a_reader_that_is_always_behind() -> None:
    """Words that wait to be read do not carry a stream past its deadline."""

    async def read(stage: Stage) -> None:
        async with aclosing(stage.executor.stream(stage.plan(), PROMPT, stage.call(1.0))) as events:
            async for _ in events:
                await asyncio.sleep(0.3)

    async def main() -> tuple[float, CallError]:
        stage = Stage({"a": Player([(0.1, [TextDelta(0, "x")]) for _ in range(100)])})
        with pytest.raises(CallError) as error:
            await read(stage)
        ended = asyncio.get_running_loop().time()
        await stage.reaper.idle(10)
        assert stage.players["a"].closed == 1
        return ended, error.value

    ended, error = run_virtual(main())
    assert ended <= 1.3
    assert error.reason is Reason.DEADLINE
    assert error.delivered <= 9


def test_an_answer_that_is_whole_is_read_to_its_end() -> None:
    """What came before the deadline may be read after it."""

    async def main() -> str:
        stage = Stage({"a": Player([(0.1, [TextDelta(0, "x")]), (0.1, [TextDelta(0, "y"), STOP])])})
        said = ""
        async with aclosing(stage.executor.stream(stage.plan(), PROMPT, stage.call(0.5))) as events:
            async for event in events:
                said += "".join(chunk.text for chunk in getattr(event, "chunks", []))
                await asyncio.sleep(1.0)
        return said

    assert run_virtual(main()) == "xy"


def test_a_reader_that_leaves_a_full_box_frees_the_connection() -> None:
    """An answer that is whole waits for no room: its stream closes by itself and nobody has to be late."""

    async def main() -> Stage:
        stage = Stage({"a": Player([(0.0, [TextDelta(0, "x" * 300_000), STOP])])})
        async with aclosing(stage.executor.stream(stage.plan(), PROMPT, stage.call())) as events:
            await anext(events)
        await stage.reaper.idle(10)
        return stage

    stage = run_virtual(main())
    assert (stage.players["a"].closed_at, stage.reaper.stragglers) == ([0.0], 0)


@pytest.mark.parametrize("empty", [TextDelta(0, ""), ReasoningDelta(0, "")])
def test_an_empty_delta_is_no_token(empty: TextDelta | ReasoningDelta) -> None:
    """Some providers send one with the head of their reply: silence after it is still the wait for a first token."""

    async def main() -> list[tuple[float, Event]]:
        players = {"a": Player([(0.1, [empty]), *SILENT]), "b": Player(says("x"))}
        stage = Stage(players, timeouts=Timeouts(first_token=1.0, idle=9.0))
        return await streamed(stage, stage.plan())

    assert run_virtual(main())[0][0] == 1.1


def test_a_fault_of_ours_is_not_told_as_a_cancellation() -> None:
    """Whoever reads the log must find a bug where there was one."""

    async def main() -> Stage:
        stage = Stage({"a": Player(SILENT)})
        stage.players.clear()
        with pytest.raises(KeyError):
            await stage.executor.complete(stage.plan(), PROMPT, stage.call())
        return stage

    assert run_virtual(main()).ended == ["INTERNAL"]


@pytest.mark.parametrize("unary", [True, False])
def test_what_follows_the_end_is_left_out(unary: bool) -> None:
    """A provider that goes on after its end, in the same burst or a later one, does not spoil the answer."""

    async def main() -> str:
        score: Score = [(0.1, [TextDelta(0, "x"), STOP, TextDelta(0, "y")]), (0.0, [TextDelta(0, "z"), STOP])]
        stage = Stage({"a": Player(score)})
        if unary:
            answer = await stage.executor.complete(stage.plan(), PROMPT, stage.call())
            return "".join(part.kind.text for part in answer.parts if isinstance(part.kind, Text))
        said = [event for _, event in await streamed(stage, stage.plan()) if isinstance(event, Said)]
        return "".join(chunk.text for event in said for chunk in event.chunks if isinstance(chunk, TextDelta))

    assert run_virtual(main()) == "x"


def test_it_is_learned_how_long_a_loser_was_waited_for() -> None:
    """Its backend was at least so slow; who is only known by answers would look faster with every hedge."""

    async def main() -> dict[str, float]:
        stage = Stage({"a": Player(SILENT), "b": Player(says("x"))})
        latency = Latency([Route("r", (Entry("a"),), hedge=HedgeRule(percentile=0.5))])
        for _ in range(20):
            latency.spoke("a", 0.2)
        executor = Executor(replace(stage.executor._estate, latency=latency))
        for _ in range(40):
            await executor.complete(stage.plan(delay=0.2), PROMPT, stage.call())
        await stage.reaper.idle(10)
        return {name: seconds for (name, _), seconds in latency.first_content.items()}

    assert run_virtual(main()) == pytest.approx({"a": 0.3, "b": 0.1}, rel=0.0101)
