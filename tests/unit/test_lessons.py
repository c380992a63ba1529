"""What races teach: each lane's times go where they belong, or nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

import pytest

from quickthorn_server.core.chunk import Chunk, End, FinishReason, TextDelta, UsageReport
from quickthorn_server.core.failures import Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.execution.events import Begun
from quickthorn_server.execution.latency import Measure
from tests.support.stage import PROMPT, Player, Score, Stage
from tests.support.virtual import run_virtual

STOP = End(FinishReason.STOP)
SILENT: Score = [(10_000.0, [STOP])]

Known = dict[Measure, tuple[list[float], list[float]]]


def says(usage: Usage | None) -> Score:
    last: list[Chunk] = [] if usage is None else [UsageReport(usage)]
    return [(0.5, [TextDelta(0, "a")]), (2.0, [TextDelta(0, "b"), *last, STOP])]


def learned(scores: Mapping[str, Score], *, delay: float | None = None, whole: bool = False) -> Known:
    """Return times and ages that one call teaches of backend `a`, for inputs of its size."""

    async def main() -> Known:
        stage = Stage({name: Player(score) for name, score in scores.items()})
        await stage.executor.complete(stage.plan(delay=delay, whole=whole, input_tokens=5_000), PROMPT, stage.call())
        await stage.reaper.idle(10)
        latency = stage.executor._estate.latency
        assert latency.recent("a", 1, Measure.TOTAL).times().bins() == []
        recent = {measure: latency.recent("a", 30_000, measure) for measure in Measure}
        return {
            measure: ([at for at, _ in each.times().bins()], [at for at, _ in each.ages().bins()])
            for measure, each in recent.items()
        }

    return run_virtual(main())


def near(seconds: float) -> object:
    return pytest.approx(seconds, rel=0.0101)


def test_an_answer_teaches_three_times() -> None:
    """First content at 0.5 s, 2.5 s in all, and 2 s for the four tokens after the first of five."""
    assert learned({"a": says(Usage(10, 5))}) == {
        Measure.FIRST_CONTENT: ([near(0.5)], []),
        Measure.PER_TOKEN: ([near(0.5)], []),
        Measure.TOTAL: ([near(2.5)], []),
    }


@pytest.mark.parametrize("usage", [None, Usage(10), Usage(10, 1), Usage(10, 0), Usage(10, 9, reasoning_tokens=4)])
def test_a_time_per_token_needs_tokens_that_were_streamed(usage: Usage | None) -> None:
    """Unreported, a single one, or thinking that may have come before: no time between tokens is made of those."""
    known = learned({"a": says(usage)})
    assert known[Measure.PER_TOKEN] == ([], [])
    assert known[Measure.TOTAL] == ([near(2.5)], [])


def test_a_whole_reply_teaches_its_total_only() -> None:
    """It says nothing of a first token."""
    assert learned({"a": says(Usage(10, 5))}, whole=True) == {
        Measure.FIRST_CONTENT: ([], []),
        Measure.PER_TOKEN: ([], []),
        Measure.TOTAL: ([near(2.5)], []),
    }


def test_a_silent_loser_teaches_its_age() -> None:
    """Stopped at 1.5 s: a hedge after 1 s spoke half a second later."""
    known = learned({"a": SILENT, "b": says(None)}, delay=1.0)
    assert known == {
        Measure.FIRST_CONTENT: ([], [near(1.5)]),
        Measure.PER_TOKEN: ([], []),
        Measure.TOTAL: ([], []),
    }


def test_a_failure_teaches_no_time() -> None:
    """How soon a backend refuses is not how soon it answers."""
    known = learned({"a": [(0.1, Failure.UNAVAILABLE)], "b": says(None)})
    assert known == {measure: ([], []) for measure in Measure}


def test_a_lane_that_waited_for_its_reader_teaches_no_total() -> None:
    """A minute that a client took to read 300 KiB is not its backend's; the first content came before."""

    async def main() -> list[int]:
        pages: Score = [(0.5, [TextDelta(0, "x" * 300_000)]), (0.5, [UsageReport(Usage(10, 5)), STOP])]
        stage = Stage({"a": Player(pages)})
        async with aclosing(stage.executor.stream(stage.plan(), PROMPT, stage.call())) as events:
            async for event in events:
                if isinstance(event, Begun):
                    await asyncio.sleep(60)
        latency = stage.executor._estate.latency
        return [len(latency.recent("a", 1, measure).times().bins()) for measure in Measure]

    assert list(Measure) == [Measure.FIRST_CONTENT, Measure.PER_TOKEN, Measure.TOTAL]
    assert run_virtual(main()) == [1, 0, 0]
