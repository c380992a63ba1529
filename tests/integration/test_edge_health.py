"""The health service over real sockets, with the plain generated client."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from quickthorn_server.edge.drain import Drain
from quickthorn_server.edge.health import PROCESS_NAMES
from tests.support.grpc_rig import rest, serving, until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def ask(name: str = "") -> health_pb2.HealthCheckRequest:
    """Return a request about *name*."""
    return health_pb2.HealthCheckRequest(service=name)


async def status(call: Any) -> int:
    """Return the next status of a watch; raises TimeoutError after a second of silence."""
    read = asyncio.ensure_future(call.read())
    done, _ = await asyncio.wait({read}, timeout=1.0)
    if not done:
        call.cancel()
        raise TimeoutError
    return int(read.result().status)


def test_check_knows_names_and_only_those() -> None:
    """The process's names serve once started; an unknown one is NOT_FOUND."""

    async def main() -> None:
        async with serving() as rig, rig.channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for name in PROCESS_NAMES:
                assert (await stub.Check(ask(name))).status == SERVING
            rig.health.set("backend/fast", serving=False)
            assert (await stub.Check(ask("backend/fast"))).status == NOT_SERVING
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Check(ask("nobody"))
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND

    asyncio.run(main())


def test_a_watch_follows_its_name() -> None:
    """Now, then every change and nothing twice; an unknown name stays open and is told when it appears."""

    async def main() -> None:
        async with serving() as rig, rig.channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            watch, unknown = stub.Watch(ask("")), stub.Watch(ask("route/new"))
            assert await status(watch) == SERVING
            assert await status(unknown) == UNKNOWN
            rig.health.set("", serving=True)
            rig.health.set("", serving=False)
            assert await status(watch) == NOT_SERVING
            rig.health.set("route/new", serving=True)
            assert await status(unknown) == SERVING

    asyncio.run(main())


def test_leaving_watchers_leave_nothing() -> None:
    """Cancelled watches are forgotten, whatever they watched."""

    async def main() -> None:
        async with serving() as rig, rig.channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            watches = [stub.Watch(ask(f"name-{n}")) for n in range(50)]
            for watch in watches:
                await status(watch)
            assert rig.health.watches == 50
            for watch in watches:
                watch.cancel()
            await until(lambda: not rig.health.watches)
            assert rig.health._watchers == {}

    asyncio.run(main())


def test_list_returns_all_up_to_a_hundred() -> None:
    """Each name with its status; more than 100 fail, by gRFC A90."""

    async def main() -> None:
        async with serving() as rig, rig.channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for n in range(100 - len(PROCESS_NAMES)):
                rig.health.set(f"backend/{n}", serving=bool(n))
            listed = (await stub.List(health_pb2.HealthListRequest())).statuses
            assert len(listed) == 100
            assert (listed[""].status, listed["backend/0"].status) == (SERVING, NOT_SERVING)
            rig.health.set("one/more", serving=True)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.List(health_pb2.HealthListRequest())
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    asyncio.run(main())


def test_watches_end_at_drain_after_they_said_why() -> None:
    """NOT_SERVING is delivered, then OK; a later watch ends likewise; later changes count for nothing."""

    async def main() -> None:
        async with serving() as rig, rig.channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            watch = stub.Watch(ask(""))
            assert await status(watch) == SERVING
            rig.health.begin_drain()
            rig.health.end_watches()
            rig.health.start_serving()
            assert [message.status for message in await rest(watch)] == [NOT_SERVING]
            assert await watch.code() is grpc.StatusCode.OK
            assert [message.status async for message in stub.Watch(ask("nobody"))] == [UNKNOWN]
            assert (await stub.Check(ask(""))).status == NOT_SERVING
            assert rig.health.watches == 0

    asyncio.run(main())


def test_a_watcher_that_never_reads_blocks_nobody_and_costs_nothing() -> None:
    """After 20,000 changes its stream is full; memory stays, the others are told, and drain is quick."""

    async def main() -> None:
        small = ("grpc.http2.bdp_probe", 0)
        async with serving() as rig, rig.channel(small) as lazy, rig.channel() as channel:
            deaf = health_pb2_grpc.HealthStub(lazy).Watch(ask("x"))
            await until(lambda: rig.health.watches)

            async def flip(times: int) -> None:
                for n in range(times):
                    rig.health.set("x", serving=bool(n % 2))
                    await asyncio.sleep(0)

            await flip(20_000)
            tracemalloc.start()
            await flip(100)
            before = tracemalloc.get_traced_memory()[0]
            await flip(20_000)
            grown = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            assert grown < 50_000
            watch = health_pb2_grpc.HealthStub(channel).Watch(ask("x"))
            assert await status(watch) == SERVING
            report = await Drain(rig.server, rig.gate, rig.health, quiet=0.05, grace=30.0).run()
            assert report.seconds < 1.5
            assert await status(watch) == NOT_SERVING
            deaf.cancel()

    asyncio.run(main())
