"""A client that stops reading holds no provider: its stream is closed within the limit, and everybody else goes on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from quickthorn.v1.routing_service_pb2_grpc import RoutingStub
from tests.integration.test_edge_cancel import Witness, tidy
from tests.support.grpc_rig import echo, refusal, rest, serving, stream, unary, until
from tests.support.served import ask, backends, served
from tests.support.upstream import FOREVER, Exchange, says, upstream

Context = grpc.aio.ServicerContext[StringValue, StringValue]

UNREAD = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 16384))
"""Options of a client whose window closes as soon as it stops reading, and not 6 MiB later."""

STALL = 0.3


def test_a_stalled_write_closes_the_stream_first() -> None:
    """Within the limit and in the RPC's task; other calls never notice; the client's leaving ends what is left."""

    async def main() -> None:
        witness = Witness(size=5000, pause=0)
        methods = {"Endless": witness.handler}
        async with serving({"Echo": echo}, methods, write_stall=STALL) as rig, rig.channel(*UNREAD) as channel:
            call = stream(channel, "Endless")(StringValue())
            await call.read()
            began = time.monotonic()
            await until(lambda: len(witness.clean) == 2)
            assert time.monotonic() - began > STALL - 0.1
            assert time.monotonic() - began < STALL + 0.5
            tidy(witness, 1)
            async with rig.channel() as other:
                for _ in range(20):
                    assert (await unary(other, "Echo")(StringValue(value="x"))).value == "x"
            await until(lambda: len(rig.gate.running) == 1)  # parked: gRPC ends no call whose messages are unread
            call.cancel()
            await until(lambda: not rig.gate.running)

    asyncio.run(main())


def test_who_reads_on_learns_why() -> None:
    """What was under way still arrives, then RESOURCE_EXHAUSTED with our details."""

    async def main() -> None:
        witness = Witness(size=5000, pause=0)
        async with serving(streams={"Endless": witness.handler}, write_stall=STALL) as rig:
            async with rig.channel(*UNREAD) as channel:
                call = stream(channel, "Endless")(StringValue())
                await call.read()
                await until(lambda: len(witness.clean) == 2)
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await rest(call)
                told = refusal(caught.value)
                assert (told.code, told.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
                assert told.message == "nothing was read for 0.3 s"
            await until(lambda: not rig.gate.running)

    asyncio.run(main())


@pytest.mark.parametrize("way", ["cancel", "deadline", "close"])
def test_however_the_client_leaves_nothing_is_left(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """20 stalled calls: cancelled, out of time, or their connection closed; no task, no place, no noise."""

    async def one(rig_channel: grpc.aio.Channel, witness: Witness) -> None:
        async with rig_channel as channel:
            call = stream(channel, "Endless")(StringValue(), timeout=STALL * 3 if way == "deadline" else None)
            await call.read()
            await until(lambda: len(witness.clean) == 40)
            if way == "cancel":
                call.cancel()
            elif way == "deadline":
                await call.code()

    async def main() -> None:
        witness = Witness(size=5000, pause=0)
        async with serving(streams={"Endless": witness.handler}, write_stall=STALL) as rig:
            await asyncio.gather(*(one(rig.channel(*UNREAD), witness) for _ in range(20)))
            await until(lambda: not rig.gate.running)
            tidy(witness, 20)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert caplog.records == []


def test_a_slow_reader_is_not_a_stalled_one() -> None:
    """Who reads something within every limit may take as long as they like; so may a provider that is silent."""

    async def paced(request: StringValue, _context: Context) -> AsyncGenerator[StringValue, None]:
        for _ in range(60):
            yield StringValue(value="x" * 5000)
        await asyncio.sleep(STALL * 3)
        yield request

    async def main() -> None:
        async with serving(streams={"Paced": paced}, write_stall=STALL) as rig, rig.channel(*UNREAD) as channel:
            call = stream(channel, "Paced")(StringValue(value="last"))
            for _ in range(20):
                await call.read()
                await asyncio.sleep(STALL / 5)
            assert (await rest(call))[-1].value == "last"

    asyncio.run(main())


def test_a_quiet_stream_says_that_it_goes_on() -> None:
    """A model that thinks for longer than `server.heartbeat`: the heartbeat comes first, then the answer as ever."""

    async def main() -> None:
        async with upstream(says("hello", wait=1.3)) as model:
            config = backends(a=model.base_url) + "\nroutes: [{name: default, backends: [a]}]"
            async with (
                served(config, server="heartbeat: 1s") as address,
                grpc.aio.insecure_channel(address, options=UNREAD) as channel,
            ):
                call: Any = RoutingStub(channel).StreamComplete(ask())
                kinds = [event.WhichOneof("event") for event in await rest(call)]
                assert kinds[:3] == ["heartbeat", "started", "text"]
                assert kinds[-1] == "finished"

    asyncio.run(main())


def test_the_upstream_of_a_stalled_call_is_closed() -> None:
    """End to end: a model that writes for ever to a reader that left its desk is stopped within the limit."""

    async def endless(exchange: Exchange) -> None:
        await exchange.head()
        delta = {"choices": [{"index": 0, "delta": {"content": "x" * 1000}, "finish_reason": None}]}
        for _ in range(int(FOREVER)):
            await exchange.event(delta)

    async def main() -> None:
        async with upstream(endless) as model:
            config = backends(a=model.base_url) + "\nroutes: [{name: default, backends: [a]}]"
            async with (
                served(config, server="write_stall: 300ms") as address,
                grpc.aio.insecure_channel(address, options=UNREAD) as channel,
            ):
                call: Any = RoutingStub(channel).StreamComplete(ask())
                await call.read()
                began = time.monotonic()
                await until(lambda: model.connections[0].closed is not None)
                assert time.monotonic() - began < STALL + 0.5
                call.cancel()

    asyncio.run(main())
