"""Random routes that hedge, continue, fall, wait and panic at once, in virtual time: the laws of calls hold."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from quickthorn_server.core.attempt import Cause
from quickthorn_server.core.catalogue import BreakerRule, Entry, HedgeRule, OnBreak, RetryRule, Timeouts
from quickthorn_server.core.chunk import ReasoningDelta, TextDelta, UsageReport
from quickthorn_server.core.classes import FailureClass
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import BackendError, Failure, of_status
from quickthorn_server.core.plan import Plan
from quickthorn_server.core.request import Directives
from quickthorn_server.core.usage import Usage
from quickthorn_server.execution.events import Begun, Finished, Joined, Quiet, Said
from quickthorn_server.providers.resumed import Repeat, Rest
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import STOP, Cast, Played, fails, silent
from tests.support.virtual import run_virtual
from tests.unit.test_continue import HALF, WHOLE, Script
from tests.unit.test_ladder import CANNED, cast_of, planned, telling

SEEDS, EACH = 20, 60
PAUSES = (0.0, 0.1, 0.1, 0.2, 0.3, 0.5)
CAUSES: list[int | str] = [401, 429, 503, "timeout", "connect"]
CLASSES: list[dict[int, FailureClass]] = [{}, {400: FailureClass.ELSEWHERE}, {503: FailureClass.TERMINAL}]


def script(dice: random.Random) -> Script:
    """Return what a backend does: breaks, fails, continues, hangs or says nothing at all."""
    first, then = dice.choice(PAUSES), dice.choice(PAUSES)
    lost = BackendError(dice.choice([Failure.LOST, Failure.TIMEOUT, Failure.PROTOCOL]))
    status = dice.choice([400, 401, 404, 429, 500, 503])
    breaks: Script = [(first, TextDelta(0, WHOLE[:HALF])), (then, lost)]
    repeats: Script = [(first, Repeat(0, 64)), (then, Rest(0, WHOLE)), (then, STOP)]
    repeats_half: Script = [(first, TextDelta(0, WHOLE[HALF - 64 : HALF - 9])), (then, lost)]
    scripts: list[Script] = [
        *[breaks] * 5,
        *[repeats] * 2,
        *[repeats_half] * 2,
        *[fails(of_status(status), after=first, http_status=status)] * 2,
        [(first, ReasoningDelta(0, "hm")), (then, TextDelta(1, WHOLE[:HALF])), (then, lost)],
        [(first, Rest(0, WHOLE)), (then, UsageReport(Usage(5, 5))), (0.0, STOP)],
        silent(dice.choice([1.0, 50.0])),
        [(first, STOP)],
    ]
    return dice.choice(scripts)


def cast(dice: random.Random) -> Cast:
    """Return two to five backends of two models."""
    names = "abcde"[: dice.randrange(2, 6)]
    given: dict[str, Any] = {name: Scripted(*[script(dice) for _ in range(3)]) for name in names}
    made = cast_of(
        {name: dice.choice("mo") for name in names},
        rule=dice.choice([None, BreakerRule(consecutive=1)]),
        heartbeat=dice.choice([None, 0.25]),
        timeouts=Timeouts(first_token=dice.choice([0.4, 10]), idle=dice.choice([0.3, 10])),
        **given,
    )
    for name, backend in made.backends.items():
        able = {"text", "prefill"} if dice.random() < 0.5 else {"text"}
        made.backends[name] = replace(backend, capabilities=frozenset(able))
    return made


def plan(dice: random.Random, among: Cast) -> Plan:
    """Return a plan of a route with every rule there is."""
    rank, entries = 0, []
    for place, name in enumerate(among.backends):
        rank += bool(place) and dice.random() < 0.3
        waits = frozenset(dice.sample(CAUSES, 2)) if place and dice.random() < 0.3 else frozenset()
        entries.append(Entry(name, tier=f"t{rank}" if rank else "", rank=rank, fallback_on=waits))
    made = planned(
        among,
        *entries,
        hedge=dice.choice([None, HedgeRule(delay=dice.choice([0.0, 0.1, 0.15]), max_parallel=dice.choice([2, 3]))]),
        on_break=dice.choice([OnBreak.CONTINUE] * 4 + [OnBreak.FAIL]),
        ladder=dice.choice([None, CANNED, telling(), telling(canned="sorry")]),
        on_status=dice.choice(CLASSES),
        retry=RetryRule(dice.randrange(1, 9)),
        directives=Directives(failover=dice.choice([None] * 7 + [False]), same_model=dice.random() < 0.1),
    )
    panic = tuple(dice.sample(made.order, 1)) if made.order and dice.random() < 0.2 else ()
    return replace(made, panic=panic, max_first_token=dice.choice([None] * 5 + [0.35]))


async def called(dice: random.Random, among: Cast, given: Plan) -> Played | None:
    """Make one call, late or cut at times; None = there is nothing to look at but its record."""
    deadline, unary = dice.choice([None] * 6 + [0.35, 0.6, 5.0]), dice.random() < 0.2

    async def call() -> Played | None:
        if not unary:
            return await among.streamed(given, deadline)
        with suppress(CallError):
            await among.completed(given, deadline)
        return None

    task = asyncio.ensure_future(call())
    if dice.random() < 0.15:
        await asyncio.sleep(dice.choice([0.05, 0.2, 0.3, 0.35, 0.45]))
        task.cancel()
    with suppress(asyncio.CancelledError):
        return await task
    return None


def recorded(given: Plan, decision: Decision) -> None:
    """Hold lanes to their bounds: none too many, one continuation at a time, lower tiers after all others."""
    lanes, tolerance = decision.trace.attempts, 1e-9
    assert decision.ended != "INTERNAL"
    assert len(lanes) <= given.retry.attempts
    for lane in lanes:
        before = [other for other in lanes if other.started < lane.started - tolerance]
        over = [other for other in before if other.ended is not None and other.ended <= lane.started + tolerance]
        if lane.cause is Cause.CONTINUATION:
            assert over == before
        if lane.backend in given.lower:
            assert lane.cause is not Cause.SILENCE
            assert all(other in over or other.backend in given.lower for other in before)
    if decision.trace.served_by is not None and lanes[decision.trace.served_by].backend in given.lower:
        assert decision.trace.rung == "lower_tier"


def seen(played: Played, decision: Decision) -> None:
    """Hold what the caller saw to the laws of streams, and the record to what the caller saw."""
    events = [event for event in played.events if not isinstance(event, Quiet)]
    assert tuple(event.seam for event in events if isinstance(event, Joined)) == decision.seams
    assert len(decision.seams) <= 1
    said = [chunk for event in events if isinstance(event, Said) for chunk in event.chunks]
    text = "".join(chunk.text for chunk in said if isinstance(chunk, TextDelta))
    assert decision.delivered == len(text.encode())
    assert [type(event) for event in events[:1]] == [Begun] * bool(events)
    ends = [place for place, event in enumerate(events, start=1) if isinstance(event, Finished)]
    assert ends == ([] if played.error else [len(events)])


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_laws_hold_whatever_meets(seed: int) -> None:
    """Nobody continues beside another, no seam is recorded that was not told, no lower tier comes too early."""

    async def main() -> None:
        dice = random.Random(seed)
        for _ in range(EACH):
            among = cast(dice)
            for count in range(1, dice.randrange(2, 5)):
                given = plan(dice, among)
                played = await called(dice, among, given)
                await among.reaper.idle(1000)
                assert len(among.told.decisions) == count
                recorded(given, among.told.decisions[-1])
                if played is not None:
                    seen(played, among.told.decisions[-1])
                assert not [task for task in asyncio.all_tasks() if task.get_name() in among.backends]

    run_virtual(main())
