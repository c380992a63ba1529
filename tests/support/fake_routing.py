"""A `Routing` server that answers as it is told, on a real socket, for tests of the client and the command line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from quickthorn import fold, messages
from quickthorn.v1.routing_service_pb2_grpc import RoutingServicer, add_RoutingServicer_to_server

Event = messages.CompletionEvent
Answer = Callable[[messages.CompletionRequest, grpc.ServicerContext], Iterator[Event]]

PATIENCE = 10.0
"""Seconds after which a test gives up waiting."""


def started(**fields: str) -> Event:
    """Return the first event of an answer."""
    return Event(started=messages.Started(**{"id": "completion-1", "request_id": "request-1", **fields}))


def say(*pieces: str, part: int = 0) -> list[Event]:
    """Return text, piece by piece."""
    return [Event(text=messages.TextDelta(part=part, text=piece)) for piece in pieces]


def finished(**fields: object) -> Event:
    """Return the last event of an answer."""
    reason = messages.FinishReason.FINISH_REASON_STOP
    return Event(finished=messages.Finished(**{"finish_reason": reason, "trace": one_lane(), **fields}))  # type: ignore[arg-type]


def one_lane() -> messages.RouteTrace:
    """Return the trace of a call that one lane served."""
    lane = messages.Attempt(
        backend="fast",
        cause=messages.LaneCause.LANE_CAUSE_FIRST,
        outcome=messages.LaneOutcome.LANE_OUTCOME_WON,
        usage=messages.Usage(input_tokens=12, output_tokens=3),
        cost_nano_usd=21_000,
    )
    lane.started.FromMilliseconds(0)
    lane.first_content.FromMilliseconds(181)
    lane.ended.FromMilliseconds(412)
    return messages.RouteTrace(attempts=[lane], served_by=0)


def whole(*pieces: str) -> list[Event]:
    """Return a whole answer."""
    return [started(), *say(*pieces), finished()]


def plays(*events: Event) -> Answer:
    """Answer every call with *events*."""
    return lambda _request, _context: iter(events)


def unknown_event() -> Event:
    """Return an event of a kind that no client knows yet: field 99, a message with one string."""
    return Event.FromString(bytes([0x9A, 0x06, 5, 0x0A, 3]) + b"new")


def rich(code: grpc.StatusCode, message: str, *details: Message) -> tuple[tuple[str, bytes]]:
    """Return the trailing metadata that carries *details*."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        wrapped = Any()
        wrapped.Pack(detail)
        status.details.append(wrapped)
    return (("grpc-status-details-bin", status.SerializeToString()),)


def info(reason: str, domain: str = "quickthorn", **metadata: str) -> error_details_pb2.ErrorInfo:
    """Return why a call fails."""
    return error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)


def fails(code: grpc.StatusCode, message: str, *details: Message, after: tuple[Event, ...] = ()) -> Answer:
    """Answer every call with *after* and then this status."""

    def answer(_request: messages.CompletionRequest, context: grpc.ServicerContext) -> Iterator[Event]:
        yield from after
        refuse(context, code, message, *details)

    return answer


def refuse(context: grpc.ServicerContext, code: grpc.StatusCode, message: str, *details: Message) -> NoReturn:
    """End the call with this status."""
    context.set_trailing_metadata(rich(code, message, *details) if details else ())
    context.abort(code, message)
    raise AssertionError("abort does not return")


@dataclass
class FakeRouting(RoutingServicer):
    """Unary answers are folds of streamed ones.  *gone* is set when the last call ended, however it did."""

    answer: Answer = field(default_factory=lambda: plays(*whole("Hello", ", ", "world")))
    explanation: messages.Explanation = field(default_factory=messages.Explanation)
    target: str = ""
    requests: list[messages.CompletionRequest] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)

    def silent(self, *first: Event) -> Answer:
        """Say *first*, then nothing until the caller goes away."""

        def answer(_request: messages.CompletionRequest, _context: grpc.ServicerContext) -> Iterator[Event]:
            yield from first
            assert self.gone.wait(PATIENCE), "the caller did not go away"

        return answer

    def seconds_until_gone(self) -> float:
        """Wait until the call has ended, and return how long that took."""
        before = time.monotonic()
        assert self.gone.wait(PATIENCE), "the call did not end"
        return time.monotonic() - before

    def StreamComplete(  # noqa: N802 - the contract's name and documentation
        self, request: messages.CompletionRequest, context: grpc.ServicerContext
    ) -> Iterator[Event]:
        self._note(request, context)
        yield from self.answer(request, context)

    def Complete(  # noqa: N802
        self, request: messages.CompletionRequest, context: grpc.ServicerContext
    ) -> messages.Completion:
        self._note(request, context)
        return fold(self.answer(request, context))

    def Explain(  # noqa: N802
        self, request: messages.CompletionRequest, context: grpc.ServicerContext
    ) -> messages.Explanation:
        self._note(request, context)
        return self.explanation

    def ListRoutes(  # noqa: N802
        self, _request: messages.ListRoutesRequest, context: grpc.ServicerContext
    ) -> messages.ListRoutesResponse:
        self.metadata.append(dict(context.invocation_metadata()))
        return messages.ListRoutesResponse(routes=[messages.RouteInfo(name="default", is_default=True)])

    def Embed(  # noqa: N802
        self, _request: messages.EmbedRequest, context: grpc.ServicerContext
    ) -> messages.EmbedResponse:
        refuse(context, grpc.StatusCode.UNIMPLEMENTED, "not yet")

    RecordFeedback = Embed  # type: ignore[assignment]

    def _note(self, request: messages.CompletionRequest, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.gone.clear()
        context.add_callback(self.gone.set)
        self.arrived.set()


@contextmanager
def serving(
    fake: FakeRouting, credentials: grpc.ServerCredentials | None = None, listen: str = "127.0.0.1:0"
) -> Iterator[FakeRouting]:
    """Serve *fake*; its *target* says where."""
    limits = [("grpc.max_receive_message_length", 32 << 20), ("grpc.max_send_message_length", 32 << 20)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        server = grpc.server(pool, options=limits)
        add_RoutingServicer_to_server(fake, server)
        port = server.add_secure_port(listen, credentials) if credentials else server.add_insecure_port(listen)
        fake.target = listen.replace(":0", f":{port}")
        server.start()
        try:
            yield fake
        finally:
            fake.gone.set()
            server.stop(grace=0).wait()
