"""The one interceptor: every RPC of ours is admitted, decoded, driven and ended here.

What gRPC for Python does otherwise, measured on 1.85: the text of any exception reaches the client; a CancelledError
that nobody addressed to the RPC, or an InternalError while the peer is there, leaves the client waiting for its
deadline; a generator's clean-up runs later, in another task, when the peer leaves during a write.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from quickthorn.v1 import failure_pb2
from quickthorn_server.core.bug import sketch
from quickthorn_server.core.catalogue import Caller
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.request import Priority
from quickthorn_server.edge.call import Call, Context, abort, chosen_request_id, enter_call
from quickthorn_server.edge.callers import Metadata
from quickthorn_server.edge.gate import Gate
from quickthorn_server.edge.stall import WriteWatch
from quickthorn_server.edge.status import failure_status
from quickthorn_server.edge.urgency import urgency

log = logging.getLogger(__name__)

EXEMPT = ("/grpc.health.", "/grpc.reflection.")
"""Methods that need no key and no place: a full or closed replica must still say how it is."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in its stub only
Authenticate = Callable[[Metadata], Caller | None]
TellFailure = Callable[[CallError, str], failure_pb2.RouteFailure | None]
Answer = Callable[[bytes, Context, Call], Awaitable[bytes | None]]
Run = Callable[[bytes, Context], Awaitable[bytes | None]]
Around = Callable[[str, Run], Run]


class Edge(grpc.aio.ServerInterceptor):
    """Wraps each method once; the last interceptor of one server.

    *authenticate* returns the caller that metadata name, or raises CallError.  *tell_failure* makes the RouteFailure
    of an error and a request identifier.  *around*, where given, puts something around the whole life of each RPC of a
    method, such as a span.  Methods are coroutines, or async generators where the answer streams; anything else, such
    as a generated method that nobody wrote yet, is answered UNIMPLEMENTED.  A stream whose client reads nothing for
    *write_stall* seconds is closed, and then ends as OVERLOADED.
    """

    def __init__(
        self,
        gate: Gate,
        authenticate: Authenticate,
        tell_failure: TellFailure,
        *,
        around: Around | None = None,
        write_stall: float = 30.0,
    ) -> None:
        self._gate = gate
        self._authenticate = authenticate
        self._tell_failure = tell_failure
        self._around = around
        self._write_stall = write_stall
        self._wrapped: dict[str, Handler] = {}
        # A handler that takes a stream is called before the request has been read: however long that is, and whatever
        # the method takes, a client sees the same trailers.
        self._turned_away: Handler = grpc.stream_unary_rpc_method_handler(self._turn_away)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the method's wrapped handler; None = no such method."""
        method = handler_call_details.method
        if self._gate.tight and self._gate.shut and not method.startswith(EXEMPT):
            return self._turned_away
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None or method.startswith(EXEMPT):
                return handler  # unknown names are not kept: a peer could fill the table with them
            wrapped = self._wrapped[method] = self._wrap(handler, method)
        return wrapped

    def _wrap(self, handler: Handler, method: str) -> Handler:
        run = partial(self._run, method, _answer(handler, self._write_stall))
        return _rpc_handler(self._around(method, run) if self._around else run, handler.response_streaming)

    async def _run(self, method: str, answer: Answer, request: bytes, context: Context) -> bytes | None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - gRPC runs every RPC in a task
        metadata = context.invocation_metadata() or ()
        call = Call(method, chosen_request_id(metadata))
        enter_call(call)
        try:
            gate = self._gate
            gate.enter(task, urgency(method, request) if gate.tight and gate.choosy else Priority.NORMAL)
            call.caller = self._authenticate(metadata)
            return await answer(request, context, call)
        except asyncio.CancelledError:
            if task.cancelling():
                raise  # addressed to us: the peer left, its deadline passed, or the server stops
            error = _inner_cancel(call)
        except grpc.aio.AbortError:
            raise
        except CallError as refusal:
            error = refusal
        except Exception as bug:  # noqa: BLE001 - whatever it is, its text must not leave
            error = self._bug(bug, call)
        await self._fail(error, context, call)
        return None

    async def _turn_away(self, _: object, context: Context) -> None:
        """End an RPC that comes while the gate is shut; it has no span."""
        call = Call("", chosen_request_id(context.invocation_metadata() or ()))
        await self._fail(self._gate.turn_away(), context, call)

    async def _fail(self, error: CallError, context: Context, call: Call) -> None:
        try:
            status = failure_status(error, self._tell_failure(error, call.request_id))
        except Exception as bug:  # noqa: BLE001 - see above: telling a failure may fail too
            status = failure_status(self._bug(bug, call), None)
        if status.headers_first:
            await call.send_headers(context)
        await abort(context, status.code, status.message, status.trailing_metadata)

    def _bug(self, bug: Exception, call: Call) -> CallError:
        log.error("bug method=%s request_id=%s at=%s", call.method, call.request_id, sketch(bug))
        return CallError(Reason.INTERNAL, "internal error")


def _rpc_handler(run: Run, streaming: bool) -> Handler:
    """Return a handler without serialisers: both ways belong inside the call, where a failure of theirs is caught."""
    if streaming:
        return grpc.unary_stream_rpc_method_handler(run)
    return grpc.unary_unary_rpc_method_handler(run)


def _answer(handler: Handler, write_stall: float) -> Answer:
    """Return what runs one RPC of *handler*'s method, from bytes to bytes."""
    if handler.unary_stream and inspect.isasyncgenfunction(handler.unary_stream):
        return _streamed(handler, handler.unary_stream, write_stall)
    if handler.unary_unary and inspect.iscoroutinefunction(handler.unary_unary):
        return _unary(handler, handler.unary_unary)
    return _unimplemented


def _unary(handler: Handler, method: Callable[..., Awaitable[Any]]) -> Answer:
    encode = handler.response_serializer or _as_it_is

    async def answer(request: bytes, context: Context, call: Call) -> bytes:
        reply = encode(await method(_decoded(handler, request), context))
        await call.send_headers(context)
        return reply

    return answer


def _streamed(handler: Handler, method: Callable[..., AsyncGenerator[Any, None]], write_stall: float) -> Answer:
    encode = handler.response_serializer or _as_it_is

    async def answer(request: bytes, context: Context, call: Call) -> None:
        with WriteWatch(write_stall) as watch:
            async with aclosing(method(_decoded(handler, request), context)) as messages:
                async for message in messages:
                    await watch.send(call, context, encode(message))
        await call.send_headers(context)

    return answer


async def _unimplemented(_: bytes, context: Context, call: Call) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{call.method[1:]} is not implemented")


def _decoded(handler: Handler, request: bytes) -> Any:
    decode = handler.request_deserializer or _as_it_is
    try:
        return decode(request)
    except DecodeError:
        raise CallError(Reason.INVALID_REQUEST, "the request is not a message of this method's type") from None


def _as_it_is(message: bytes) -> bytes:
    return message


def _inner_cancel(call: Call) -> CallError:
    """Return what a cancel means that nobody addressed to the RPC: gRPC would send nothing, and the caller wait."""
    log.error("inner work was cancelled method=%s request_id=%s", call.method, call.request_id)
    reason = Reason.STREAM_BROKEN if call.headers_sent else Reason.ALL_FAILED
    return CallError(reason, "the work on this call was cancelled")
