"""Who comes in, and how refusals look to clients and to a mesh: over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc

from quickthorn.v1 import admin_pb2
from quickthorn.v1.admin_service_pb2_grpc import AdminStub
from quickthorn_server.core.catalogue import Caller
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.secret import Secret
from quickthorn_server.edge.admin_service import register_admin
from quickthorn_server.edge.call import current_call
from quickthorn_server.edge.callers import Callers
from quickthorn_server.edge.deadline import budget
from quickthorn_server.edge.gate import Gate
from quickthorn_server.edge.interceptor import Edge
from quickthorn_server.edge.listener import new_server
from tests.support.grpc_rig import echo, refusal, rest, serving, stream, told, unary, until
from tests.support.http2 import END_STREAM, HEADERS, RawCall

Context = grpc.aio.ServicerContext[StringValue, StringValue]

SERVING = health_pb2.HealthCheckResponse.SERVING


async def echoes(request: StringValue, _context: Context) -> AsyncGenerator[StringValue, None]:
    """Answer with the request, three times."""
    for _ in range(3):
        yield request


async def who(_request: StringValue, _context: Context) -> StringValue:
    """Answer with the caller's name."""
    caller = current_call().caller
    return StringValue(value=caller.name if caller else "anybody")


def failing(reason: Reason) -> Any:
    """Return a handler that fails for *reason*, and counts how often it is asked."""

    async def handler(_request: StringValue, _context: Context) -> StringValue:
        handler.asked += 1  # type: ignore[attr-defined]
        raise CallError(reason, "why")

    handler.asked = 0  # type: ignore[attr-defined]
    return handler


def test_the_request_id_comes_back_in_the_headers() -> None:
    """The caller's own where it may travel, one of ours where not; unary, streamed and empty streams alike."""

    async def nothing(request: StringValue, _context: Context) -> AsyncGenerator[StringValue, None]:
        for _ in ():
            yield request

    async def renamed(request: StringValue, _context: Context) -> StringValue:
        current_call().request_id = request.value
        return request

    async def main() -> None:
        async with (
            serving({"Echo": echo, "Renamed": renamed}, {"Echoes": echoes, "None": nothing}) as rig,
            rig.channel() as channel,
        ):

            async def returned(kind: Any, sent: str | None, value: str = "x") -> Any:
                metadata = () if sent is None else (("quickthorn-request-id", sent),)
                call = kind(StringValue(value=value), metadata=metadata)
                await (call if hasattr(call, "__await__") else rest(call))
                return (await call.initial_metadata()).get("quickthorn-request-id")

            for kind in (unary(channel, "Echo"), stream(channel, "Echoes"), stream(channel, "None")):
                assert await returned(kind, "mine-7") == "mine-7"
                assert len(await returned(kind, None) or "") == 32
                assert len(await returned(kind, "x" * 129) or "") == 32
            assert await returned(unary(channel, "Renamed"), "mine-7", "theirs") == "theirs"
            assert await returned(unary(channel, "Renamed"), "mine-7", "naïve\n") is None

    asyncio.run(main())


def test_over_the_limit_calls_are_refused_and_health_is_not() -> None:
    """30 calls at a limit of 10: exactly 20 read RESOURCE_EXHAUSTED with pushback; health goes on; watches are free."""

    async def main() -> None:
        free = asyncio.Event()

        async def hold(request: StringValue, _context: Context) -> StringValue:
            await free.wait()
            return request

        async with serving({"Hold": hold}, max_in_flight=10) as rig, rig.channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(20)]
            for watch in watches:
                assert (await watch.read()).status == SERVING
            calls = [unary(channel, "Hold")(StringValue(value=str(n))) for n in range(30)]
            refused = []
            for call in calls:
                done, _ = await asyncio.wait({asyncio.ensure_future(call.code())}, timeout=0.05)
                refused += [call] * len(done)
            assert len(refused) == 20
            assert (await stub.Check(health_pb2.HealthCheckRequest())).status == SERVING
            assert (await stub.Watch(health_pb2.HealthCheckRequest()).read()).status == SERVING
            for call in refused:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call
                seen = refusal(caught.value)
                assert (seen.code, seen.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
                assert 125 <= int(seen.trailers["grpc-retry-pushback-ms"]) <= 375
            free.set()
            assert len({(await call).value for call in calls if call not in refused}) == 10
            await until(lambda: not rig.gate.running)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("reason", "headers_first"),
    [(Reason.ALL_FAILED, True), (Reason.DEADLINE, True), (Reason.DRAINING, False), (Reason.OVERLOADED, False)],
)
def test_frames_on_the_wire(reason: Reason, headers_first: bool) -> None:
    """What providers did comes in two header frames, our refusals in one: a mesh retries only these."""

    async def main() -> None:
        async with serving({"Fail": failing(reason)}) as rig:
            call = await RawCall.start(rig.port, "/test.Echo/Fail")
            frames = await call.answer()
            await call.close()
            assert [frame.kind for frame in frames] == [HEADERS] * (2 if headers_first else 1)
            assert frames[-1].flags & END_STREAM

    asyncio.run(main())


@pytest.mark.parametrize(
    ("reason", "asked"),
    [
        (Reason.DRAINING, 3),
        (Reason.OVERLOADED, 3),
        (Reason.ALL_FAILED, 1),
        (Reason.RATE_LIMITED, 1),
        (Reason.DEADLINE, 1),
    ],
)
def test_clients_with_a_retry_policy_obey(reason: Reason, asked: int) -> None:
    """They come back after a refusal of the replica, and not after the service has spent its attempts."""
    policy = {
        "maxAttempts": 3,
        "initialBackoff": "0.01s",
        "maxBackoff": "0.01s",
        "backoffMultiplier": 1,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"],
    }
    config = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})

    async def main() -> None:
        handler = failing(reason)
        async with serving({"Fail": handler}) as rig, rig.channel(("grpc.service_config", config)) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await unary(channel, "Fail")(StringValue())
            assert handler.asked == asked

    asyncio.run(main())


def test_a_closed_gate_refuses_on_the_wire() -> None:
    """DRAINING: UNAVAILABLE without headers, with pushback; health still answers."""

    async def main() -> None:
        async with serving({"Echo": echo}) as rig, rig.channel() as channel:
            rig.gate.close()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await unary(channel, "Echo")(StringValue())
            seen = refusal(caught.value)
            assert (seen.code, seen.info.reason, seen.headers) == (grpc.StatusCode.UNAVAILABLE, "DRAINING", {})
            assert seen.trailers["grpc-retry-pushback-ms"] == "100"
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())

    asyncio.run(main())


def test_keys_are_asked_for_except_for_health() -> None:
    """A known key passes and names its caller; without one UNAUTHENTICATED; health needs none."""
    callers = [Caller("anna", Secret("key-a"))]

    async def main() -> None:
        async with serving({"Who": who}, {"Echoes": echoes}, callers=callers) as rig, rig.channel() as channel:
            call = unary(channel, "Who")
            assert (await call(StringValue(), metadata=(("authorization", "Bearer key-a"),))).value == "anna"
            for metadata in ((), (("authorization", "Bearer key-b"),)):
                for work in (
                    call(StringValue(), metadata=metadata),
                    stream(channel, "Echoes")(StringValue(), metadata=metadata).read(),
                ):
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await work
                    seen = refusal(caught.value)
                    assert (seen.code, seen.info.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CALLER_UNKNOWN")
            stub = health_pb2_grpc.HealthStub(channel)
            assert (await stub.Check(health_pb2.HealthCheckRequest())).status == SERVING
        async with serving({"Who": who}) as rig, rig.channel() as channel:
            assert (await unary(channel, "Who")(StringValue())).value == "anybody"

    asyncio.run(main())


def test_unknown_methods_are_not_remembered() -> None:
    """A peer that invents names gets UNIMPLEMENTED, and no memory of ours; known ones are wrapped once."""

    async def main() -> None:
        edge = Edge(Gate(10), Callers([]), told)
        server = new_server(edge)
        method = grpc.unary_unary_rpc_method_handler(echo, StringValue.FromString, StringValue.SerializeToString)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"Echo": method}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for n in range(20):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await unary(channel, f"Invented{n}")(StringValue())
                assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
                assert (await unary(channel, "Echo")(StringValue(value="x"))).value == "x"
        await server.stop(None)
        assert list(edge._wrapped) == ["/test.Echo/Echo"]

    asyncio.run(main())


def test_what_nobody_wrote_yet_is_unimplemented_by_name() -> None:
    """Generated methods raise NotImplementedError in a thread; each is answered UNIMPLEMENTED, the stream too."""

    async def main() -> None:
        server = new_server(Edge(Gate(10), Callers([]), told))
        register_admin(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            admin: Any = AdminStub(channel)
            calls = {
                "ListBackends": admin.ListBackends(admin_pb2.ListBackendsRequest()),
                "SetBackendState": admin.SetBackendState(admin_pb2.SetBackendStateRequest()),
                "ResetBackend": admin.ResetBackend(admin_pb2.ResetBackendRequest()),
                "SetWeights": admin.SetWeights(admin_pb2.SetWeightsRequest()),
                "Reload": admin.Reload(admin_pb2.ReloadRequest()),
                "SetLogLevel": admin.SetLogLevel(admin_pb2.SetLogLevelRequest()),
                "Watch": admin.Watch(admin_pb2.WatchRequest()).read(),
            }
            for name, call in calls.items():
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call
                assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
                assert caught.value.details() == f"quickthorn.v1.Admin/{name} is not implemented"
        await server.stop(None)

    asyncio.run(main())


def test_the_budget_never_outlasts_the_client() -> None:
    """The wire rounds deadlines up by as much as 3.3 %; the budget stays below what the client set."""

    async def believed(_request: StringValue, context: Context) -> StringValue:
        left = context.time_remaining()
        return StringValue(value=f"{left} {budget(left)}")

    async def main() -> None:
        rounded_up = 0
        async with serving({"Believed": believed}) as rig, rig.channel() as channel:
            for seconds in (0.25, 1.2345, 9.999, 37.123, 100.1, 1000.7, 59_999.0, 2_592_000.0):
                reply = await unary(channel, "Believed")(StringValue(), timeout=seconds)
                server_side, planned = map(float, reply.value.split())
                rounded_up += server_side > seconds
                assert 0.9 * seconds - 0.1 < planned < seconds - 0.009
            with pytest.raises(ValueError, match="None"):
                float((await unary(channel, "Believed")(StringValue())).value.split()[1])
        assert rounded_up >= 3

    asyncio.run(main())


def test_a_deadline_told_within_the_budget_arrives_with_its_details() -> None:
    """The caller reads our reason and not gRPC's bare DEADLINE_EXCEEDED."""

    async def late(request: StringValue, context: Context) -> StringValue:
        try:
            async with asyncio.timeout(budget(context.time_remaining())):
                await asyncio.sleep(60)
        except TimeoutError:
            raise CallError(Reason.DEADLINE, "the deadline passed") from None
        return request

    async def main() -> None:
        async with serving({"Late": late}) as rig, rig.channel() as channel:
            for _ in range(3):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await unary(channel, "Late")(StringValue(), timeout=0.3)
                assert refusal(caught.value).info.reason == "DEADLINE"

    asyncio.run(main())
