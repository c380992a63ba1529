"""Admission: a bound without a queue, and a door that closes."""

from __future__ import annotations

import asyncio

import pytest

from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.edge.gate import Gate
from tests.support.virtual import run_virtual


def refused(gate: Gate, task: asyncio.Task[None]) -> CallError:
    """Return why *gate* does not let *task* in."""
    with pytest.raises(CallError) as caught:
        gate.enter(task)
    return caught.value


def test_a_full_gate_refuses_until_a_call_ends() -> None:
    """The place of a call is free when its task has ended, not before."""

    async def main() -> None:
        gate = Gate(2, asyncio.get_running_loop().time)
        first, second, third = (asyncio.create_task(asyncio.sleep(s)) for s in (1, 2, 2))
        gate.enter(first)
        gate.enter(second)
        error = refused(gate, third)
        assert (error.reason, error.retry_after) == (Reason.OVERLOADED, 0.25)
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
