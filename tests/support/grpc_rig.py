"""A real gRPC server around the edge's interceptor, with methods that a test writes down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from quickthorn.v1 import failure_pb2
from quickthorn_server.core.catalogue import Caller
from quickthorn_server.core.ends import CallError
from quickthorn_server.edge.callers import Callers
from quickthorn_server.edge.gate import Gate
from quickthorn_server.edge.health import Health
from quickthorn_server.edge.interceptor import Around, Edge, TellFailure
from quickthorn_server.edge.listener import OPTIONS, new_server

SERVICE = "test.Echo"


def told(error: CallError, request_id: str) -> failure_pb2.RouteFailure:
    """Tell as little of a failure as a real server would of one without lanes."""
    return failure_pb2.RouteFailure(request_id=request_id, delivered=error.delivered)


@dataclass(frozen=True, slots=True)
class Rig:
    """A server that runs."""

    server: grpc.aio.Server
    port: int
    gate: Gate
    health: Health

    def channel(self, *options: tuple[str, Any]) -> grpc.aio.Channel:
        """Return a new connection; no two of them share one."""
        return grpc.aio.insecure_channel(
            f"127.0.0.1:{self.port}", options=(("grpc.use_local_subchannel_pool", 1), *options)
        )


@asynccontextmanager
async def serving(
    unary: Mapping[str, Callable[..., Any]] | None = None,
    streams: Mapping[str, Callable[..., Any]] | None = None,
    *,
    max_in_flight: int = 1000,
    callers: Iterable[Caller] = (),
    tell_failure: TellFailure = told,
    options: Iterable[tuple[str, int]] = OPTIONS,
    encode: Callable[[StringValue], bytes] = StringValue.SerializeToString,
    port: int = 0,
    around: Around | None = None,
    write_stall: float = 30.0,
) -> AsyncIterator[Rig]:
    """Serve *unary* and *streams*, StringValue to StringValue, and the health service; stop at the end."""
    gate, health = Gate(max_in_flight), Health()
    edge = Edge(gate, Callers(callers), tell_failure, around=around, write_stall=write_stall)
    server = new_server(edge, tuple(options))
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(f, StringValue.FromString, encode)
        for name, f in (unary or {}).items()
    }
    handlers |= {
        name: grpc.unary_stream_rpc_method_handler(f, StringValue.FromString, encode)
        for name, f in (streams or {}).items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    health.register(server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    health.start_serving()
    try:
        yield Rig(server, bound, gate, health)
    finally:
        await server.stop(None)


async def echo(request: StringValue, _context: Any) -> StringValue:
    """Answer with the request: a unary method."""
    return request


def echo_server() -> grpc.aio.Server:
    """Return a server that listens nowhere yet, with the one method `Echo`."""
    server = new_server(Edge(Gate(10), Callers([]), told))
    method = grpc.unary_unary_rpc_method_handler(echo, StringValue.FromString, StringValue.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Echo": method}),))
    return server


def unary(channel: grpc.aio.Channel, method: str) -> Callable[..., Any]:
    """Return the stub of a unary test method."""
    return channel.unary_unary(f"/{SERVICE}/{method}", StringValue.SerializeToString, StringValue.FromString)


def stream(channel: grpc.aio.Channel, method: str) -> Callable[..., Any]:
    """Return the stub of a streaming test method."""
    return channel.unary_stream(f"/{SERVICE}/{method}", StringValue.SerializeToString, StringValue.FromString)


async def until(happened: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait until *happened* says so; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.005)


async def rest(call: Any) -> list[Any]:
    """Return the messages of a stream that are still to come."""
    messages = []
    while (message := await call.read()) is not grpc.aio.EOF:
        messages.append(message)
    return messages


@dataclass(frozen=True, slots=True)
class Refusal:
    """A failed call as its client sees it."""

    code: grpc.StatusCode
    message: str
    info: error_details_pb2.ErrorInfo
    details: tuple[Any, ...]
    headers: dict[str, str | bytes]
    trailers: dict[str, str | bytes]

    def detail(self, kind: type[Any]) -> Any:
        """Return the detail of type *kind*."""
        for any_ in self.details:
            if any_.Is(kind.DESCRIPTOR):
                found = kind()
                any_.Unpack(found)
                return found
        raise AssertionError(f"no {kind.__name__} among the details")


def refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """Return what *error* carries; its details must be readable by grpcio-status."""
    status = rpc_status.from_call(error)
    assert status is not None, f"{error.code()} {error.details()} came without details"
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return Refusal(
        error.code(),
        error.details() or "",
        info,
        tuple(status.details),
        dict(error.initial_metadata() or ()),
        dict(error.trailing_metadata() or ()),
    )
