"""Nothing that goes wrong in a handler leaks its text or leaves its caller waiting: over real sockets."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2

from quickthorn.v1 import failure_pb2
from quickthorn_server.core.ends import CallError, FieldViolation
from quickthorn_server.core.failures import Reason
from tests.support.grpc_rig import Refusal, refusal, serving, stream, unary

SECRET = "postgres://user:pass@host/prompt"

Context = grpc.aio.ServicerContext[StringValue, StringValue]


async def failed(work: Awaitable[object] | Coroutine[Any, Any, object]) -> Refusal:
    """Return how *work* fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await work
    return refusal(caught.value)


async def drained(call: Any) -> list[str]:
    """Read a stream to its end."""
    return [message.value async for message in call]


async def cancelled_inside() -> None:
    """End as work ends whose own task was cancelled by somebody else."""
    inner = asyncio.ensure_future(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(inner.cancel)
    await inner


async def unary_cancelled(request: StringValue, _context: Context) -> StringValue:
    """Fail with a cancel that nobody addressed to this RPC."""
    await cancelled_inside()
    return request


async def stream_cancelled(request: StringValue, _context: Context) -> AsyncGenerator[StringValue, None]:
    """Fail likewise, after as many messages as asked for."""
    for _ in range(int(request.value)):
        yield request
    await cancelled_inside()


async def raising(request: StringValue, _context: Context) -> StringValue:
    """Raise what the request names, with a secret in its text."""
    raise {"key": KeyError, "call": ValueError, "usage": grpc.aio.UsageError, "internal": grpc.aio.InternalError}[
        request.value
    ](SECRET)


async def raising_stream(request: StringValue, _context: Context) -> AsyncGenerator[StringValue, None]:
    """Raise after one message."""
    yield request
    raise ExceptionGroup(SECRET, [KeyError(SECRET)])


UNARY = {"Cancelled": unary_cancelled, "Raising": raising}
STREAMS = {"Cancelled2": stream_cancelled, "Raising2": raising_stream}


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (lambda channel: unary(channel, "Cancelled")(StringValue(), timeout=5), "ALL_FAILED"),
        (lambda channel: drained(stream(channel, "Cancelled2")(StringValue(value="0"), timeout=5)), "ALL_FAILED"),
        (lambda channel: drained(stream(channel, "Cancelled2")(StringValue(value="3"), timeout=5)), "STREAM_BROKEN"),
    ],
)
def test_a_cancel_addressed_to_nobody_is_answered_at_once(
    start: Callable[[grpc.aio.Channel], Any], reason: str
) -> None:
    """Bare gRPC sends nothing and the caller waits for its deadline; ours reads UNAVAILABLE at once."""

    async def main() -> None:
        async with serving(UNARY, STREAMS) as rig, rig.channel() as channel:
            began = time.monotonic()
            told = await failed(start(channel))
            assert time.monotonic() - began < 1.0
            assert (told.code, told.info.reason) == (grpc.StatusCode.UNAVAILABLE, reason)

    asyncio.run(main())


@pytest.mark.parametrize(
    "start",
    [
        lambda channel: unary(channel, "Raising")(StringValue(value="key"), timeout=5),
        lambda channel: unary(channel, "Raising")(StringValue(value="call"), timeout=5),
        lambda channel: unary(channel, "Raising")(StringValue(value="usage"), timeout=5),
        lambda channel: unary(channel, "Raising")(StringValue(value="internal"), timeout=5),
        lambda channel: drained(stream(channel, "Raising2")(StringValue(value="x"), timeout=5)),
    ],
)
def test_no_exception_text_leaves_the_server(
    start: Callable[[grpc.aio.Channel], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The caller reads "internal error"; the log names the type and the place; neither has the text."""

    async def main() -> Refusal:
        async with serving(UNARY, STREAMS) as rig, rig.channel() as channel:
            return await failed(start(channel))

    with caplog.at_level(logging.DEBUG):
        told = asyncio.run(main())
    assert (told.code, told.message, told.info.reason) == (grpc.StatusCode.INTERNAL, "internal error", "INTERNAL")
    assert told.detail(failure_pb2.RouteFailure).request_id
    assert SECRET not in str(told.trailers)
    assert SECRET not in caplog.text
    assert "test_edge_errors.py:" in caplog.text
    assert "method=/test.Echo/Raising" in caplog.text


def test_a_serialiser_that_fails_leaks_nothing_either() -> None:
    """Bare gRPC runs serialisers outside of every handler and interceptor; ours run inside."""

    def broken(_: StringValue) -> bytes:
        raise ValueError(SECRET)

    async def echo(request: StringValue, _context: Context) -> StringValue:
        return request

    async def main() -> None:
        async with serving({"Echo": echo}, encode=broken) as rig, rig.channel() as channel:
            told = await failed(unary(channel, "Echo")(StringValue()))
            assert (told.code, told.message) == (grpc.StatusCode.INTERNAL, "internal error")

    asyncio.run(main())


def test_a_failure_that_cannot_be_told_is_still_a_status() -> None:
    """When making the details raises, the caller reads INTERNAL, without its text."""

    def broken(_: CallError, __: str) -> failure_pb2.RouteFailure:
        raise ValueError(SECRET)

    async def main() -> None:
        async with serving(UNARY, tell_failure=broken) as rig, rig.channel() as channel:
            told = await failed(unary(channel, "Raising")(StringValue(value="key")))
            assert (told.code, told.message) == (grpc.StatusCode.INTERNAL, "internal error")

    asyncio.run(main())


def test_garbage_is_the_callers_fault() -> None:
    """Bytes that are no message: INVALID_ARGUMENT with our reason, not gRPC's UNKNOWN with the parser's text."""

    async def main() -> None:
        async with serving(UNARY, STREAMS) as rig, rig.channel() as channel:
            whole: Any = channel.unary_unary("/test.Echo/Raising")
            streamed: Any = channel.unary_stream("/test.Echo/Raising2")
            for work in (whole(b"\xff\xff\xff"), streamed(b"\xff\xff\xff").read()):
                told = await failed(work)
                assert (told.code, told.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")

    asyncio.run(main())


def test_a_request_over_32_mib_is_refused_by_grpc_and_one_below_is_read() -> None:
    """The limit is 32 MiB both ways; above it is gRPC's own RESOURCE_EXHAUSTED."""

    async def length(request: StringValue, _context: Context) -> StringValue:
        return StringValue(value=request.value if request.value[0] == "b" else str(len(request.value)))

    async def main() -> None:
        limit = ("grpc.max_receive_message_length", 64 << 20)
        async with serving({"Length": length}) as rig, rig.channel(limit) as channel:
            call = unary(channel, "Length")
            assert (await call(StringValue(value="a" * (31 << 20)))).value == str(31 << 20)
            assert len((await call(StringValue(value="b" * (31 << 20)))).value) == 31 << 20
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(StringValue(value="a" * (33 << 20)))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    asyncio.run(main())


def test_the_largest_details_arrive_every_time() -> None:
    """From 8 KiB on gRPC drops metadata at random and the client reads a false overload; ours arrives 50 of 50."""

    async def much(_request: StringValue, _context: Context) -> StringValue:
        violations = tuple(FieldViolation(f"messages[{n}].é", "ß" * 900) for n in range(100))
        raise CallError(
            Reason.INVALID_REQUEST, "\n€" * 5000, violations=violations, metadata={str(n): "ü" * 999 for n in range(99)}
        )

    def told(_error: CallError, request_id: str) -> failure_pb2.RouteFailure:
        failure = failure_pb2.RouteFailure(request_id=request_id)
        for _ in range(100):
            failure.attempts.add(backend="é" * 500, provider_request_id="x" * 9000)
        return failure

    async def main() -> None:
        async with serving({"Much": much}, tell_failure=told) as rig, rig.channel() as channel:
            for _ in range(50):
                seen = await failed(unary(channel, "Much")(StringValue()))
                assert (seen.code, seen.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
                assert len(seen.detail(failure_pb2.RouteFailure).attempts) == 2
                assert len(seen.detail(error_details_pb2.BadRequest).field_violations) >= 1
                assert 1020 < len(seen.message.encode()) <= 1024

    asyncio.run(main())


def test_an_abort_of_the_service_itself_passes() -> None:
    """A handler that aborts is obeyed to the letter."""

    async def aborting(request: StringValue, context: Context) -> StringValue:
        if request.value == "":
            await context.abort(grpc.StatusCode.DATA_LOSS, "as sent", (("a", "b"),))
        return request

    async def main() -> None:
        async with serving({"Abort": aborting}) as rig, rig.channel() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await unary(channel, "Abort")(StringValue())
            assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.DATA_LOSS, "as sent")
            assert ("a", "b") in tuple(caught.value.trailing_metadata())

    asyncio.run(main())


def test_two_writes_at_once_fail_at_once() -> None:
    """The second is refused by gRPC; bare, its error would leave the caller waiting for its deadline."""

    async def writers(request: StringValue, context: Context) -> AsyncGenerator[StringValue, None]:
        yield request
        large: Any = StringValue(value="x" * 1_000_000).SerializeToString()
        await asyncio.gather(*(context.write(large) for _ in range(3)))

    async def main() -> None:
        small = ("grpc.http2.bdp_probe", 0)
        async with serving(streams={"Writers": writers}) as rig, rig.channel(small) as channel:
            began = time.monotonic()
            told = await failed(drained(stream(channel, "Writers")(StringValue(value="x"), timeout=5)))
            assert time.monotonic() - began < 1.0
            assert told.code is grpc.StatusCode.INTERNAL

    asyncio.run(main())
