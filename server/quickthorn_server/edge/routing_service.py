"""The Routing service: bytes to values, a plan, an executor's events, and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import TypeVar

from quickthorn.v1 import (
    completion_pb2,
    embedding_pb2,
    events_pb2,
    explanation_pb2,
    route_pb2,
    routing_service_pb2_grpc,
)
from quickthorn_server.core.attempt import Trace
from quickthorn_server.core.call import Call, Rpc
from quickthorn_server.core.catalogue import Caller, Catalogue
from quickthorn_server.core.decision import refused
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.identifiers import random_hex
from quickthorn_server.core.observer import Observer
from quickthorn_server.core.plan import Knowledge, Plan, PurseLevels
from quickthorn_server.core.request import Request
from quickthorn_server.edge import call as edge
from quickthorn_server.edge import wire_answer, wire_embed, wire_explain, wire_request
from quickthorn_server.edge.call import Context, current_call
from quickthorn_server.edge.deadline import budget
from quickthorn_server.execution.events import Begun, Escalated, Finished, Joined, Said
from quickthorn_server.execution.executor import Executor
from quickthorn_server.execution.stand_in import NOBODY_COULD
from quickthorn_server.routing.refusal import refusal
from quickthorn_server.routing.router import Router

M = TypeVar("M")

_SERVED_BY = "quickthorn-served-by"


class RoutingService(routing_service_pb2_grpc.RoutingServicer):
    """`quickthorn.v1.Routing`; RPCs not written here answer UNIMPLEMENTED.

    *knowledge* is asked once per call, *levels* of a route's purses by Explain and refusals alone, and Explain alone
    asks which backends are *limited* by limits of their own.
    The wheels of weighted routes turn here.  *observer* is told here of calls that nobody may answer, and by
    *executor* of all others.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        executor: Executor,
        knowledge: Callable[[], Knowledge],
        levels: Callable[[str], PurseLevels],
        observer: Observer,
        *,
        limited: Callable[[], Collection[str]],
    ) -> None:
        self._catalogue = catalogue
        self._executor = executor
        self._knowledge = knowledge
        self._levels = levels
        self._limited = limited
        self._router = Router(catalogue)
        self._observer = observer
        self._keeps_content = catalogue.records is not None and catalogue.records.content
        self._loop = asyncio.get_running_loop()
        self._turns = dict.fromkeys(catalogue.routes, 0)

    async def Complete(  # noqa: N802 - gRPC's name
        self, request: completion_pb2.CompletionRequest, context: Context
    ) -> completion_pb2.Completion:
        """Answer in one message."""
        rpc = current_call()
        asked = _read(wire_request.request, request, rpc)
        planned, call = self._planned(asked, request, Rpc.COMPLETE, rpc, context)
        answer = await self._executor.complete(planned, asked.prompt, call)
        _tell_server(answer.trace, context)
        return wire_answer.completion(answer, call)

    async def StreamComplete(  # noqa: N802 - gRPC's name
        self, request: completion_pb2.CompletionRequest, context: Context
    ) -> AsyncGenerator[events_pb2.CompletionEvent, None]:
        """Answer as it comes."""
        rpc = current_call()
        asked = _read(wire_request.request, request, rpc)
        planned, call = self._planned(asked, request, Rpc.STREAM, rpc, context)
        async with aclosing(self._executor.stream(planned, asked.prompt, call)) as happening:
            async for event in happening:
                if isinstance(event, Said):
                    for said in wire_answer.events(event.chunks):
                        yield said
                elif isinstance(event, Begun):
                    if event.backend is not None:
                        context.set_trailing_metadata(((_SERVED_BY, event.backend.name),))
                    yield wire_answer.started(event, call)
                elif isinstance(event, Joined):
                    context.set_trailing_metadata(((_SERVED_BY, event.seam.to_backend),))
                    yield wire_answer.seam(event.seam)
                elif isinstance(event, Finished):
                    yield wire_answer.finished(event)
                elif isinstance(event, Escalated):
                    yield wire_answer.escalated(event)
                else:
                    yield wire_answer.heartbeat()

    async def Embed(  # noqa: N802 - gRPC's name
        self, request: embedding_pb2.EmbedRequest, context: Context
    ) -> embedding_pb2.EmbedResponse:
        """Turn inputs into vectors of one space."""
        rpc = current_call()
        asked = _read(wire_embed.request, request, rpc)
        planned, call = self._planned(asked, request, Rpc.EMBED, rpc, context)
        answer = await self._executor.embed(planned, asked.prompt, call)
        _tell_server(answer.trace, context)
        return wire_embed.response(answer, call)

    async def Explain(  # noqa: N802 - gRPC's name
        self, request: completion_pb2.CompletionRequest, _: Context
    ) -> explanation_pb2.Explanation:
        """Say what would happen; the wheel is looked at, not turned."""
        rpc = current_call()
        asked = _read(wire_request.request, request, rpc)
        planned = self._router.plan(asked, self._knowledge(), self._turns[self._route(asked, rpc.caller)])
        return wire_explain.explanation(planned, asked, self._levels(planned.route.name), self._limited())

    async def ListRoutes(  # noqa: N802 - gRPC's name
        self, _: route_pb2.ListRoutesRequest, __: Context
    ) -> route_pb2.ListRoutesResponse:
        """List the routes that the caller may use."""
        caller = current_call().caller
        return route_pb2.ListRoutesResponse(
            routes=[
                wire_explain.route(route, self._catalogue)
                for name, route in self._catalogue.routes.items()
                if _allowed(name, caller)
            ],
            config_version=self._catalogue.version,
        )

    def _planned(
        self, asked: Request, original: object, kind: Rpc, rpc: edge.Call, context: Context
    ) -> tuple[Plan, Call]:
        arrived = self._loop.time()
        seconds = budget(context.time_remaining())
        caller = rpc.caller
        route = self._route(asked, caller)
        planned = self._router.plan(asked, self._knowledge(), self._turns[route])
        self._turns[route] += 1
        call = Call(
            id=f"qt-{random_hex(24)}",
            request_id=asked.request_id,
            arrived=arrived,
            deadline=None if seconds is None else arrived + seconds,
            rpc=kind,
            at=time.time(),
            caller=caller.name if caller else "",
            labels=asked.labels,
            asked=original if self._keeps_content else None,
        )
        if not planned.order:
            error = refusal(planned)
            if not _is_ours(planned, error):
                self._observer.call_ended(refused(call, planned, error.reason, self._levels(route)))
                raise error
        return planned, call

    def _route(self, asked: Request, caller: Caller | None) -> str:
        name = asked.route or self._catalogue.default_route
        if caller is not None and not _allowed(name, caller):
            raise CallError(Reason.ROUTE_FORBIDDEN, f"your key may not use route {name[:64]}", metadata={"route": name})
        if name not in self._turns:
            known = ", ".join(route for route in self._catalogue.routes if _allowed(route, caller))
            message = f"there is no route {name[:64]!r}; known are {known}"
            raise CallError(Reason.UNKNOWN_ROUTE, message, metadata={"route": name, "known": known})
        return name


def _read(read: Callable[[M, str], Request], request: M, rpc: edge.Call) -> Request:
    asked = read(request, rpc.request_id)
    rpc.request_id = asked.request_id
    return asked


def _tell_server(trace: Trace, context: Context) -> None:
    if trace.served_by is not None:
        context.set_trailing_metadata(((_SERVED_BY, trace.attempts[trace.served_by].backend),))


def _is_ours(planned: Plan, error: CallError) -> bool:
    """Whether *planned* asks nobody for a reason that the route's ladder has an answer to, or a human is told of."""
    return planned.route.ladder is not None and error.reason in NOBODY_COULD


def _allowed(route: str, caller: Caller | None) -> bool:
    return caller is None or not caller.routes or route in caller.routes
