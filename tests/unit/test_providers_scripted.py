"""The shipped fake keeps its script, to the instant."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import (
    Burst,
    Chunk,
    End,
    FinishReason,
    Opened,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    WholePart,
)
from quickthorn_server.core.content import Part, Refusal
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import Ask
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.script import duration, validate_script
from quickthorn_server.providers.scripted import Scripted
from tests.support.virtual import run_virtual

ASK = Ask(Prompt(()), "r", 1.0)
STOP = End(FinishReason.STOP)
OPENED = Opened("m")


def scripted(*script: Any) -> Scripted:
    return Scripted.of(Backend("b", "scripted", "m", "m", options={"script": list(script)}))


async def heard(provider: Scripted) -> list[tuple[float, Chunk]]:
    """Return what one call hears, and when."""
    loop = asyncio.get_running_loop()
    bursts: list[tuple[float, Burst]] = []
    async with aclosing(provider.stream(ASK)) as stream:
        async for burst in stream:
            bursts.append((round(loop.time(), 6), burst))  # noqa: PERF401 - what was heard before a failure is kept
    return [(at, chunk) for at, burst in bursts for chunk in burst]


def play(*script: Any) -> list[tuple[float, Chunk]]:
    return run_virtual(heard(scripted(*script)))


def test_every_kind_of_step() -> None:
    """Each step at its time, parts counted in order, arguments as text."""
    assert play(
        {
            "delay": "1s",
            "steps": [
                {"reasoning": "hm", "after": "100ms"},
                {"text": "Hel"},
                {"text": "lo", "after": 0.4},
                {"tool_call": {"id": "c", "name": "f", "arguments": {"a": 1.0}}},
                {"tool_call": {"id": "d", "name": "g"}},
                {"tool_call": {"part": 3, "arguments": "{}"}},
                {"refusal": "no"},
                {"text": " there", "part": 1},
                {"usage": {"input": 1, "output": 2, "cache_read": 1, "cache_write": 0, "reasoning": 1}},
                {"finish": "length", "stop_sequence": "#"},
            ],
        }
    ) == [
        (1.0, OPENED),
        (1.1, ReasoningDelta(0, "hm")),
        (1.1, TextDelta(1, "Hel")),
        (1.5, TextDelta(1, "lo")),
        (1.5, ToolCallDelta(2, "c", "f", '{"a":1.0}')),
        (1.5, ToolCallDelta(3, "d", "g")),
        (1.5, ToolCallDelta(3, arguments_json="{}")),
        (1.5, WholePart(4, Part(Refusal("no")))),
        (1.5, TextDelta(1, " there")),
        (1.5, UsageReport(Usage(1, 2, 1, 0, None, 1))),
        (1.5, End(FinishReason.LENGTH, "#")),
    ]


def test_one_step_is_a_reply_and_ends_by_itself() -> None:
    """The short form, for configurations that only want something to answer."""
    assert play({"text": "hi", "after": "2s"}) == [(0.0, OPENED), (2.0, TextDelta(0, "hi")), (2.0, STOP)]


def test_replies_are_played_in_turn_and_the_last_one_repeats() -> None:
    """So that a backend can fail twice and recover."""

    async def main() -> list[Chunk]:
        provider = scripted({"text": "a"}, {"text": "b"})
        return [(await heard(provider))[1][1] for _ in range(3)]

    assert run_virtual(main()) == [TextDelta(0, "a"), TextDelta(0, "b"), TextDelta(0, "b")]


def test_a_stream_can_be_cut() -> None:
    """No end, no error: what a broken proxy does."""
    assert play({"steps": [{"text": "a"}, {"cut": True}]}) == [(0.0, OPENED), (0.0, TextDelta(0, "a"))]
    assert play({"cut": True}) == [(0.0, OPENED)]


def test_failures_on_cue() -> None:
    """With their status and wait; the same failure again and again does not grow a traceback."""
    provider = scripted({"fail": "rate_limited", "retry_after": "2s", "http_status": 429, "after": "1s"})

    async def main() -> list[tuple[float, BackendError]]:
        found = []
        for _ in range(3):
            with pytest.raises(BackendError) as caught:
                await heard(provider)
            found.append((asyncio.get_running_loop().time(), caught.value))
        return found

    found = run_virtual(main())
    assert [at for at, _ in found] == [1.0, 2.0, 3.0]
    assert provider.closed_at == [1.0, 2.0, 3.0]
    error = found[-1][1]
    assert (error.failure, error.retry_after, error.http_status) == (Failure.RATE_LIMITED, 2.0, 429)
    depth, frame = 0, error.__traceback__
    while frame is not None:
        depth, frame = depth + 1, frame.tb_next
    assert depth <= 3


@pytest.mark.parametrize("script", [{"hang": True}, {"steps": [{"text": "a"}, {"hang": True}]}])
def test_silence_lasts_until_it_is_cancelled(script: dict[str, Any]) -> None:
    """And then the stream is closed at that instant."""

    async def main() -> Scripted:
        provider = scripted(script)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1000):
                await heard(provider)
        return provider

    provider = run_virtual(main())
    assert (provider.opened_at, provider.closed_at, provider.open) == ([0.0], [1000.0], 0)


@pytest.mark.parametrize("give_up", ["cancel", "close"])
def test_closing_can_be_slow(give_up: str) -> None:
    """A lane that takes its time to close, however the call is given up."""

    async def main() -> Scripted:
        provider = scripted({"close_after": "2s", "steps": [{"text": "a"}, {"hang": True}]})
        if give_up == "cancel":
            task = asyncio.create_task(heard(provider))
            await asyncio.sleep(1)
            assert provider.open == 1
            task.cancel()
            await asyncio.wait([task])
            return provider
        async with aclosing(provider.stream(ASK)) as stream:
            await anext(stream)
            await asyncio.sleep(1)
        return provider

    provider = run_virtual(main())
    assert (provider.opened_at, provider.closed_at) == ([0.0], [3.0])


def test_a_clean_end_closes_at_once() -> None:
    """Slow closing is for calls that are given up."""

    async def main() -> list[float]:
        provider = scripted({"text": "a", "close_after": "2s"})
        await heard(provider)
        return provider.closed_at

    assert run_virtual(main()) == [0.0]


def test_from_python_any_case_can_be_built() -> None:
    """Steps as values: what a test needs and no configuration would."""

    async def main() -> tuple[list[tuple[float, Chunk]], Scripted]:
        provider = Scripted([(0.5, TextDelta(7, "x")), (0.0, STOP)], [(0.0, BackendError(Failure.LOST))])
        first = await heard(provider)
        with pytest.raises(BackendError):
            await heard(provider)
        return first, provider

    first, provider = run_virtual(main())
    assert first == [(0.5, TextDelta(7, "x")), (0.5, STOP)]
    assert provider.said == 2
    with pytest.raises(ValueError, match="needs a reply"):
        Scripted()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "script: a list with at least one reply"),
        ([], "script: a list with at least one reply"),
        ("hello", "script: a list with at least one reply"),
        (["hello"], "reply 1: a mapping is expected, not 'hello'"),
        ([{}], "reply 1: step 1: one of text, reasoning"),
        ([{"text": "a", "reasoning": "b"}], "reply 1: step 1: one of text"),
        ([{"text": "a"}, {"txet": "b"}], "reply 2: step 1: unknown key 'txet'; known are after, cut, fail"),
        ([{"steps": []}], "reply 1: steps: a list with at least one step"),
        ([{"steps": [{"text": "a"}], "text": "b"}], "reply 1: unknown key 'text'; known are close_after, delay, steps"),
        ([{"steps": [{"finish": "stop"}, {"text": "a"}]}], "step 2: nothing can follow the end"),
        ([{"finish": "done"}], "'done' is none of stop, length, tool_calls"),
        ([{"fail": "sick"}], "'sick' is none of rate_limited, overloaded"),
        ([{"text": "a", "after": "soon"}], "'soon' is no duration; write 300ms, 2s or 1m"),
        ([{"text": "a", "delay": -1}], "-1 is no duration"),
        ([{"fail": "lost", "http_status": "500"}], "a number from 0 up is expected, not '500'"),
        ([{"text": 5}], "text is expected, not 5"),
        ([{"usage": {"tokens": 5}}], "unknown key 'tokens'"),
        ([{"usage": {"input": True}}], "a number from 0 up is expected, not True"),
        ([{"tool_call": {"nom": "f"}}], "unknown key 'nom'"),
        ([{"tool_call": "f"}], "a mapping is expected, not 'f'"),
    ],
)
def test_a_bad_script_is_told_before_it_is_played(script: Any, words: str) -> None:
    """In words for an operator, naming reply and step."""
    (problem,) = validate_script(script)
    assert words in problem
    with pytest.raises(ValueError, match="script"):
        Scripted.of(Backend("b", "scripted", "m", "m", options={"script": script}))


def test_every_bad_reply_is_told() -> None:
    """Not one problem per attempt to start."""
    assert len(validate_script([{"text": 1}, {"text": "a"}, {"text": 2}])) == 2
    assert validate_script([{"text": "a"}]) == []


@pytest.mark.parametrize(("given", "seconds"), [("300ms", 0.3), ("2s", 2.0), ("1.5m", 90.0), (0, 0.0), (2.5, 2.5)])
def test_durations(given: str | float, seconds: float) -> None:
    """As in the rest of the configuration, or seconds."""
    assert duration(given) == pytest.approx(seconds)


@pytest.mark.parametrize("given", ["", "s", "-1s", "1h", True, None, math.inf, math.nan, -0.1, [1]])
def test_no_durations(given: Any) -> None:
    """Everything else is an error that says how to write one."""
    with pytest.raises(ValueError, match="no duration"):
        duration(given)
