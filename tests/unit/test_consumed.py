"""What lanes that were cut have used: told, else estimated and called so, else nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from quickthorn_server.core.attempt import Attempt
from quickthorn_server.core.catalogue import Timeouts
from quickthorn_server.core.chunk import Opened, ReasoningDelta, TextDelta, ToolCallDelta, UsageReport
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Price, Usage, UsageSource
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import STOP, Cast, Step, fails, says, silent
from tests.support.virtual import run_virtual

SENT = 1000  # the estimate of the prompt

Steps = list[Step]


def estimate(read: int, written: int) -> Usage:
    return Usage(read, written, source=UsageSource.ESTIMATED)


def lanes(*scripts: Steps, delay: float | None = None, cancel_after: float | None = None) -> tuple[Attempt, ...]:
    """Play a stream over *scripts*, hedged after *delay*; return its lanes."""
    cast = played(*scripts, delay=delay, cancel_after=cancel_after)
    return cast.trace.attempts


def played(*scripts: Steps, delay: float | None = None, cancel_after: float | None = None) -> Cast:
    async def main() -> Cast:
        named = {f"b{n}": Scripted(each) for n, each in enumerate(scripts)}
        cast = Cast(rule=None, timeouts=Timeouts(first_token=5.0), budget=None, limits=None, heartbeat=None, **named)
        priced = {name: replace(each, price=Price(Decimal(1), Decimal(2))) for name, each in cast.backends.items()}
        cast.backends = priced
        task = asyncio.create_task(cast.streamed(cast.plan(delay=delay, attempts=len(scripts), input_tokens=SENT)))
        if cancel_after is not None:
            await asyncio.sleep(cancel_after)
            task.cancel()
        await asyncio.wait([task])
        await cast.reaper.idle(5)
        return cast

    return run_virtual(main())


@pytest.mark.parametrize(
    ("steps", "usage"),
    [
        (silent(), estimate(SENT, 0)),
        ([(0.0, Opened("m")), *silent()], estimate(SENT, 0)),
        ([(0.1, ReasoningDelta(0, "x" * 41)), *silent()], estimate(SENT, 11)),
        ([(0.1, UsageReport(Usage(7, 0))), *silent()], Usage(7, 0)),
        ([(0.1, UsageReport(Usage(7, 1))), (0.0, ReasoningDelta(0, "x" * 40)), *silent()], estimate(7, 11)),
        ([(0.1, ReasoningDelta(0, "x" * 40)), (0.0, UsageReport(Usage(7, 12))), *silent()], Usage(7, 12)),
        ([(0.1, UsageReport(Usage(7))), *silent()], estimate(7, 0)),
        ([(0.1, UsageReport(Usage(None, 3))), *silent()], estimate(SENT, 3)),
    ],
)
def test_a_loser_used_what_it_told_and_about_what_it_said_since(steps: Steps, usage: Usage) -> None:
    """It was sent the whole prompt, and a token is four characters; what is told in full stays as it was told."""
    loser, winner = lanes(steps, says("X"), delay=0.5)
    assert loser.usage == usage
    assert loser.cost_nano_usd == 1_000 * (usage.input_tokens or 0) + 2_000 * (usage.output_tokens or 0)
    assert winner.usage is None  # it ended, and told nothing: unknown, not estimated


def test_what_its_reader_has_taken_counts_as_well() -> None:
    """A stream that breaks after many words, and one that the caller leaves, are estimated by all they have said."""
    words: Steps = [(0.1, TextDelta(0, "word " * 8)) for _ in range(50)]
    (broken,) = lanes([*words, (0.0, BackendError(Failure.LOST))])
    assert broken.usage == estimate(SENT, 500)
    (left,) = lanes([*words, (0.0, STOP)], cancel_after=1.05)
    assert left.usage == estimate(SENT, 100)


def test_arguments_of_tools_are_output() -> None:
    """They are written by the model, as text and thinking are."""
    calls: Steps = [(0.1, ToolCallDelta(0, "id", "name", '{"a": "bcdefgh"}')), (0.0, BackendError(Failure.LOST))]
    (broken,) = lanes(calls)
    assert broken.usage == estimate(SENT, 4)


@pytest.mark.parametrize(
    ("failure", "usage"),
    [
        (Failure.CONNECT, None),
        (Failure.RATE_LIMITED, None),
        (Failure.UNAUTHENTICATED, None),
        (Failure.UNAVAILABLE, None),
        (Failure.UNSUPPORTED, None),
        (Failure.INTERNAL, None),
        (Failure.LOST, estimate(SENT, 0)),
        (Failure.PROTOCOL, estimate(SENT, 0)),
    ],
)
def test_who_was_not_reached_or_refused_used_nothing(failure: Failure, usage: Usage | None) -> None:
    """A connection that broke, in contrast, may have carried the whole prompt."""
    failed, _ = lanes(fails(failure), says("X"))
    assert failed.usage == usage


def test_an_error_after_the_head_comes_too_late_to_be_free() -> None:
    """The provider had accepted the call: whatever it says then, it has read the prompt."""
    (failed,) = lanes([(0.1, Opened("m")), (0.1, BackendError(Failure.OVERLOADED))])
    assert failed.usage == estimate(SENT, 0)


def test_a_backend_that_timed_out_may_have_worked() -> None:
    """Its silence tells nothing of what it bills."""
    (slow,) = lanes(silent())
    assert (slow.failure, slow.usage) == (Failure.TIMEOUT, estimate(SENT, 0))


def test_a_call_that_failed_is_told_what_was_told_rather_than_what_was_estimated() -> None:
    """Its usage is the last that a backend reported, though a later lane was cut without a word."""
    told: Steps = [(0.1, UsageReport(Usage(7, 2))), (0.0, BackendError(Failure.LOST))]
    cast = played(told, fails(Failure.LOST))
    spent = cast.trace.spent
    assert spent is not None
    assert spent.usage == Usage(7, 2)
    only_estimated = played(fails(Failure.CONNECT), fails(Failure.LOST)).trace.spent
    assert only_estimated is not None
    assert only_estimated.usage == estimate(SENT, 0)
