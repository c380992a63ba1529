"""One span per RPC: OpenTelemetry's own interceptor, with what it gets wrong on grpc.aio put right.

As it is (0.66b2) it fails every handler that writes by itself, `Watch` of health among them, ends cancelled and late
RPCs and those whose handler raised as OK, and records the text of exceptions, which may quote a prompt.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import lru_cache
from typing import Any

import grpc
from opentelemetry import context as otel
from opentelemetry import propagate, trace
from opentelemetry.context import attach, detach
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorServer
from opentelemetry.instrumentation.grpc._aio_server import OpenTelemetryAioServerInterceptor
from opentelemetry.propagators.textmap import TextMapPropagator

from quickthorn_server import __version__

_UNTRACED = ("/grpc.health.", "/grpc.reflection.")
_FAULTS = {  # of the server; the others, such as NOT_FOUND, are answers (OpenTelemetry's conventions for RPC)
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

Context = grpc.aio.ServicerContext[Any, Any]
Behavior = Callable[[Any, Context], Any]
Traced = Callable[[Any, Context], Awaitable[Any]]


class RpcSpans(OpenTelemetryAioServerInterceptor):
    """Traces through *provider* (None = the global one); health and reflection are left out.

    Works as an interceptor of its own, too; ours takes `around` only, so that it stays the last.
    """

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        tracer = trace.get_tracer("quickthorn", __version__, provider)
        super().__init__(tracer, filter_=_is_traced)  # type: ignore[no-untyped-call] # of theirs

    @staticmethod
    def alone() -> None:
        """Undo what `opentelemetry-instrument` does to every server of this process: it would break health's Watch."""
        other = GrpcAioInstrumentorServer()  # type: ignore[no-untyped-call] # of theirs
        if other.is_instrumented_by_opentelemetry:
            other.uninstrument()

    def around(self, method: str, run: Behavior) -> Traced:
        """Return *run*, which answers one RPC of *method* each time, with a span around it that is current inside."""
        name = method.removeprefix("/")
        service, _, short = name.rpartition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": short}
        answer = _written(run) if inspect.isasyncgenfunction(run) else run

        async def traced(request: Any, context: Context) -> Any:
            parent = _parent(context)
            span = self._tracer.start_span(name, parent, kind=trace.SpanKind.SERVER, attributes=attributes)
            token = attach(trace.set_span_in_context(span, parent))
            if not span.is_recording():
                # Current all the same: whatever is traced inside must know that this one is not.  It has no end, and
                # nothing to detach from but the RPC's own task.
                return await answer(request, context)
            try:
                return await _watched(span, answer, request, context)
            finally:
                detach(token)
                span.end()

        return traced

    def _intercept_aio_server_unary(self, behavior: Behavior, handler_call_details: grpc.HandlerCallDetails) -> Traced:
        return self.around(handler_call_details.method, behavior)

    _intercept_aio_server_stream = _intercept_aio_server_unary


def _is_traced(details: grpc.HandlerCallDetails) -> bool:
    return not details.method.startswith(_UNTRACED)


def _parent(context: Context) -> otel.Context:
    """Return the context that the caller's span makes; looked for only where the caller has told of one."""
    fields, metadata = _fields(propagate.get_global_textmap()), dict(context.invocation_metadata() or ())
    if fields.isdisjoint(metadata):
        return otel.get_current()
    return propagate.extract({key: metadata[key] for key in fields & metadata.keys()})


@lru_cache(maxsize=4)
def _fields(propagator: TextMapPropagator) -> frozenset[str]:
    """Return what *propagator* writes; it makes the set anew each time that it is asked."""
    return frozenset(propagator.fields)


async def _watched(span: trace.Span, answer: Behavior, request: Any, context: Context) -> Any:
    """Answer, and write down on *span* how that ended."""
    budget, code = context.time_remaining(), grpc.StatusCode.OK
    try:
        reply = await answer(request, context)
        code = _told(context, grpc.StatusCode.OK)
    except asyncio.CancelledError:
        code = grpc.StatusCode.DEADLINE_EXCEEDED if _late(budget, context) else grpc.StatusCode.CANCELLED
        raise
    except grpc.aio.InternalError:
        code = grpc.StatusCode.CANCELLED  # a write on a call that its client has left
        raise
    except BaseException as error:
        code = _told(context, grpc.StatusCode.UNKNOWN)
        if not isinstance(error, grpc.aio.AbortError):
            span.set_attribute("error.type", type(error).__qualname__)
        raise
    finally:
        if span.is_recording():
            span.set_attribute("rpc.grpc.status_code", code.value[0])
            if code in _FAULTS:
                span.set_status(trace.Status(trace.StatusCode.ERROR, code.name))
    return reply


def _told(context: Context, otherwise: grpc.StatusCode) -> grpc.StatusCode:
    """Return the status that the handler set; gRPC knows it as a number, 0 where it set none."""
    code: Any = context.code()
    return code if isinstance(code, grpc.StatusCode) else _CODES[code] if code else otherwise


def _late(budget: float | None, context: Context) -> bool:
    """Whether the client's deadline has passed: its own may be 3.3 % before the one that the wire told us."""
    remaining = context.time_remaining()
    return budget is not None and remaining is not None and remaining <= 0.035 * budget + 0.005


def _written(generator: Callable[[Any, Context], AsyncGenerator[Any, None]]) -> Traced:
    """Return a handler that writes what *generator* yields: so it is closed in the RPC's own task, span and all."""

    async def write_all(request: Any, context: Context) -> None:
        async with aclosing(generator(request, context)) as messages:
            async for message in messages:
                await context.write(message)

    return write_all
