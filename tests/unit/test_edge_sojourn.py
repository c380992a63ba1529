"""How long calls wait is measured by a call of our own: rarely, while there is nothing to see."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from quickthorn_server.edge.gate import Gate
from quickthorn_server.edge.shedding import Shedder
from quickthorn_server.edge.sojourn import measuring
from tests.support.virtual import run_virtual


class Recorder(Shedder):
    """Writes down what it is told."""

    def __init__(self) -> None:
        super().__init__(0.1)
        self.told: list[tuple[float, float]] = []

    def observe(self, wait: float, now: float) -> None:
        self.told.append((round(now, 3), round(wait, 3)))
        super().observe(wait, now)


async def watched(call: Callable[[], Awaitable[object]], busy: float, running: float, seconds: float) -> Recorder:
    """Measure for *seconds*; one call runs for *running* of them, while the thread computes that share of the time."""
    loop = asyncio.get_running_loop()
    recorder = Recorder()
    gate = Gate(10, loop.time, shedder=recorder)
    async with measuring(gate, recorder, call, thread_time=lambda: busy * loop.time()):
        await asyncio.sleep(1.0)
        task = asyncio.create_task(asyncio.sleep(running))
        gate.enter(task)
        await asyncio.sleep(seconds - 1.0)
    await asyncio.wait({task})
    return recorder


@pytest.mark.parametrize(
    ("busy", "running", "looks"),
    [
        (0.0, 0.0, range(1)),  # a single call: nobody has measured before it is gone
        (0.2, 10.0, range(9, 12)),
        (0.9, 10.0, range(45, 52)),
    ],
)
def test_a_busy_server_calls_itself_often_an_idle_one_never(busy: float, running: float, looks: range) -> None:
    """Five times a second, once a second, or not at all; and no more once the last call has gone."""

    async def main() -> int:
        return len((await watched(lambda: asyncio.sleep(0), busy, running, 60.0)).told)

    assert run_virtual(main()) in looks


def test_the_age_of_a_call_that_waits_is_told_meanwhile() -> None:
    """Two seconds of wait are known after some tenths of one; a wait that is over is told as it was."""

    async def main() -> list[tuple[float, float]]:
        return (await watched(lambda: asyncio.sleep(0.35), 0.9, 1.0, 2.2)).told

    told = run_virtual(main())
    assert told[:4] == [(1.3, 0.1), (1.4, 0.2), (1.5, 0.3), (1.55, 0.35)]
    assert told[4:7] == [(1.75, 0.35), (1.85, 0.35), (1.95, 0.35)]  # the last wait, until this one has waited longer


def test_what_cannot_be_measured_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again; nobody is refused for what nobody knows."""

    async def main() -> Recorder:
        async def call() -> None:
            raise OSError("UNAVAILABLE")

        return await watched(call, 0.9, 30.0, 40.0)

    recorder = run_virtual(main())
    assert (recorder.told, recorder.active) == ([], False)
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ["overload is not seen, for we cannot call ourselves: UNAVAILABLE"]
