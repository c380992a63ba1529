"""Admission: a bound without a queue, and a door that closes."""

from __future__ import annotations

import asyncio
import logging

import pytest

from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.request import Priority
from quickthorn_server.edge.gate import Gate
from quickthorn_server.edge.shedding import Shedder
from tests.support.virtual import run_virtual


def refused(gate: Gate, task: asyncio.Task[None], priority: Priority = Priority.NORMAL) -> CallError:
    """Return why *gate* does not let *task* in."""
    with pytest.raises(CallError) as caught:
        gate.enter(task, priority)
    return caught.value


def admitted(gate: Gate, priority: Priority, most: int) -> int:
    """Return how many of *most* calls come in that last for ten seconds."""
    count = 0
    for _ in range(most):
        task = asyncio.create_task(asyncio.sleep(10))
        try:
            gate.enter(task, priority)
            count += 1
        except CallError:
            task.cancel()
    return count


def test_a_full_gate_refuses_until_a_call_ends() -> None:
    """The place of a call is free when its task has ended, not before."""

    async def main() -> None:
        gate = Gate(2, asyncio.get_running_loop().time)
        first, second, third = (asyncio.create_task(asyncio.sleep(s)) for s in (1, 2, 2))
        gate.enter(first)
        gate.enter(second)
        error = refused(gate, third)
        assert error.reason is Reason.OVERLOADED
        await asyncio.sleep(1.1)
        gate.enter(third)
        assert gate.running == {second, third}
        await asyncio.sleep(2)
        assert gate.running == set()

    run_virtual(main())


def test_a_cancelled_call_gives_its_place_back() -> None:
    """However a task ends, its place is free."""

    async def main() -> None:
        gate = Gate(1, asyncio.get_running_loop().time)
        task = asyncio.create_task(asyncio.sleep(60))
        gate.enter(task)
        task.cancel()
        await asyncio.sleep(0.01)
        assert not gate.running

    run_virtual(main())


def test_a_closed_gate_refuses_everybody_and_stops_nobody() -> None:
    """Closing refuses later calls as DRAINING; running ones go on."""

    async def main() -> None:
        gate = Gate(10, asyncio.get_running_loop().time)
        running, late = (asyncio.create_task(asyncio.sleep(1)) for _ in range(2))
        gate.enter(running)
        gate.close()
        assert refused(gate, late).reason is Reason.DRAINING
        assert gate.running == {running}
        await asyncio.sleep(2)

    run_virtual(main())


def test_refused_calls_are_arrivals_too() -> None:
    """Quiet means that nobody asks, not that nobody is let in."""

    async def main() -> None:
        gate = Gate(0, asyncio.get_running_loop().time)
        await asyncio.sleep(3)
        assert gate.quiet_for() == 3
        task = asyncio.create_task(asyncio.sleep(0))
        refused(gate, task)
        assert gate.quiet_for() == 0
        await task

    run_virtual(main())


@pytest.mark.parametrize(
    ("places", "bulk", "normal", "critical"),
    [(100, 80, 20, 10), (1000, 800, 200, 100), (10, 8, 2, 1), (9, 7, 2, 0), (1, 1, 0, 0), (2, 1, 1, 0)],
)
def test_places_go_by_urgency(places: int, bulk: int, normal: int, critical: int) -> None:
    """Bulk calls get 80 % of the places, normal ones all, critical ones a tenth more; one is there for anybody."""

    async def main() -> None:
        gate = Gate(places, asyncio.get_running_loop().time)
        seen = []
        for priority in (Priority.BULK, Priority.NORMAL, Priority.CRITICAL):
            seen.append(admitted(gate, priority, 2 * places))
            assert gate.choosy
        assert (seen, gate.shut) == ([bulk, normal, critical], True)
        await asyncio.sleep(11)
        assert gate.tight
        assert (gate.choosy, gate.shut, gate.tight) == (False, False, places < 3)

    run_virtual(main())


def test_who_is_refused_together_does_not_come_back_together() -> None:
    """Waits are spread over 250 ms by half either way where calls end soon, over a second where they wait."""

    async def main() -> tuple[set[float | None], set[float | None]]:
        shedder = Shedder(0.1)
        full, slow = Gate(0), Gate(100, shedder=shedder)
        for step in range(20):
            shedder.observe(9.0, step * 0.1)
        task = asyncio.create_task(asyncio.sleep(0))
        soon = {refused(full, task).retry_after for _ in range(1000)}
        later = {refused(slow, task, Priority.BULK).retry_after for _ in range(1000)}
        full.close()
        slow.close()
        await task
        return soon, later

    soon, later = run_virtual(main())
    for waits, middle in ((soon, 0.25), (later, 1.0)):
        known = sorted(wait for wait in waits if wait is not None)
        assert (len(known), known[0], known[-1] < 1.5 * middle) == (16, middle / 2, True)
        assert sum(known) / 16 == pytest.approx(middle, rel=0.05)


def test_an_episode_is_told_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """However many are refused in it; five seconds without a refusal end it."""

    async def main() -> None:
        gate = Gate(1, asyncio.get_running_loop().time)
        running, late = (asyncio.create_task(asyncio.sleep(seconds)) for seconds in (20, 20))
        gate.enter(running)
        for priority in (Priority.NORMAL, Priority.BULK, Priority.NORMAL):
            refused(gate, late, priority)
            await asyncio.sleep(4.0)
        await asyncio.sleep(8.0)
        refused(gate, late, Priority.CRITICAL)
        gate.close()
        refused(gate, late)
        await asyncio.sleep(1.0)

    with caplog.at_level(logging.INFO):
        run_virtual(main())
    assert [record.message for record in caplog.records] == [
        "overload began because=1 calls are in flight",
        "overload ended seconds=8.0 refused bulk=1 normal=2 critical=0",
        "overload began because=1 calls are in flight",
        "overload ended seconds=0.0 refused bulk=0 normal=0 critical=1",
    ]
