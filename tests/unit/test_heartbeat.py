"""A quiet stream says that it goes on: at exact instants, and nowhere else."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from quickthorn import fold
from quickthorn import messages as pb
from quickthorn_server.core.call import Call
from quickthorn_server.core.catalogue import Timeouts
from quickthorn_server.core.chunk import TextDelta
from quickthorn_server.core.failures import Failure
from quickthorn_server.edge import wire_answer
from quickthorn_server.execution.events import Begun, Finished, Joined, Quiet, Said
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import PROMPT, STOP, Cast, Played, Step, fails, says, silent
from tests.support.virtual import run_virtual

PATIENT = Timeouts(first_token=1000.0, idle=1000.0, total=10_000.0)


def streamed(deadline: float | None = None, delay: float | None = None, **scripts: list[Step]) -> Played:
    """Play a race with a heartbeat of 15 s."""

    async def main() -> Played:
        acting = {name: Scripted(script) for name, script in scripts.items()}
        cast = Cast(rule=None, timeouts=PATIENT, budget=None, limits=None, heartbeat=15.0, **acting)
        return await cast.streamed(cast.plan(delay=delay), deadline)

    return run_virtual(main())


def told(played: Played) -> list[tuple[float, str]]:
    """Return instant and kind of every event."""
    return [(at, type(event).__name__) for at, event in zip(played.at, played.events, strict=True)]


def test_before_anybody_speaks() -> None:
    """Every 15 s from the call's start, before `Begun`; who speaks at once causes none."""
    late = told(streamed(a=says("A", after=40.0)))
    assert late == [(15.0, "Quiet"), (30.0, "Quiet"), (40.0, "Begun"), (40.0, "Said"), (40.0, "Finished")]
    assert "Quiet" not in dict.fromkeys(kind for _, kind in told(streamed(a=says("A", "B"))))


def test_between_two_tokens() -> None:
    """15 s after the last event, and not 15 s after the last heartbeat would have been."""
    script: list[Step] = [(10.0, TextDelta(0, "A")), (12.0, TextDelta(0, "B")), (31.0, TextDelta(0, "C")), (0.0, STOP)]
    quiet = [at for at, kind in told(streamed(a=script)) if kind == "Quiet"]
    assert quiet == [37.0, 52.0]


def test_a_failover_and_a_hedge_go_on_through_it() -> None:
    """A heartbeat changes nothing in the race: neither when lanes start nor how it ends."""
    played = streamed(a=fails(Failure.UNAVAILABLE, 20.0), b=silent(), c=says("C", after=20.0), delay=16.0)
    assert [(at, kind) for at, kind in told(played) if kind == "Quiet"] == [(15.0, "Quiet"), (30.0, "Quiet")]
    assert played.words == [(40.0, "C")]


def test_the_deadline_comes_all_the_same() -> None:
    """Heartbeats keep no call alive."""
    played = streamed(a=silent(), deadline=31.0)
    assert told(played) == [(15.0, "Quiet"), (30.0, "Quiet")]
    assert (played.error is not None, played.ended_at) == (True, 31.0)


def test_no_timer_outlives_its_call() -> None:
    """Answered, failed or left in the middle: nothing is set but the one timer of all calls, and it finds nothing."""

    async def main() -> None:
        acting = {"a": Scripted(says("A", after=20.0)), "b": Scripted(fails(Failure.INVALID, 20.0))}
        cast = Cast(rule=None, timeouts=PATIENT, budget=None, limits=None, heartbeat=15.0, **acting)
        for order in ("a", "b"):
            await cast.streamed(cast.plan(order=(cast.backends[order],)))
        async with aclosing(cast.executor.stream(cast.plan(), PROMPT, Call("qt-1", "r", 0.0, None))) as happening:
            assert isinstance(await anext(happening), Quiet)
        await cast.reaper.idle(100)
        timers: list[asyncio.TimerHandle] = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        assert sum(not timer.cancelled() for timer in timers) <= 1
        await asyncio.sleep(100)
        assert [timer for timer in timers if not timer.cancelled()] == []

    run_virtual(main())


def test_a_slow_reader_gets_no_heartbeat_in_place_of_words() -> None:
    """While one event is still being written none is due: what was said in between comes next."""

    async def main() -> list[tuple[float, str]]:
        acting = {"a": Scripted(says("A", "B", after=1.0))}
        cast = Cast(rule=None, timeouts=PATIENT, budget=None, limits=None, heartbeat=15.0, **acting)
        seen, loop = list[tuple[float, str]](), asyncio.get_running_loop()
        async with aclosing(cast.executor.stream(cast.plan(), PROMPT, Call("qt-1", "r", 0.0, None))) as happening:
            async for event in happening:
                seen.append((round(loop.time(), 6), type(event).__name__))
                await asyncio.sleep(20.0)
        return seen

    assert [kind for _, kind in run_virtual(main())] == ["Begun", "Said", "Finished"]


def test_a_fold_ignores_heartbeats() -> None:
    """With them or without: the client's answer is the same, also where one comes first."""
    played, call = streamed(a=says("A", "B", after=20.0)), Call("qt-1", "r", 0.0, None)
    written = list[pb.CompletionEvent]()
    for event in played.events:
        match event:
            case Begun():
                written.append(wire_answer.started(event, call))
            case Finished():
                written.append(wire_answer.finished(event))
            case Quiet():
                written.append(wire_answer.heartbeat())
            case Joined():
                written.append(wire_answer.seam(event.seam))
            case Said():
                written.extend(wire_answer.events(event.chunks))
    assert written[0].WhichOneof("event") == "heartbeat"
    spoken = [event for event in written if event.WhichOneof("event") != "heartbeat"]
    assert len(spoken) < len(written)
    assert fold(iter(written)) == fold(iter(spoken))
