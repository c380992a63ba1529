"""Going away under load, over real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from quickthorn_server.edge.drain import Drain, Drained
from quickthorn_server.edge.gate import Gate
from quickthorn_server.edge.health import Health
from quickthorn_server.edge.reflection import register_reflection
from tests.support.grpc_rig import Rig, rest, serving, stream, unary, until


async def echo(request: StringValue, _context: Any) -> StringValue:
    """Answer after a moment."""
    await asyncio.sleep(0.001)
    return request


async def three(request: StringValue, _context: Any) -> AsyncGenerator[StringValue, None]:
    """Answer three times within 0.3 seconds."""
    for _ in range(3):
        yield request
        await asyncio.sleep(0.1)


def drain(rig: Rig, *, quiet: float = 0.1, grace: float = 10.0) -> Drain:
    """Return the way down of *rig*."""
    return Drain(rig.server, rig.gate, rig.health, quiet=quiet, grace=grace)


def test_a_restart_under_load_fails_no_call() -> None:
    """Two servers, 32 closed-loop clients that watch health; one restarts: 0 failed, and both have worked."""
    config = json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}})

    async def main() -> None:
        served: dict[int, int] = {}

        def counting(number: int) -> Any:
            async def answer(request: StringValue, context: Any) -> StringValue:
                served[number] = served.get(number, 0) + 1
                return await echo(request, context)

            return answer

        async with serving({"Echo": counting(1)}) as stays:
            first = serving({"Echo": counting(2)})
            goes = await first.__aenter__()
            channel = grpc.aio.insecure_channel(
                f"ipv4:127.0.0.1:{stays.port},127.0.0.1:{goes.port}", options=[("grpc.service_config", config)]
            )
            done, failed, over = [0], [], asyncio.Event()

            async def client() -> None:
                while not over.is_set():
                    try:
                        await unary(channel, "Echo")(StringValue(), timeout=5)
                        done[0] += 1
                    except grpc.aio.AioRpcError as error:
                        failed.append((error.code(), error.details()))

            clients = [asyncio.create_task(client()) for _ in range(32)]
            await asyncio.sleep(0.3)
            report = await drain(goes).run()
            await first.__aexit__(None, None, None)
            before = dict(served)
            async with serving({"Echo": counting(3)}, port=goes.port):
                await until(lambda: 3 in served)
                over.set()
                await asyncio.gather(*clients)
                await channel.close()
            assert failed == []
            assert report.cut == report.stuck == 0
            assert min(before[1], before[2]) > 50
            assert done[0] > 300

    asyncio.run(main())


def test_running_calls_finish_and_the_drain_waits_no_longer() -> None:
    """Unary calls and streams that run at the signal end well; then the server is gone, long before the grace."""

    async def main() -> None:
        async with serving({"Echo": echo}, {"Three": three}) as rig, rig.channel() as channel:
            calls = [stream(channel, "Three")(StringValue(value="x")) for _ in range(10)]
            for call in calls:
                await call.read()
            reading = asyncio.gather(*(rest(call) for call in calls))
            report = await drain(rig).run()
            assert [len(rest) for rest in await reading] == [2] * 10
            assert (report.cut, report.stuck) == (0, 0)
            assert report.seconds < 1.0

    asyncio.run(main())


def test_watches_and_reflection_do_not_cost_the_grace() -> None:
    """An idle health watch and an open reflection stream: the reference takes the whole grace, ours well under 2 s."""

    async def main() -> None:
        async with serving({"Echo": echo}) as rig, rig.channel() as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            await watch.read()
            idle = await drain(rig, grace=30).run()
            assert idle.seconds < 0.5
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert await watch.code() is grpc.StatusCode.OK

    async def reflecting() -> None:
        server, gate, health = grpc.aio.server(), Gate(10), Health()
        register_reflection(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.stream_stream(
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                reflection_pb2.ServerReflectionRequest.SerializeToString,
                reflection_pb2.ServerReflectionResponse.FromString,
            )()
            await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
            await call.read()
            report = await Drain(server, gate, health, quiet=0.05, grace=30).run()
            assert report.seconds < 1.5

    asyncio.run(main())
    asyncio.run(reflecting())


def test_what_outlives_the_grace_is_cut_and_cleans_up() -> None:
    """The caller reads UNAVAILABLE; the clean-up is over when the drain is; the report counts it."""

    async def main() -> None:
        clean: list[float] = []

        async def endless(request: StringValue, _context: Any) -> AsyncGenerator[StringValue, None]:
            try:
                while True:
                    yield request
                    await asyncio.sleep(0.01)
            finally:
                await asyncio.sleep(0.3)
                clean.append(time.monotonic())

        async with serving(streams={"Endless": endless}) as rig, rig.channel() as channel:
            calls = [stream(channel, "Endless")(StringValue(value="x")) for _ in range(5)]
            for call in calls:
                await call.read()
            report = await drain(rig, quiet=0.05, grace=0.3).run()
            assert report == Drained(5, 0, report.seconds)
            assert 0.6 < report.seconds < 1.2
            assert len(clean) == 5
            for call in calls:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await rest(call)
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    asyncio.run(main())


def test_a_second_signal_is_obeyed_at_once() -> None:
    """The grace of half a minute ends when hurried."""

    async def main() -> None:
        async def long(request: StringValue, _context: Any) -> StringValue:
            await asyncio.sleep(60)
            return request

        async with serving({"Long": long}) as rig, rig.channel() as channel:
            call = unary(channel, "Long")(StringValue())
            await until(lambda: rig.gate.running)
            down = drain(rig, grace=30)
            running = asyncio.create_task(down.run())
            await asyncio.sleep(0.3)
            down.hurry()
            report = await running
            assert (report.cut, report.stuck) == (1, 0)
            assert report.seconds < 0.8
            assert await call.code() is grpc.StatusCode.UNAVAILABLE

    asyncio.run(main())


def test_a_large_answer_that_is_still_leaving_is_not_cut() -> None:
    """The handler has returned, its 20 MiB have not: the call counts until gRPC has sent them."""

    async def main() -> None:
        async def large(_request: StringValue, _context: Any) -> StringValue:
            return StringValue(value="x" * (20 << 20))

        small = (("grpc.http2.bdp_probe", 0), ("grpc.max_receive_message_length", 64 << 20))
        async with serving({"Large": large}) as rig, rig.channel(*small) as channel:
            call = unary(channel, "Large")(StringValue())
            await until(lambda: rig.gate.running)
            report = await drain(rig, quiet=0.0, grace=30).run()
            assert report.cut == 0
            assert len((await call).value) == 20 << 20

    asyncio.run(main())
