"""The way down, to the instant, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from quickthorn_server.core.ends import CallError
from quickthorn_server.edge.drain import Drain, Drained
from quickthorn_server.edge.gate import Gate
from quickthorn_server.edge.health import Health
from tests.support.virtual import run_virtual


class FakeServer:
    """Stops as gRPC's does: when all tasks have ended, or at the shortest grace, cancelling them without waiting."""

    def __init__(self, gate: Gate, extra: Callable[[], bool] = lambda: False) -> None:
        self.stops: list[tuple[float, float | None]] = []
        self._gate = gate
        self._extra = extra
        self._until = float("inf")
        self._cut = False

    async def stop(self, grace: float | None) -> None:
        """Stop after *grace*, or earlier."""
        now = asyncio.get_running_loop().time
        self.stops.append((round(now(), 1), grace))
        self._until = min(self._until, now() + (grace or 0))
        while now() < self._until and (self._gate.running or self._extra()):  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.001)
        if not self._cut:  # gRPC cancels each call once, however often it is stopped
            self._cut = True
            for task in self._gate.running:
                task.cancel()


class Scene:
    """A gate, a health service and a server, and calls that come and go."""

    def __init__(self, *, quiet: float = 1.0, grace: float = 10.0, extra: Callable[[], bool] = lambda: False) -> None:
        clock = asyncio.get_running_loop().time
        self.gate, self.health = Gate(100, clock), Health()
        self.health.start_serving()
        self.server = FakeServer(self.gate, extra)
        self.drain = Drain(self.server, self.gate, self.health, quiet=quiet, grace=grace, clock=clock)

    def call(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let a call in that does *work*."""
        task = asyncio.create_task(work)
        try:
            self.gate.enter(task)
        except CallError:
            task.cancel()
            raise
        return task


def told(report: Drained) -> tuple[int, int, float]:
    """Return cut, stuck and seconds, these to the next tenth."""
    return report.cut, report.stuck, round(report.seconds, 1)


def test_an_idle_server_is_gone_after_the_quiet_time() -> None:
    """Nobody comes, nothing runs: quiet seconds, no grace."""

    async def main() -> None:
        scene = Scene(quiet=1.0, grace=60.0)
        assert told(await scene.drain.run()) == (0, 0, 1.0)
        assert scene.server.stops == [(1.0, 60.5)]

    run_virtual(main())


def test_health_comes_first_and_the_server_last() -> None:
    """During the quiet time everything is NOT_SERVING, and calls are still let in."""

    async def main() -> None:
        scene = Scene()
        running = asyncio.create_task(scene.drain.run())
        await asyncio.sleep(0.5)
        assert not any(scene.health.serving().values())
        late = scene.call(asyncio.sleep(2.0))
        assert told(await running) == (0, 0, 2.5)
        assert late.done()
        assert not late.cancelled()
        assert scene.server.stops == [(1.5, 10.5)]

    run_virtual(main())


def test_arrivals_keep_the_door_open_but_not_for_ever() -> None:
    """Clients that ignore health hold the drain up to ten quiet times."""

    async def main() -> None:
        scene = Scene(quiet=1.0)

        async def stubborn() -> None:
            while True:
                scene.call(asyncio.sleep(0.01))
                await asyncio.sleep(0.3)

        client = asyncio.create_task(stubborn())
        running = asyncio.create_task(scene.drain.run())
        with pytest.raises(CallError, match="going away"):
            await client
        assert (await running).seconds == pytest.approx(10.0, abs=0.2)

    run_virtual(main())


def test_a_call_that_outlives_the_grace_is_cut_and_its_clean_up_awaited() -> None:
    """The report counts it, and run() returns after its clean-up, which the server's stop does not wait for."""

    async def main() -> None:
        scene = Scene(grace=3.0)
        cleaned: list[float] = []

        async def long() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.5)
                cleaned.append(asyncio.get_running_loop().time())

        scene.call(long())
        assert told(await scene.drain.run()) == (1, 0, 4.5)
        assert cleaned == [pytest.approx(4.5, abs=0.1)]

    run_virtual(main())


def test_a_clean_up_that_hangs_is_not_awaited_for_ever() -> None:
    """Five seconds, then the report says stuck."""

    async def main() -> None:
        scene = Scene(grace=0.0)
        free = asyncio.Event()

        async def stuck() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await free.wait()

        task = scene.call(stuck())
        assert told(await scene.drain.run()) == (1, 1, 6.0)
        free.set()
        await asyncio.wait({task})

    run_virtual(main())


@pytest.mark.parametrize(("at", "gone"), [(0.2, 0.2), (2.0, 2.0)])
def test_a_second_signal_cuts_every_wait_short(at: float, gone: float) -> None:
    """During the quiet time or during the grace: at once, and the running call is cut."""

    async def main() -> None:
        scene = Scene(grace=30.0)
        scene.call(asyncio.sleep(60))
        running = asyncio.create_task(scene.drain.run())
        await asyncio.sleep(at)
        scene.drain.hurry()
        assert told(await running) == (1, 0, gone)

    run_virtual(main())


def test_streams_that_are_no_calls_do_not_cost_the_grace() -> None:
    """A watch nobody reads or an idle reflection stream is cut half a second after the last call."""

    async def main() -> None:
        scene = Scene(grace=60.0, extra=lambda: True)
        scene.call(asyncio.sleep(3.0))
        assert told(await scene.drain.run()) == (0, 0, 3.5)

    run_virtual(main())


def test_a_cancelled_drain_leaves_no_task() -> None:
    """Whoever cancels run() gets all of it cancelled."""

    async def main() -> None:
        scene = Scene(grace=60.0, extra=lambda: True)
        call = scene.call(asyncio.sleep(30.0))
        running = asyncio.create_task(scene.drain.run())
        await asyncio.sleep(2.0)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
        call.cancel()
        await asyncio.sleep(0)

    run_virtual(main())
