"""Losers and circuits: being overtaken is no sickness, being dead is one however often a hedge comes to the rescue."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from quickthorn_server.core.catalogue import BreakerRule
from quickthorn_server.core.plan import Circuit
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.executor import Executor
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import Cast, says, silent
from tests.support.virtual import run_virtual


def played(*, rule: BreakerRule, **scripts: Scripted) -> Cast:
    """Return a cast whose circuits know each backend's own p99."""
    cast = Cast(rule=rule, timeouts=None, budget=None, limits=None, heartbeat=None, **scripts)
    loop, estate = asyncio.get_running_loop(), cast.executor._estate
    cast.breakers = Breakers(cast.backends.values(), loop.time, cast.told.circuit_changed, p99=estate.latency.p99)
    cast.executor = Executor(replace(estate, breakers=cast.breakers))
    return cast


def test_two_thousand_young_losers_touch_no_circuit() -> None:
    """Each is overtaken younger than its backend's own p99: nothing is counted, and nothing opens."""

    async def main() -> tuple[Cast, int]:
        cast = played(rule=BreakerRule(), a=Scripted(says("A", after=1.0)), b=Scripted(says("X")))
        for _ in range(120):
            await cast.streamed(cast.plan())  # a's p99 is 1 s
        await asyncio.sleep(20)
        before = cast.breakers["a"].snapshot().outcomes
        plan = cast.plan(delay=0.5)
        for _ in range(4):
            await asyncio.gather(*(cast.streamed(plan) for _ in range(500)))
        return cast, before

    cast, before = run_virtual(main())
    lost = [lane for _, trace in cast.told.calls for lane in trace.attempts if lane.outcome.word == "lost"]
    assert len(lost) == 2_000
    assert {lane.backend for lane in lost} == {"a"}
    assert before == 0
    a = cast.breakers["a"].snapshot()
    assert (a.outcomes, a.circuit, cast.told.circuits) == (0, Circuit.CLOSED, [])


def test_a_black_hole_that_hedges_always_rescue_opens_its_circuit() -> None:
    """No call fails and none is slow, and yet within twice `min_calls` of them the dead primary is left alone."""

    async def main() -> tuple[int, Cast]:
        replies = [says("A")] * 120 + [silent()]
        cast = played(rule=BreakerRule(), a=Scripted(*replies), b=Scripted(says("X")))
        for _ in range(120):
            await cast.streamed(cast.plan(delay=0.3))
        await asyncio.sleep(20)
        for call in range(1, 100):
            assert (await cast.streamed(cast.plan(delay=0.3))).error is None
            if cast.told.circuits:
                return call, cast
        raise AssertionError("it never opened")

    calls, cast = run_virtual(main())
    assert cast.told.circuits == [("a", Circuit.OPEN)]
    assert BreakerRule().min_calls <= calls <= 2 * BreakerRule().min_calls
    assert {ended for ended, _ in cast.told.calls} == {"answered"}
