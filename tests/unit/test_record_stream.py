"""Whoever listens in the process reads every record from then on, and is told what it was too slow for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from quickthorn_server.core.decision import Decision
from quickthorn_server.telemetry.record_stream import RecordStream
from tests.support.decisions import CALL, PLAIN
from tests.support.virtual import run_virtual


def number(decision: Decision) -> int:
    return int(decision.call.id)


def decided(place: int) -> Decision:
    return replace(PLAIN, call=replace(CALL, id=str(place)))


def test_every_subscriber_reads_every_record_from_then_on() -> None:
    """A record reaches all who have subscribed, in order; a reader waits for the next one."""

    async def main() -> None:
        stream = RecordStream(number)
        stream.call_ended(decided(0))
        with stream.subscribe() as first, stream.subscribe() as second:
            for place in (1, 2):
                stream.call_ended(decided(place))
            assert [await anext(first), await anext(first), await anext(second)] == [1, 2, 1]
            waiting = asyncio.create_task(anext(first))
            await asyncio.sleep(1)
            assert not waiting.done()
            stream.call_ended(decided(3))
            assert await waiting == 3
            assert (first.lagged, second.lagged) == (0, 0)

    run_virtual(main())


def test_a_slow_reader_loses_the_oldest_and_is_told() -> None:
    """What is held is bounded; what was lost is counted."""

    async def main() -> None:
        stream = RecordStream(number)
        with stream.subscribe(waiting=3) as records:
            for place in range(10):
                stream.call_ended(decided(place))
            assert records.lagged == 7
            assert [await anext(records) for _ in range(3)] == [7, 8, 9]

    run_virtual(main())


def test_a_closed_subscription_ends_once_it_is_read() -> None:
    """Closing wakes a reader that waits; what came before is still read, what comes later is not."""

    async def main() -> None:
        stream = RecordStream(number)
        records = stream.subscribe()
        stream.call_ended(decided(1))
        reading = asyncio.create_task(everything(records))
        await asyncio.sleep(0.1)
        stream.call_ended(decided(2))
        await asyncio.sleep(0.1)
        records.close()
        stream.call_ended(decided(3))
        assert await reading == [1, 2]

    async def everything(records: object) -> list[int]:
        return [record async for record in records]  # type: ignore[attr-defined]  # a Subscription

    run_virtual(main())


def test_records_are_made_by_whoever_reads_them() -> None:
    """A call pays for no record that nobody reads."""

    async def main() -> None:
        made: list[int] = []
        stream = RecordStream(lambda decision: made.append(number(decision)))
        with stream.subscribe() as records:
            stream.call_ended(decided(1))
            assert made == []
            await anext(records)
            assert made == [1]

    run_virtual(main())
