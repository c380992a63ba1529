"""The composition root: build every part, serve, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc

from quickthorn.v1.record_pb2 import DecisionRecord
from quickthorn.v1.routing_service_pb2_grpc import add_RoutingServicer_to_server
from quickthorn_server.config.key_files import KeyFiles
from quickthorn_server.core.catalogue import Catalogue, RecordRule
from quickthorn_server.core.observer import Observer
from quickthorn_server.core.plan import Knowledge
from quickthorn_server.edge import wire_answer, wire_record
from quickthorn_server.edge.admin_service import register_admin
from quickthorn_server.edge.callers import Callers
from quickthorn_server.edge.circuit_health import HealthObserver
from quickthorn_server.edge.drain import Drain
from quickthorn_server.edge.gate import Gate
from quickthorn_server.edge.health import Health
from quickthorn_server.edge.interceptor import Edge
from quickthorn_server.edge.listener import listen, new_server
from quickthorn_server.edge.own_door import own_door
from quickthorn_server.edge.pool_health import PoolObserver
from quickthorn_server.edge.reflection import register_reflection
from quickthorn_server.edge.routing_service import RoutingService
from quickthorn_server.edge.shedding import Shedder
from quickthorn_server.edge.sojourn import measuring
from quickthorn_server.edge.threads import stepping_back
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.carried import Estate
from quickthorn_server.execution.checks import checking
from quickthorn_server.execution.executor import Executor
from quickthorn_server.execution.hedge_facts import hedge_facts
from quickthorn_server.execution.hedging.learners import Learners
from quickthorn_server.execution.latency import Latency
from quickthorn_server.execution.limits import Limiters
from quickthorn_server.execution.purses import Purses
from quickthorn_server.execution.reaper import Reaper
from quickthorn_server.execution.spending import Spending
from quickthorn_server.execution.teaching import taught
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.registry import Providers
from quickthorn_server.providers.webhook import Webhooks
from quickthorn_server.telemetry.batches import Batches
from quickthorn_server.telemetry.fanout import Fanout
from quickthorn_server.telemetry.log import LogObserver
from quickthorn_server.telemetry.record_file import RecordFile
from quickthorn_server.telemetry.record_stream import RecordStream
from quickthorn_server.telemetry.spans import around_rpcs

log = logging.getLogger("quickthorn")

_LAST_ESCALATIONS = 2.0  # seconds for webhooks to take the last escalations
_LAST_RECORDS = 2.0  # seconds for the disk to take the last records
_KEYS = 5.0  # seconds between two looks at files that hold keys
_REAPING = 2.0  # seconds for lanes that are still closing when the last call has ended


@dataclass(frozen=True, slots=True)
class Serving:
    """A started server: its address with the real port, and how to ask it to go (the second time: at once).

    *records* are those of its calls, for whoever listens in this process.
    """

    address: str
    stop: Callable[[], None]
    records: RecordStream[DecisionRecord]


async def serve(catalogue: Catalogue, ready: Callable[[Serving], None]) -> int:
    """Serve until SIGTERM or SIGINT, then drain; a second signal cuts the drain short.

    Calls *ready* once, when calls are accepted.  Returns the exit status.  Raises ListenError before anything runs.
    """
    loop = asyncio.get_running_loop()
    rule = catalogue.server
    health, reaper, shedder = Health(), Reaper(), Shedder(rule.max_wait)
    gate = Gate(rule.max_in_flight, loop.time, shedder=shedder)
    stream = RecordStream(wire_record.record)
    async with (
        _telling(catalogue.records, stream) as outside,
        HttpClient() as http,
        Providers(catalogue.backends.values(), http) as providers,
        _escalating(catalogue, http, outside) as outside,
        AsyncExitStack() as inside,
    ):
        with stepping_back():
            server, estate = _server(catalogue, providers, outside, health, gate=gate, reaper=reaper)
        port = listen(server, rule.listen, rule.tls)
        call_ourselves = await inside.enter_async_context(own_door(server))
        drain = Drain(server, gate, health, quiet=rule.drain_quiet, grace=rule.drain_grace, clock=loop.time)
        stop, asked_to_stop = _way_down(drain)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        await providers.start()
        await server.start()
        health.start_serving()
        backends = catalogue.backends.values()
        async with _watching_keys(KeyFiles(backends), providers, estate.breakers):
            async with checking(backends, estate), measuring(gate, shedder, call_ourselves):
                ready(Serving(_with_port(rule.listen, port), stop, stream))
                await asked_to_stop.wait()
            drained = await drain.run()
        await reaper.idle(_REAPING)
    return 1 if drained.stuck else 0


@asynccontextmanager
async def _telling(rule: RecordRule | None, stream: Observer) -> AsyncIterator[Observer]:
    """Yield who tells the outside of calls: by the log, *stream* and a file; leaving it writes the last records."""
    file = None if rule is None else RecordFile(rule, wire_record.line, wire_record.weight)
    if file is not None:
        file.start()
    batches = Batches((LogObserver(), stream) if file is None else (LogObserver(), stream, file))
    try:
        yield batches
    finally:
        batches.flush()
        if file is not None:
            await file.close(_LAST_RECORDS)


@asynccontextmanager
async def _escalating(catalogue: Catalogue, http: HttpClient, outside: Observer) -> AsyncIterator[Observer]:
    """Yield who tells *outside*, and the webhooks of routes that have any; leaving it sends what waits."""
    webhooks = Webhooks(catalogue.routes.values(), http)
    try:
        yield Fanout((outside, webhooks)) if len(webhooks) else outside
    finally:
        await webhooks.close(_LAST_ESCALATIONS)


@asynccontextmanager
async def _watching_keys(files: KeyFiles, providers: Providers, breakers: Breakers) -> AsyncIterator[None]:
    """Ask backends with the key that is in their file, also when it is another than at the start."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(_KEYS)
            for backend, key in await asyncio.to_thread(files.changed):
                providers.renew(backend, key)
                breakers[backend.name].key_renewed()

    watching = asyncio.create_task(watch(), name="key files") if len(files) else None
    try:
        yield
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])


def _server(
    catalogue: Catalogue,
    providers: Providers,
    outside: Observer,
    health: Health,
    *,
    gate: Gate,
    reaper: Reaper,
) -> tuple[grpc.aio.Server, Estate]:
    loop, rule = asyncio.get_running_loop(), catalogue.server
    circuits = HealthObserver(health, catalogue, loop.call_later, lambda backend: breakers[backend].retry_after)

    def knowledge() -> Knowledge:
        gates = breakers.keys_refused, breakers.ejected(), breakers.ramps()
        return Knowledge(breakers.circuits(), latency.first_content, *gates, facts)

    observer = Fanout((circuits, PoolObserver(health, catalogue, knowledge), outside), of_calls=(outside,))
    routes, backends, told_key = catalogue.routes.values(), catalogue.backends.values(), observer.key_changed
    purses, latency, random_ = Purses(routes), Latency(routes, loop.time), random.SystemRandom()
    breakers = Breakers(
        backends, loop.time, observer.circuit_changed, p99=latency.p99, random_=random_, told_key=told_key
    )
    limiters, spending = Limiters(backends, loop.time), Spending(routes, loop.time)
    learners = Learners(routes, purses)
    facts = hedge_facts(breakers, limiters, spending, latency, learners.advice)
    estate = Estate(
        providers=providers,
        breakers=breakers,
        limiters=limiters,
        purses=purses,
        latency=latency,
        observer=observer,
        reaper=reaper,
        random_=random_,
        heartbeat=rule.heartbeat,
        keeps_content=catalogue.records is not None and catalogue.records.content,
        spending=spending,
        teaching=taught(learners, routes, loop),
    )
    edge = Edge(gate, Callers(rule.callers), wire_answer.failure, around=around_rpcs(), write_stall=rule.write_stall)
    server = new_server(edge)
    # The RPCs that have no method yet are abstract to the type checker; the interceptor answers them UNIMPLEMENTED.
    routing = RoutingService(  # type: ignore[abstract]
        catalogue, Executor(estate), knowledge, purses.levels, observer, limited=limiters.reached
    )
    _register(server, routing, health)
    return server, estate


def _register(server: grpc.aio.Server, routing: RoutingService, health: Health) -> None:
    add_RoutingServicer_to_server(routing, server)
    register_admin(server)
    health.register(server)
    register_reflection(server)


def _way_down(drain: Drain) -> tuple[Callable[[], None], asyncio.Event]:
    """Return what asks the server to go, and the event that it was asked."""
    asked = asyncio.Event()

    def stop() -> None:
        if asked.is_set():
            log.warning("asked twice: stopping at once")
            drain.hurry()
        asked.set()

    return stop, asked


def _with_port(listen_on: str, port: int) -> str:
    """Return the address with the port that was really bound."""
    return listen_on if listen_on.startswith("unix") else f"{listen_on.rpartition(':')[0]}:{port}"
