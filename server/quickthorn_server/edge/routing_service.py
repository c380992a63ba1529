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
from quickthorn_server.core.catalogue import Catalogue
from quickthorn_server.core.decision import refused
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.identifiers import random_hex
from quickthorn_server.core.observer import Observer
from quickthorn_server.core.plan import Knowledge, Plan, PurseLevels
from quickthorn_server.core.request import Request
from quickthorn_server.edge import wire_answer, wire_embed, wire_explain, wire_request
from quickthorn_server.edge.call import Context, current_call
from quickthorn_server.edge.deadline import budget
from quickthorn_server.execution.events import Begun, Finished, Said
from quickthorn_server.execution.executor import Executor
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
        self._turns = dict.fromkeys(catalogue.routes, 0)

    async def Complete(  # noqa: N802 - gRPC's name
        self, request: completion_pb2.CompletionRequest, context: Context
    ) -> completion_pb2.Completion:
        """Answer in one message."""
        asked = self._read(wire_request.request, request)
        planned, call = self._planned(asked, request, Rpc.COMPLETE, context)
        answer = await self._executor.complete(planned, asked.prompt, call)
        _tell_server(answer.trace, context)
        return wire_answer.completion(answer, call)

    async def StreamComplete(  # noqa: N802 - gRPC's name
        self, request: completion_pb2.CompletionRequest, context: Context
    ) -> AsyncGenerator[events_pb2.CompletionEvent, None]:
        """Answer as it comes."""
        asked = self._read(wire_request.request, request)
        planned, call = self._planned(asked, request, Rpc.STREAM, context)
        async with aclosing(self._executor.stream(planned, asked.prompt, call)) as happening:
            async for event in happening:
                if isinstance(event, Said):
                    for said in wire_answer.events(event.chunks):
                        yield said
                elif isinstance(event, Begun):
                    context.set_trailing_metadata(((_SERVED_BY, event.backend.name),))
                    yield wire_answer.started(event, call)
                elif isinstance(event, Finished):
                    yield wire_answer.finished(event)
                else:
                    yield wire_answer.heartbeat()

    async def Embed(  # noqa: N802 - gRPC's name
        self, request: embedding_pb2.EmbedRequest, context: Context
    ) -> embedding_pb2.EmbedResponse:
        """Turn inputs into vectors of one space."""
        asked = self._read(wire_embed.request, request)
        planned, call = self._planned(asked, request, Rpc.EMBED, context)
        answer = await self._executor.embed(planned, asked.prompt, call)
        _tell_server(answer.trace, context)
        return wire_embed.response(answer, call)

    async def Explain(  # noqa: N802 - gRPC's name
        self, request: completion_pb2.CompletionRequest, _: Context
    ) -> explanation_pb2.Explanation:
        """Say what would happen; the wheel is looked at, not turned."""
        asked = self._read(wire_request.request, request)
        planned = self._router.plan(asked, self._knowledge(), self._turns[self._route(asked)])
        return wire_explain.explanation(planned, asked, self._levels(planned.route.name), self._limited())

    async def ListRoutes(  # noqa: N802 - gRPC's name
        self, _: route_pb2.ListRoutesRequest, __: Context
    ) -> route_pb2.ListRoutesResponse:
        """List the routes that the caller may use."""
        return route_pb2.ListRoutesResponse(
            routes=[
                wire_explain.route(route, self._catalogue)
                for name, route in self._catalogue.routes.items()
                if _allowed(name)
            ],
            config_version=self._catalogue.version,
        )

    def _planned(self, asked: Request, original: object, rpc: Rpc, context: Context) -> tuple[Plan, Call]:
        arrived = asyncio.get_running_loop().time()
        seconds = budget(context.time_remaining())
        route = self._route(asked)
        planned = self._router.plan(asked, self._knowledge(), self._turns[route])
        self._turns[route] += 1
        caller = current_call().caller
        call = Call(
            id=f"qt-{random_hex(24)}",
            request_id=asked.request_id,
            arrived=arrived,
            deadline=None if seconds is None else arrived + seconds,
            rpc=rpc,
            at=time.time(),
            caller=caller.name if caller else "",
            labels=asked.labels,
            asked=original if self._keeps_content else None,
        )
        error = refusal(planned)
        if error is not None:
            self._observer.call_ended(refused(call, planned, error.reason, self._levels(route)))
            raise error
        return planned, call

    def _read(self, read: Callable[[M, str], Request], request: M) -> Request:
        rpc = current_call()
        asked = read(request, rpc.request_id)
        rpc.request_id = asked.request_id
        return asked

    def _route(self, asked: Request) -> str:
        name = asked.route or self._catalogue.default_route
        if not _allowed(name):
            raise CallError(Reason.ROUTE_FORBIDDEN, f"your key may not use route {name[:64]}", metadata={"route": name})
        if name not in self._catalogue.routes:
            known = ", ".join(route for route in self._catalogue.routes if _allowed(route))
            message = f"there is no route {name[:64]!r}; known are {known}"
            raise CallError(Reason.UNKNOWN_ROUTE, message, metadata={"route": name, "known": known})
        return name


def _tell_server(trace: Trace, context: Context) -> None:
    if trace.served_by is not None:
        context.set_trailing_metadata(((_SERVED_BY, trace.attempts[trace.served_by].backend),))


def _allowed(route: str) -> bool:
    caller = current_call().caller
    return caller is None or not caller.routes or route in caller.routes
