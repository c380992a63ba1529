"""Connections that are pinged, that freeze and that grow old: over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

from google.protobuf.wrappers_pb2 import StringValue

from quickthorn_server.edge.listener import OPTIONS
from tests.support.grpc_rig import echo, serving, stream, unary, until
from tests.support.http2 import ACK, GOAWAY, PING, RawCall


def changed(**values: int) -> list[tuple[str, int]]:
    """Return the shipped options with other times, so that a test need not wait for the real ones."""
    options = dict(OPTIONS)
    for name in values:
        assert any(key.endswith(name) for key in options), f"{name} is not an option that we set"
    return [
        (key, next((v for name, v in values.items() if key.endswith(name)), value)) for key, value in options.items()
    ]


async def silent(request: StringValue, _context: Any) -> AsyncGenerator[StringValue, None]:
    """Say one thing, and another after 1.2 seconds."""
    yield request
    await asyncio.sleep(1.2)
    yield request


def test_a_mesh_that_pings_does_not_lose_its_stream() -> None:
    """With the interval set under its real name, pings on a silent stream are not "too many"."""

    async def main() -> None:
        pings = (("grpc.keepalive_time_ms", 100), ("grpc.http2.max_pings_without_data", 0))
        patient = changed(min_ping_interval_without_data_ms=50)
        async with serving(streams={"Silent": silent}, options=patient) as rig, rig.channel(*pings) as channel:
            assert len([m async for m in stream(channel, "Silent")(StringValue(value="x"))]) == 2

    asyncio.run(main())


def test_a_mesh_that_pings_does_not_lose_its_idle_connection() -> None:
    """Without a call on it, pings are permitted too; bare gRPC would say "too many" and close."""

    async def main() -> None:
        patient = changed(min_ping_interval_without_data_ms=20)
        async with serving({"Echo": echo}, options=patient) as rig:
            proxy = await RawCall.start(rig.port, "/test.Echo/Echo")
            await proxy.answer()
            for _ in range(10):
                await asyncio.sleep(0.05)
                proxy.ping()
            answered = 0
            while answered < 10:
                frame = await proxy.frame()
                assert frame.kind != GOAWAY, frame.payload
                answered += frame.kind == PING and frame.flags == ACK
            await proxy.close()

    asyncio.run(main())


def test_a_frozen_peer_is_let_go() -> None:
    """Its TCP still acknowledges, but nobody answers pings: the handler ends after keepalive plus ping timeout."""

    async def main() -> None:
        ended: list[float] = []

        async def forever(request: StringValue, _context: Any) -> AsyncGenerator[StringValue, None]:
            began = time.monotonic()
            try:
                yield request
                await asyncio.sleep(60)
            finally:
                ended.append(time.monotonic() - began)

        quick = changed(keepalive_time_ms=300, ping_timeout_ms=400)
        async with serving(streams={"Forever": forever}, options=quick) as rig:
            call = await RawCall.start(rig.port, "/test.Echo/Forever")
            await until(lambda: ended)
            await call.close()
        assert 0.3 < ended[0] < 1.5

    asyncio.run(main())


def test_connections_that_grow_old_lose_no_call() -> None:
    """With infinite grace a stream outlives its connection's age, and new calls go to a new connection."""

    async def main() -> None:
        young = changed(max_connection_age_ms=300)
        async with serving({"Echo": echo}, {"Silent": silent}, options=young) as rig, rig.channel() as channel:
            streams = [stream(channel, "Silent")(StringValue(value="x")) for _ in range(5)]
            ends = time.monotonic() + 1.3
            while time.monotonic() < ends:
                await unary(channel, "Echo")(StringValue(), timeout=2)
                await asyncio.sleep(0.005)
            for call in streams:
                assert len([m async for m in call]) == 2

    asyncio.run(main())
