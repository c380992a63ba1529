"""One span per RPC, with its true end: over real sockets, in our server and in a plain one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorServer
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.telemetry.rpc_spans import RpcSpans
from tests.support.grpc_rig import SERVICE, rest, serving, stream, unary, until

SECRET = "the prompt"
Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Traced:
    """A tracer whose finished spans can be read."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    provider: TracerProvider = field(default_factory=TracerProvider)

    def __post_init__(self) -> None:
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def spans(self) -> RpcSpans:
        return RpcSpans(self.provider)

    async def one(self) -> ReadableSpan:
        """Return the one span there is, once it has ended; it holds no text of ours and no event."""
        await until(self.exporter.get_finished_spans)
        (span,) = self.exporter.get_finished_spans()
        assert span.kind is SpanKind.SERVER
        assert span.events == ()
        assert SECRET not in span.to_json()
        return span


def end(span: ReadableSpan) -> tuple[object, StatusCode, str | None]:
    """Return how *span* says that its RPC ended."""
    return (span.attributes or {}).get("rpc.grpc.status_code"), span.status.status_code, span.status.description


OK = (0, StatusCode.UNSET, None)


async def fine(request: StringValue, _context: Context) -> StringValue:
    await asyncio.sleep(0)
    return request


async def two(request: StringValue, _context: Context) -> AsyncGenerator[StringValue, None]:
    yield request
    yield request


async def raises(_request: StringValue, _context: Context) -> StringValue:
    raise RuntimeError(SECRET)


async def refuses(_request: StringValue, _context: Context) -> StringValue:
    raise CallError(Reason.UNKNOWN_ROUTE, SECRET)


async def gives_up(_request: StringValue, _context: Context) -> StringValue:
    raise CallError(Reason.ALL_FAILED, SECRET)


async def aborts(_request: StringValue, context: Context) -> StringValue:
    await context.abort(grpc.StatusCode.DATA_LOSS, SECRET)
    raise AssertionError


async def hangs(request: StringValue, _context: Context) -> StringValue:
    await asyncio.sleep(30)
    return request


async def endless(request: StringValue, _context: Context) -> AsyncGenerator[StringValue, None]:
    while True:
        yield request
        await asyncio.sleep(0.01)


async def flood(_request: StringValue, _context: Context) -> AsyncGenerator[StringValue, None]:
    while True:
        yield StringValue(value="x" * 1_000_000)


async def writes(request: StringValue, context: Context) -> None:
    """Write as a reader/writer handler does: a coroutine where others are generators."""
    await context.write(request)
    await context.write(request)


async def echoes(requests: AsyncIterator[StringValue], context: Context) -> None:
    async for request in requests:
        await context.write(request)


UNARY = {"Fine": fine, "Raises": raises, "Refuses": refuses, "GivesUp": gives_up, "Aborts": aborts, "Hangs": hangs}
STREAMS = {"Two": two, "Endless": endless, "Flood": flood}


@asynccontextmanager
async def ours(traced: Traced) -> AsyncIterator[grpc.aio.Channel]:
    """Serve our edge with spans around its RPCs."""
    async with serving(UNARY, STREAMS, around=traced.spans().around) as rig, rig.channel() as channel:
        yield channel


@asynccontextmanager
async def plain(traced: Traced) -> AsyncIterator[grpc.aio.Channel]:
    """Serve a gRPC server that has the spans as its only interceptor, with handlers of every kind, and health."""
    server = grpc.aio.server(interceptors=(traced.spans(),))
    codec = (StringValue.FromString, StringValue.SerializeToString)
    handlers = {name: grpc.unary_unary_rpc_method_handler(f, *codec) for name, f in UNARY.items()}
    handlers |= {
        name: grpc.unary_stream_rpc_method_handler(f, *codec) for name, f in (STREAMS | {"Writes": writes}).items()
    }
    handlers["Echoes"] = grpc.stream_stream_rpc_method_handler(echoes, *codec)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    servicer = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


Place = Callable[[Traced], Any]
PLACES: Mapping[str, Place] = {"ours": ours, "plain": plain}
everywhere = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


def traced_call(place: Place, call: Callable[[grpc.aio.Channel], Any]) -> ReadableSpan:
    """Return the span of *call*, however that ends."""

    async def main() -> ReadableSpan:
        traced = Traced()
        async with place(traced) as channel:
            with suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
                await call(channel)
            return await traced.one()

    return asyncio.run(main())


@everywhere
def test_a_unary_rpc_ends_ok(place: Place) -> None:
    """Its span is named after the method, and has code 0."""
    span = traced_call(place, lambda channel: unary(channel, "Fine")(StringValue()))
    assert (span.name, end(span)) == (f"{SERVICE}/Fine", OK)
    assert dict(span.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": SERVICE,
        "rpc.method": "Fine",
        "rpc.grpc.status_code": 0,
    }


@everywhere
def test_a_generator_ends_ok(place: Place) -> None:
    """All its messages arrive."""
    seen: list[StringValue] = []

    async def call(channel: grpc.aio.Channel) -> None:
        seen.extend(await rest(stream(channel, "Two")(StringValue(value="x"))))

    assert end(traced_call(place, call)) == OK
    assert [message.value for message in seen] == ["x", "x"]


def test_a_handler_that_raises_is_our_fault() -> None:
    """The edge answers INTERNAL, and that is what the span says: an error, without the exception's text."""
    span = traced_call(ours, lambda channel: unary(channel, "Raises")(StringValue()))
    assert end(span) == (13, StatusCode.ERROR, "INTERNAL")


def test_a_plain_handler_that_raises_is_unknown() -> None:
    """So gRPC answers; the type of the exception is named."""
    span = traced_call(plain, lambda channel: unary(channel, "Raises")(StringValue()))
    assert end(span) == (2, StatusCode.ERROR, "UNKNOWN")
    assert (span.attributes or {})["error.type"] == "RuntimeError"


@everywhere
def test_an_abort_keeps_its_code(place: Place) -> None:
    """And leaves no exception behind."""
    span = traced_call(place, lambda channel: unary(channel, "Aborts")(StringValue()))
    assert end(span) == (15, StatusCode.ERROR, "DATA_LOSS")
    assert "error.type" not in (span.attributes or {})


@pytest.mark.parametrize(
    ("method", "ended"),
    [("Refuses", (5, StatusCode.UNSET, None)), ("GivesUp", (14, StatusCode.ERROR, "UNAVAILABLE"))],
)
def test_our_refusals_keep_their_code(method: str, ended: tuple[int, StatusCode, str | None]) -> None:
    """What the caller got wrong is no error of the server's; what no backend could answer is."""
    assert end(traced_call(ours, lambda channel: unary(channel, method)(StringValue()))) == ended


@everywhere
def test_a_client_that_cancels_a_wait_is_told_apart(place: Place) -> None:
    """CANCELLED, and no error of ours."""

    async def call(channel: grpc.aio.Channel) -> None:
        running = unary(channel, "Hangs")(StringValue())
        await asyncio.sleep(0.1)
        running.cancel()

    assert end(traced_call(place, call)) == (1, StatusCode.UNSET, None)


@everywhere
@pytest.mark.parametrize("method", ["Endless", "Flood"])
def test_a_client_that_cancels_a_stream_is_told_apart(place: Place, method: str) -> None:
    """Likewise between two messages, and while a write waits for room."""

    async def call(channel: grpc.aio.Channel) -> None:
        running = stream(channel, method)(StringValue(value="x"))
        await running.read()
        await asyncio.sleep(0.1)
        running.cancel()

    assert end(traced_call(place, call)) == (1, StatusCode.UNSET, None)


@everywhere
@pytest.mark.parametrize("method", ["Hangs", "Endless"])
def test_a_deadline_that_passes_is_told_apart(place: Place, method: str) -> None:
    """DEADLINE_EXCEEDED, an error, also where the client's own clock ended the call before the server's."""

    async def call(channel: grpc.aio.Channel) -> None:
        if method == "Hangs":
            await unary(channel, method)(StringValue(), timeout=0.3)
        else:
            await rest(stream(channel, method)(StringValue(), timeout=0.3))

    assert end(traced_call(place, call)) == (4, StatusCode.ERROR, "DEADLINE_EXCEEDED")


def test_a_handler_that_writes_by_itself_works() -> None:
    """A reader/writer handler of a stream from the server."""
    seen: list[StringValue] = []

    async def call(channel: grpc.aio.Channel) -> None:
        seen.extend(await rest(stream(channel, "Writes")(StringValue(value="x"))))

    assert end(traced_call(plain, call)) == OK
    assert [message.value for message in seen] == ["x", "x"]


def test_a_handler_that_reads_and_writes_works() -> None:
    """A reader/writer handler of streams both ways."""
    seen: list[StringValue] = []

    async def call(channel: grpc.aio.Channel) -> None:
        method = channel.stream_stream(f"/{SERVICE}/Echoes", StringValue.SerializeToString, StringValue.FromString)
        running = method(iter([StringValue(value="x"), StringValue(value="y")]))
        seen.extend(await rest(running))

    assert end(traced_call(plain, call)) == OK
    assert [message.value for message in seen] == ["x", "y"]


@everywhere
def test_health_works_and_is_not_traced(place: Place) -> None:
    """Both its methods, `Watch` included."""

    async def main() -> tuple[int, int, int]:
        traced = Traced()
        async with place(traced) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            checked = await stub.Check(health_pb2.HealthCheckRequest())
            watch = stub.Watch(health_pb2.HealthCheckRequest())
            watched = await watch.read()
            watch.cancel()
            await asyncio.sleep(0.1)
            return checked.status, watched.status, len(traced.exporter.get_finished_spans())

    assert asyncio.run(main()) == (1, 1, 0)


@everywhere
def test_an_unknown_method_has_no_span(place: Place) -> None:
    """Names that peers invent do not become spans."""

    async def main() -> tuple[grpc.StatusCode, int]:
        traced = Traced()
        async with place(traced) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await unary(channel, "Nothing")(StringValue())
            return refused.value.code(), len(traced.exporter.get_finished_spans())

    assert asyncio.run(main()) == (grpc.StatusCode.UNIMPLEMENTED, 0)


@everywhere
def test_a_span_continues_the_caller_s_trace(place: Place) -> None:
    """The client's `traceparent` is the parent; without one the span begins a trace."""
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    def call(channel: grpc.aio.Channel) -> Any:
        return unary(channel, "Fine")(StringValue(), metadata=(("traceparent", parent),))

    span = traced_call(place, call)
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert traced_call(place, lambda channel: unary(channel, "Fine")(StringValue())).parent is None


def test_the_span_is_current_in_the_handler() -> None:
    """In coroutines and generators, also where the generator cleans up; what they start becomes its child."""
    current: list[int] = []

    async def handler(request: StringValue, _context: Context) -> StringValue:
        current.append(trace.get_current_span().get_span_context().span_id)
        return await fine(request, _context)

    async def generator(request: StringValue, _context: Context) -> AsyncGenerator[StringValue, None]:
        try:
            yield request
        finally:
            current.append(trace.get_current_span().get_span_context().span_id)

    async def main() -> list[int]:
        traced = Traced()
        around = traced.spans().around
        async with serving({"A": handler}, {"B": generator}, around=around) as rig, rig.channel() as channel:
            await unary(channel, "A")(StringValue())
            await rest(stream(channel, "B")(StringValue()))
            await until(lambda: len(traced.exporter.get_finished_spans()) == 2)
        return [span.context.span_id for span in traced.exporter.get_finished_spans() if span.context]

    assert asyncio.run(main()) == current


SAYS = """
import sys
from quickthorn_server.telemetry.spans import around_rpcs
print(around_rpcs() is not None, "opentelemetry.instrumentation.grpc" in sys.modules)
"""


@pytest.mark.parametrize(("provider", "said"), [(None, "False False"), ("sdk_tracer_provider", "True True")])
def test_rpcs_are_traced_where_the_environment_says_so(provider: str | None, said: str) -> None:
    """Without a word of OpenTelemetry's there is nothing around an RPC at all, and not even its code is loaded."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    if provider is not None:
        environment["OTEL_PYTHON_TRACER_PROVIDER"] = provider
    command = [sys.executable, "-c", SAYS]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603 - our own
    assert told.stdout.strip() == said


def test_the_instrumentation_of_a_whole_process_stands_back() -> None:
    """`opentelemetry-instrument` puts their interceptor into every server; ours must be the only one."""
    original = grpc.aio.server
    GrpcAioInstrumentorServer().instrument()  # type: ignore[no-untyped-call]
    assert grpc.aio.server is not original
    RpcSpans.alone()
    assert grpc.aio.server is original
    RpcSpans.alone()
    assert grpc.aio.server is original
