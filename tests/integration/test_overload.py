"""Too much for one replica, over real sockets: who is refused, how it is said, and that it passes by itself."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc

from quickthorn.v1.directives_pb2 import PRIORITY_BULK, PRIORITY_CRITICAL, PRIORITY_NORMAL, Directives
from quickthorn.v1.routing_service_pb2_grpc import RoutingStub
from quickthorn_server.core.request import Priority
from quickthorn_server.edge.own_door import own_door
from quickthorn_server.edge.urgency import urgency
from tests.support.grpc_rig import echo, echo_server, refusal, serving, unary, until
from tests.support.served import ask, channel, served

OK, FULL = grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED
PRIORITIES = (PRIORITY_BULK, PRIORITY_NORMAL, PRIORITY_CRITICAL)
HEAVY = f"[{{steps: [{', '.join(['{text: x}'] * 3000)}]}}]"
"""A script of many steps: to play it keeps the event loop busy for some milliseconds."""


def asked(priority: int) -> Any:
    request = ask()
    request.directives.CopyFrom(Directives(priority=priority))  # type: ignore[arg-type]
    return request


async def codes(calls: Sequence[Any]) -> list[grpc.StatusCode]:
    return list(await asyncio.gather(*(call.code() for call in calls)))


def test_three_times_the_limit_refuses_exactly_the_excess() -> None:
    """R18: 600 calls at a limit of 200, and bulk ones that find 160 taken; each refusal says when to come back."""
    config = """
    backends: [{name: a, provider: scripted, script: [{text: x, after: 2}]}]
    routes: [{name: default, backends: [a]}]
    """

    async def main() -> None:
        async with served(config, server="max_in_flight: 200, max_wait: 1m") as address, channel(address) as opened:
            stub: Any = RoutingStub(opened)
            calls = [stub.Complete(asked(PRIORITY_NORMAL)) for _ in range(600)]
            assert (await health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest())).status == 1
            assert Counter(await codes(calls)) == {OK: 200, FULL: 400}
            waits = {int(dict(await call.trailing_metadata()).get("grpc-retry-pushback-ms", 0)) for call in calls}
            assert len(waits) > 10
            assert max(waits) <= 375
            bulk = [stub.Complete(asked(PRIORITY_BULK)) for _ in range(300)]
            assert Counter(await codes(bulk)) == {OK: 160, FULL: 140}
            critical = [stub.Complete(asked(PRIORITY_CRITICAL)) for _ in range(300)]
            assert Counter(await codes(critical)) == {OK: 220, FULL: 80}

    asyncio.run(main())


def test_a_burst_beyond_what_grpc_holds_is_refused_and_not_cancelled() -> None:
    """3,000 calls at once at a limit of 10: gRPC by itself would end a part of them as CANCELLED, without a word."""

    async def main() -> None:
        free = asyncio.Event()

        async def hold(request: StringValue, _context: Any) -> StringValue:
            await free.wait()
            return request

        async with serving({"Hold": hold}, max_in_flight=10) as rig, rig.channel() as opened:
            first = [unary(opened, "Hold")(StringValue(value="x")) for _ in range(10)]
            await until(lambda: len(rig.gate.running) == 10)
            assert Counter(await codes([unary(opened, "Hold")(StringValue()) for _ in range(3000)])) == {FULL: 3000}
            free.set()
            assert set(await codes(first)) == {OK}

    asyncio.run(main())


def test_a_shut_gate_refuses_before_the_request_is_read() -> None:
    """Unary and streamed alike, with all the details of any refusal, and the caller's identifier."""

    async def main() -> None:
        async with serving({"Echo": echo}, max_in_flight=0) as rig, rig.channel() as opened:
            call = unary(opened, "Echo")(
                StringValue(value="x" * 1_000_000), metadata=(("quickthorn-request-id", "mine"),)
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            seen = refusal(caught.value)
            assert (seen.code, seen.info.reason, seen.headers) == (FULL, "OVERLOADED", {})
            assert b"mine" in dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
            watch = health_pb2_grpc.HealthStub(opened).Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == 1

    asyncio.run(main())


def test_calls_that_wait_too_long_are_shed_bulk_first_and_soon_no_more(caplog: pytest.LogCaptureFixture) -> None:
    """900 calls at once, each of which keeps the server busy: no critical one is refused, bulk ones above all.

    A second after the last of them a bulk call is served as ever, and the log has said both.
    """
    config = f"""
    backends: [{{name: a, provider: scripted, script: {HEAVY}}}]
    routes: [{{name: default, backends: [a]}}]
    """

    async def main() -> None:
        async with served(config, server="max_in_flight: 5000") as address, channel(address) as opened:
            stub: Any = RoutingStub(opened)
            assert await stub.Complete(ask()).code() is OK
            began = time.monotonic()
            calls = [stub.Complete(asked(PRIORITIES[place % 3])) for place in range(900)]
            came = await codes(calls)
            assert time.monotonic() - began > 1.5, "too little work to be an overload"
            refused = [came[place::3].count(FULL) for place in range(3)]
            assert set(came) == {OK, FULL}
            assert refused[0] > refused[1] > refused[2] == 0
            pushbacks = [dict(await call.trailing_metadata()).get("grpc-retry-pushback-ms") for call in calls[::3]]
            assert {500 <= int(pushback) <= 1500 for pushback in pushbacks if pushback} == {True}
            async with asyncio.timeout(10.0):
                while await stub.Complete(asked(PRIORITY_BULK)).code() is not OK:  # noqa: ASYNC110 - no event of it
                    await asyncio.sleep(0.1)

    asyncio.run(main())
    told = [record.message for record in caplog.records if record.name.endswith(".episode")]
    assert [line.split("=")[0] for line in told] == ["overload began because", "overload ended seconds"]
    assert "critical=0" in told[1]


def test_our_own_door_leads_to_the_queue_of_all_calls() -> None:
    """What we call is nobody's method, so it costs nothing; with nobody there it says so."""

    async def main() -> None:
        server = echo_server()
        async with own_door(server) as call:
            assert call is not None
            await server.start()
            await call()
            await server.stop(None)
            with pytest.raises(OSError, match="UNAVAILABLE"):
                await asyncio.wait_for(call(), 10.0)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "request_", "expected"),
    [
        ("/quickthorn.v1.Routing/Complete", asked(PRIORITY_BULK).SerializeToString(), Priority.BULK),
        ("/quickthorn.v1.Routing/StreamComplete", asked(PRIORITY_CRITICAL).SerializeToString(), Priority.CRITICAL),
        ("/quickthorn.v1.Routing/Complete", ask().SerializeToString(), Priority.NORMAL),
        ("/quickthorn.v1.Routing/Complete", b"\xff", Priority.NORMAL),
        ("/quickthorn.v1.Routing/Explain", asked(PRIORITY_BULK).SerializeToString(), Priority.NORMAL),
        ("/quickthorn.v1.Admin/SetBackendState", b"", Priority.CRITICAL),
    ],
)
def test_how_urgent_a_request_is(method: str, request_: bytes, expected: Priority) -> None:
    """As its directives say; operators come first, and what is no message is somebody else's to refuse."""
    assert urgency(method, request_) is expected
