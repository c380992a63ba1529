"""The alarms of all calls on one timer."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.execution.alarm import Alarm, Alarms
from tests.support.laws import law
from tests.support.stepping import SteppingLoop
from tests.support.virtual import run_virtual


def rings(alarms: Alarms, *instants: float) -> tuple[Alarm, list[float]]:
    """Return an alarm that is asked for *instants*, and when it rang."""
    alarm, rang = Alarm(alarms), list[float]()

    def look(now: float) -> float | None:
        rang.append(round(now, 6))
        return min((at for at in instants if at > now), default=None)

    alarm.watch(look)
    alarm.by(min(instants))
    return alarm, rang


@law()
@given(st.lists(st.lists(st.integers(1, 500), min_size=1, max_size=4), min_size=1, max_size=8), st.integers(0, 600))
def test_every_alarm_rings_at_its_own_instants(wanted: list[list[int]], until: int) -> None:
    """However many there are and whichever stop in between: each at its instants, and never once stopped."""

    async def main() -> None:
        alarms = Alarms()
        all_ = [(rings(alarms, *map(float, instants)), sorted(set(instants))) for instants in wanted]
        await asyncio.sleep(until + 0.5)
        for place, ((alarm, rang), instants) in enumerate(all_):
            assert rang == [at for at in instants if at <= until]
            if place % 2:
                alarm.stop()
        await asyncio.sleep(1000.0)
        for place, ((_, rang), instants) in enumerate(all_):
            assert rang == [at for at in instants if at <= until or not place % 2]

    run_virtual(main())


def test_one_timer_serves_them_all_and_those_that_follow() -> None:
    """A thousand calls, and a thousand later ones each alone, arm one timer; it goes when its time has come."""

    async def main() -> tuple[int, int, int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppingLoop)
        alarms = Alarms()
        for alarm in [rings(alarms, 5.0 + place / 1000)[0] for place in range(1000)]:
            alarm.stop()
        together = loop.timers
        for place in range(1000):
            rings(alarms, 7.0 + place / 1000)[0].stop()
        alone = loop.timers
        await asyncio.sleep(6.0)
        return together, alone, loop.timers

    with asyncio.Runner(loop_factory=SteppingLoop) as runner:
        assert runner.run(main()) == (1, 1, 0)


def test_calls_that_ended_are_not_remembered() -> None:
    """Ten thousand calls beside one that lasts leave as many entries as a hundred do."""

    async def main() -> int:
        alarms = Alarms()
        rings(alarms, 900.0)
        for _ in range(10_000):
            rings(alarms, 500.0)[0].stop()
        return len(alarms._entries)

    assert run_virtual(main()) < 100


def test_a_bug_in_one_call_silences_no_other() -> None:
    """Whatever a watch raises, the others ring."""

    async def main() -> list[float]:
        loop, alarms = asyncio.get_running_loop(), Alarms()
        loop.set_exception_handler(lambda *_: None)
        broken = Alarm(alarms)
        broken.watch(lambda _: 1 / 0)
        broken.by(1.0)
        _, rang = rings(alarms, 1.0, 2.0)
        await asyncio.sleep(5.0)
        return rang

    assert run_virtual(main()) == [1.0, 2.0]
