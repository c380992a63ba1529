"""Observers told in batches: how late, and in what order."""

from __future__ import annotations

import asyncio

from quickthorn_server.core.plan import Circuit
from quickthorn_server.providers.scripted import Scripted
from quickthorn_server.telemetry.batches import Batches
from tests.support.cast import Cast, Told, says
from tests.support.virtual import run_virtual


async def decided(count: int) -> Told:
    """Return what an observer was told of *count* calls."""
    cast = Cast(a=Scripted(says("x")))
    for _ in range(count):
        await cast.completed(cast.plan())
    return cast.told


def test_calls_are_told_together_and_soon() -> None:
    """Sixteen at once; fewer after 50 ms."""

    async def go() -> list[int]:
        calls, heard = (await decided(20)).decisions, Told()
        batches, seen = Batches((heard,)), []
        for decision in calls:
            batches.call_ended(decision)
            seen.append(len(heard.decisions))
        await asyncio.sleep(0.06)
        assert heard.decisions == calls
        return seen

    assert run_virtual(go()) == [0] * 15 + [16] * 5


def test_order_is_kept() -> None:
    """A circuit is told at once, and so are the calls that ended before it; the last ones when asked to."""

    async def go() -> None:
        calls, heard = (await decided(2)).decisions, Told()
        batches = Batches((heard,))
        batches.call_ended(calls[0])
        batches.circuit_changed("a", Circuit.OPEN)
        assert (heard.decisions, heard.circuits) == (calls[:1], [("a", Circuit.OPEN)])
        batches.call_ended(calls[1])
        batches.flush()
        assert heard.decisions == calls

    run_virtual(go())
