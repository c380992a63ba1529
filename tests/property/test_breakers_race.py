"""Circuits under real races, in virtual time: what lanes report, and what that leads to."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import pytest

from quickthorn_server.core.catalogue import BreakerRule, Timeouts
from quickthorn_server.core.chunk import Opened, ReasoningDelta, TextDelta
from quickthorn_server.core.failures import Failure
from quickthorn_server.core.plan import Circuit
from quickthorn_server.execution.executor import Executor
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import PROMPT, STOP, Cast, Step, fails, says, silent
from tests.support.cast import _call as call
from tests.support.virtual import run_virtual

RULE = BreakerRule(consecutive=1000)


async def warm(cast: Cast, lanes: int = 100) -> None:
    """Let the first backend be heard so often that its p99 is known."""
    for _ in range(lanes):
        await cast.streamed(cast.plan(attempts=1))


async def rescued(cast: Cast, calls: int) -> int:
    """Make hedged calls until the first circuit opens; return how many lanes its backend had till then."""
    for lane in range(calls):
        played = await cast.streamed(cast.plan(delay=0.3))
        assert (played.error, played.server) == (None, "b")
        if cast.breakers["a"].circuit is not Circuit.CLOSED:
            return lane + 1
    return 0


@pytest.mark.parametrize("first_content", [0.1, 0.3])
def test_a_black_hole_that_hedging_always_rescues_is_noticed(first_content: float) -> None:
    """No lane ever fails, and yet its circuit opens by slow rate within twice `min_calls` of its lanes."""

    async def main() -> tuple[int, Cast]:
        cast = Cast(rule=RULE, a=Scripted(says("A", after=first_content)), b=Scripted(says("B", after=0.2)))
        await warm(cast)
        await asyncio.sleep(60.0)
        cast.scripts["a"] = Scripted(silent())
        return await rescued(cast, 100), cast

    lanes, cast = run_virtual(main())
    assert RULE.min_calls <= lanes <= 2 * RULE.min_calls
    seen = cast.breakers["a"].snapshot()
    assert (seen.failure_rate, seen.slow_rate, cast.told.circuits) == (0.0, 1.0, [("a", Circuit.OPEN)])


def test_a_black_hole_is_noticed_right_after_it_was_well() -> None:
    """With the good outcomes still in the window it takes as long as the window does."""

    async def main() -> int:
        cast = Cast(rule=RULE, a=Scripted(says("A")), b=Scripted(says("B")))
        await warm(cast)
        cast.scripts["a"] = Scripted(silent())
        return await rescued(cast, 100)

    assert 0 < run_virtual(main()) <= 40


def test_its_probes_are_rescued_too_and_open_it_again() -> None:
    """A probe that a hedge overtakes after more than the p99 reopens; one whose backend is well again closes."""

    async def main() -> Cast:
        cast = Cast(rule=RULE, a=Scripted(says("A")), b=Scripted(says("B")))
        await warm(cast)
        await asyncio.sleep(60.0)
        cast.scripts["a"] = Scripted(silent())
        await rescued(cast, 20)
        await asyncio.sleep(5.0)
        await cast.streamed(cast.plan(delay=0.3))
        cast.scripts["a"] = Scripted(says("A"))
        await asyncio.sleep(10.0)
        for _ in range(3):
            await cast.streamed(cast.plan(delay=0.3))
        return cast

    told = run_virtual(main()).told.circuits
    assert [circuit.value for _, circuit in told] == ["open", "half_open", "open", "half_open", "closed"]


def test_a_crowd_of_calls_at_half_open_sends_one_probe_at_a_time() -> None:
    """Of 1,000 callers one probes and 999 fail over, in each of three rounds; then the circuit is closed."""

    async def main() -> list[int]:
        rule = BreakerRule(consecutive=1, open_for=5.0, probes=1, successes=3)
        cast = Cast(rule=rule, a=Scripted(fails(Failure.UNAVAILABLE, http_status=500)), b=Scripted(says("B")))
        await cast.streamed(cast.plan())
        cast.scripts["a"] = Scripted(says("A"))
        await asyncio.sleep(5.0)
        asked = []
        while cast.breakers["a"].circuit is not Circuit.CLOSED:
            played = await asyncio.gather(*(cast.streamed(cast.plan()) for _ in range(1000)))
            assert all(each.error is None for each in played)
            asked.append(sum(each.server == "a" for each in played))
        return asked

    assert run_virtual(main()) == [1, 1, 1]


def reported(steps: list[Step], *, leave_after: float | None = None, whole: bool = False) -> tuple[int, float, float]:
    """Play one call, left by its caller after so many seconds; return outcomes, failure rate and slow rate."""

    async def main() -> tuple[int, float, float]:
        timeouts = Timeouts(first_token=10.0, idle=15.0, total=60.0)
        cast = Cast(timeouts=timeouts, a=Scripted(steps))
        with suppress(TimeoutError):
            async with asyncio.timeout(leave_after):
                if whole:
                    await cast.completed(cast.plan(attempts=1, whole=True))
                else:
                    await read(cast.executor, cast)
        await cast.reaper.idle(10)
        seen = cast.breakers["a"].snapshot()
        return seen.outcomes, seen.failure_rate, seen.slow_rate

    return run_virtual(main())


async def read(executor: Executor, cast: Cast) -> None:
    with suppress(Exception):
        async with aclosing(executor.stream(cast.plan(attempts=1), PROMPT, call(None))) as events:
            async for _ in events:
                pass


SLOW_WORD: list[Step] = [(9.0, TextDelta(0, "at last")), (0.0, STOP)]
THOUGHT: list[Step] = [(1.0, ReasoningDelta(0, "hm")), (12.0, TextDelta(0, "yes")), (0.0, STOP)]
CLEARED_THROAT: list[Step] = [(0.1, Opened()), (0.1, TextDelta(0, "")), (8.5, TextDelta(0, "so")), (0.0, STOP)]
LONG_REPLY: list[Step] = [(30.0, TextDelta(0, "all of it")), (0.0, STOP)]


@pytest.mark.parametrize(
    ("steps", "leave_after", "whole", "outcome"),
    [
        (says("x"), None, False, (1, 0.0, 0.0)),
        (SLOW_WORD, None, False, (1, 0.0, 1.0)),
        (THOUGHT, None, False, (1, 0.0, 0.0)),
        (CLEARED_THROAT, None, False, (1, 0.0, 1.0)),
        ([(0.1, TextDelta(0, "x")), *silent()], None, False, (1, 1.0, 1.0)),
        (silent(), None, False, (1, 1.0, 1.0)),
        (silent(), 8.0, False, (0, 0.0, 0.0)),
        (silent(), 8.5, False, (1, 0.0, 1.0)),
        ([(0.1, TextDelta(0, "x")), *silent()], 12.0, False, (0, 0.0, 0.0)),
        ([(9.0, ReasoningDelta(0, "hm")), *silent()], 9.5, False, (0, 0.0, 0.0)),
        (LONG_REPLY, None, True, (1, 0.0, 0.0)),
        (LONG_REPLY, 20.0, True, (0, 0.0, 0.0)),
    ],
    ids=[
        "a word in time",
        "a slow first word",
        "thinking is no silence",
        "an empty delta is",
        "a stall after a word",
        "silence up to the limit",
        "left young",
        "left old",
        "left in the middle of an answer",
        "left while it thought",
        "a whole reply takes its time",
        "left before a whole reply",
    ],
)
def test_what_a_lane_reports(
    steps: list[Step], leave_after: float | None, whole: bool, outcome: tuple[int, float, float]
) -> None:
    """Outcomes, failures and slowness that one lane leaves in its circuit's window."""
    assert reported(steps, leave_after=leave_after, whole=whole) == outcome
