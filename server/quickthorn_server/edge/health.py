"""`grpc.health.v1` for this process, its routes and its backends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from quickthorn_server.edge.call import Context, write

PROCESS_NAMES = ("", "quickthorn.v1.Routing", "quickthorn.v1.Admin")
"""Names that speak of this process only: a provider's outage must not empty the load balancer."""

LIST_LIMIT = 100
"""Names that `List` returns at most, by gRFC A90; with more it fails."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@dataclass(slots=True, eq=False)
class _Watcher:
    """One `Watch`: only the latest status is kept, so a reader that never reads costs nothing and blocks nobody."""

    status: int
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Health:
    """The health service.  Not serving until `start_serving`, and never again after `begin_drain`.

    All methods but the RPCs return at once; call them on the event loop's thread.
    """

    def __init__(self) -> None:
        self._statuses: dict[str, int] = dict.fromkeys(PROCESS_NAMES, _NOT_SERVING)
        self._watchers: dict[str, set[_Watcher]] = {}
        self._draining = False
        self._ended = False

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to *server*, before it starts."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    def set(self, name: str, serving: bool) -> None:
        """Say how *name* is; its watchers are told.  Without effect once draining."""
        if not self._draining:
            self._tell(name, _SERVING if serving else _NOT_SERVING)

    def start_serving(self) -> None:
        """Say that this process takes calls.  Without effect once draining."""
        for name in PROCESS_NAMES:
            self.set(name, serving=True)

    def begin_drain(self) -> None:
        """Say NOT_SERVING of every name, for good."""
        self._draining = True
        for name in self._statuses:
            self._tell(name, _NOT_SERVING)

    def end_watches(self) -> None:
        """End every `Watch`, also later ones, with OK after its latest status is delivered."""
        self._ended = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.woken.set()

    def serving(self) -> dict[str, bool]:
        """Return every name that is known, and whether it serves."""
        return {name: status == _SERVING for name, status in self._statuses.items()}

    @property
    def watches(self) -> int:
        """How many `Watch` streams are open."""
        return sum(map(len, self._watchers.values()))

    def _tell(self, name: str, status: int) -> None:
        self._statuses[name] = status
        for watcher in self._watchers.get(name, ()):
            watcher.status = status
            watcher.woken.set()

    async def Check(  # noqa: N802 - the RPC's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        """Return a status; NOT_FOUND for a name that nobody set."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such name")
        return health_pb2.HealthCheckResponse(status=status)

    async def List(  # noqa: N802 - the RPC's name
        self, _: health_pb2.HealthListRequest, context: Context
    ) -> health_pb2.HealthListResponse:
        """Return all statuses; RESOURCE_EXHAUSTED when they are more than LIST_LIMIT."""
        if len(self._statuses) > LIST_LIMIT:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"more than {LIST_LIMIT} names, use Check")
        responses = {name: health_pb2.HealthCheckResponse(status=status) for name, status in self._statuses.items()}
        return health_pb2.HealthListResponse(statuses=responses)

    async def Watch(  # noqa: N802 - the RPC's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> None:
        """Stream a name's status now and whenever it has changed; SERVICE_UNKNOWN while nobody has set it."""
        sent: int | None = None
        with self._watching(request.service) as watcher:
            while not (self._ended and watcher.status == sent):
                if watcher.status == sent:
                    watcher.woken.clear()
                    await watcher.woken.wait()
                else:
                    sent = watcher.status
                    await write(context, health_pb2.HealthCheckResponse(status=sent))

    @contextmanager
    def _watching(self, name: str) -> Iterator[_Watcher]:
        watcher = _Watcher(self._statuses.get(name, _UNKNOWN))
        watchers = self._watchers.setdefault(name, set())
        watchers.add(watcher)
        try:
            yield watcher
        finally:
            watchers.discard(watcher)
            if not watchers:  # a peer may watch any name: none may stay behind
                self._watchers.pop(name, None)
