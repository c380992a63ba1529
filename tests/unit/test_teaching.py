"""What a race teaches whoever learns when to hedge, and at which instant."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from quickthorn_server.core.catalogue import Entry, HedgeRule, Route, Timeouts
from quickthorn_server.core.failures import Failure
from quickthorn_server.execution.executor import Executor
from quickthorn_server.execution.hedging.learners import Heard
from quickthorn_server.execution.teaching import Teaching
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import PROMPT, Cast, Step, _call, fails, says, silent
from tests.support.decisions import NEEDS
from tests.support.virtual import run_virtual

AUTO = HedgeRule(target=0.99)


class Pupil:
    """A learner that writes down what it is told; every race makes a conclusion due."""

    def __init__(self) -> None:
        self.under_way: list[tuple[str, float]] = []
        self.told: list[tuple[float, list[Heard]]] = []
        self.concluded: list[float] = []
        self.hedges: list[str] = []

    def settled(self, route: str, input_tokens: int, lanes: Sequence[Heard], now: float) -> bool:
        """Write it down."""
        assert (route, input_tokens) == ("default", 7)
        ends = {round(each.started + each.seconds, 6) for each in lanes}
        self.under_way.remove((lanes[0].backend, now - max(each.started + each.seconds for each in lanes)))
        assert max(ends) == round(now, 6)
        at = round(asyncio.get_running_loop().time(), 6)
        self.told.append((at, [each._replace(seconds=round(each.seconds, 6)) for each in lanes]))
        return True

    def started(self, route: str, first: str, input_tokens: int, now: float) -> None:
        """Write it down."""
        assert (route, input_tokens, now) == ("default", 7, asyncio.get_running_loop().time())
        self.under_way.append((first, now))

    def hedged(self, route: str, first: str, backend: str, input_tokens: int, *, began: float, now: float) -> None:
        """Hold that it is one of a call that is under way."""
        assert (route, now) == ("default", asyncio.get_running_loop().time())
        assert (first, began, input_tokens) == (*self.under_way[-1], 7)
        self.hedges.append(backend)

    def left(self, route: str, first: str, input_tokens: int, began: float) -> None:
        """Cross it out."""
        assert (route, input_tokens) == ("default", 7)
        self.under_way.remove((first, began))

    def recompute(self, route: str, now: float) -> bool:
        """Write down when."""
        assert (route, now) == ("default", asyncio.get_running_loop().time())
        self.concluded.append(round(now, 6))
        return False


def school(*scripts: list[Step], timeouts: Timeouts | None = None) -> tuple[Cast, Pupil]:
    cast = Cast(
        rule=None,
        timeouts=timeouts,
        budget=None,
        limits=None,
        heartbeat=None,
        **{name: Scripted(each) for name, each in zip("abc", scripts, strict=False)},
    )
    pupil = Pupil()
    teaching = Teaching(pupil, asyncio.get_running_loop())
    cast.executor = Executor(replace(cast.executor._estate, teaching=teaching))
    return cast, pupil


def taught(
    *scripts: list[Step],
    delay: float | None = 0.5,
    rule: HedgeRule | None = AUTO,
    unary: bool = False,
    whole: bool = False,
) -> list[tuple[float, list[Heard]]]:
    """Return what one call teaches, and when."""

    async def main() -> list[tuple[float, list[Heard]]]:
        cast, pupil = school(*scripts, timeouts=Timeouts(first_token=3.0))
        route = Route("default", tuple(map(Entry, cast.backends)), hedge=rule)
        plan = cast.plan(delay=delay, max_parallel=3, route=route, input_tokens=7, whole=whole)
        if unary:
            await cast.completed(plan)
        else:
            await cast.streamed(plan)
        await asyncio.sleep(0)
        assert len(pupil.concluded) == len(pupil.told)
        assert pupil.under_way == []
        assert pupil.hedges == [backend for backend, cause, *_ in cast.lanes() if cause == "silence"]
        return pupil.told

    return run_virtual(main())


FIRST = Heard("a", 0.0, 0.1, spoke=True)


@pytest.mark.parametrize("unary", [False, True])
@pytest.mark.parametrize(
    ("scripts", "at", "lanes"),
    [
        ([says("A", "B", "C", gap=60.0), says("X")], 0.1, [FIRST]),
        ([says("A", after=9.0), says("X", after=0.2)], 0.7, [Heard("a", 0.0, 0.7, False), Heard("b", 0.5, 0.2, True)]),
        ([says("A", after=0.6), says("X", after=9.0)], 0.6, [Heard("a", 0.0, 0.6, True), Heard("b", 0.5, 0.1, False)]),
        (
            [silent(), silent(), says("Z")],
            1.1,
            [Heard("a", 0.0, 1.1, False), Heard("b", 0.5, 0.6, False), Heard("c", 1.0, 0.1, True)],
        ),
        ([says("A", after=0.9), fails(Failure.UNAVAILABLE)], 0.9, [Heard("a", 0.0, 0.9, True)]),
    ],
)
def test_a_race_teaches_in_the_step_in_which_it_is_decided(
    scripts: list[list[Step]], at: float, lanes: list[Heard], unary: bool
) -> None:
    """Who spoke is known exactly, who was stopped by his age, who failed not at all; a stream may go on for minutes."""
    assert taught(*scripts, unary=unary) == [(at, lanes)]


def test_a_timeout_is_an_age_and_a_failover_is_no_hedge() -> None:
    """The first would have taken longer than its limit; who replaced it ran on no silent call."""
    assert taught(silent(), says("X"), delay=None) == [(3.1, [Heard("a", 0.0, 3.0, spoke=False)])]


@pytest.mark.parametrize("after", [0.2, 0.6])
def test_a_first_lane_that_fails_teaches_nothing(after: float) -> None:
    """Failures are no times, and who ran beside it or came after it says nothing of slow calls."""
    assert taught(fails(Failure.UNAVAILABLE, after), says("X", after=0.3)) == []


def test_a_call_that_does_not_hedge_teaches_its_lane() -> None:
    """Also where the coin, the purse or the request kept it from hedging."""
    assert taught(says("A"), says("X"), delay=None) == [(0.1, [FIRST])]


@pytest.mark.parametrize("rule", [None, HedgeRule(delay=0.5), HedgeRule(percentile=0.95)])
def test_only_learned_delays_are_taught(rule: HedgeRule | None) -> None:
    """Nobody listens on a route whose delay is fixed."""
    assert taught(says("A"), says("X"), rule=rule) == []


def test_whole_replies_and_vectors_teach_nothing() -> None:
    """The time of a whole reply is no time to first content."""
    assert taught(says("A"), says("X"), unary=True, whole=True) == []

    async def main() -> list[tuple[float, list[Heard]]]:
        cast, pupil = school(says("A"))
        route = Route("default", (Entry("a"),), hedge=AUTO)
        await cast.streamed(cast.plan(route=route, input_tokens=7, outline=NEEDS._replace(embeds=True)))
        return pupil.told

    assert run_virtual(main()) == []


def test_a_call_that_is_left_teaches_ages() -> None:
    """The caller hangs up after a second of silence: both lanes would have taken longer."""

    async def main() -> list[tuple[float, list[Heard]]]:
        cast, pupil = school(silent(), silent())
        route = Route("default", (Entry("a"), Entry("b")), hedge=AUTO)
        plan = cast.plan(delay=0.5, route=route, input_tokens=7)
        calling = asyncio.create_task(cast.streamed(plan))
        await asyncio.sleep(1.0)
        calling.cancel()
        await asyncio.wait([calling])
        await cast.reaper.idle(1)
        return pupil.told

    lanes = [Heard("a", 0.0, 1.0, spoke=False), Heard("b", 0.5, 0.5, spoke=False)]
    assert run_virtual(main()) == [(1.0, lanes)]


def test_conclusions_are_drawn_outside_of_the_call() -> None:
    """They take a millisecond: the loop gets to them after the step that decided the race."""

    async def main() -> list[int]:
        cast, pupil = school(says("A", "B"))
        route = Route("default", (Entry("a"),), hedge=AUTO)
        events = cast.executor.stream(cast.plan(route=route, input_tokens=7), PROMPT, _call(None))
        async with aclosing(events):
            return [len(pupil.concluded) async for _ in events]

    assert run_virtual(main())[0] == 0
