"""A server that is no Quickthorn of this version, or a broken one: what it does stands in the request's labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from quickthorn import fold, messages
from quickthorn.v1.routing_service_pb2_grpc import RoutingServicer, add_RoutingServicer_to_server
from tests.support.fake_routing import finished, say, started, unknown_event

_LIMIT = (("grpc.max_send_message_length", 64 << 20), ("grpc.max_receive_message_length", 64 << 20))


class Fake(RoutingServicer):
    """Answers with `pieces` texts of `piece_bytes` bytes.

    `unknown` mixes in events of an unknown kind, `cut` leaves `finished` out, `nothing` ends at once, `garbled` fails
    with details that are no details, `unimplemented` has never heard of the method.
    """

    def Complete(  # noqa: N802 - the contract's name
        self, request: messages.CompletionRequest, context: grpc.ServicerContext
    ) -> messages.Completion:
        """Answer in one piece."""
        _refuse(request.labels, context)
        return fold(_events(request.labels))

    def StreamComplete(  # noqa: N802 - the contract's name
        self, request: messages.CompletionRequest, context: grpc.ServicerContext
    ) -> Iterator[messages.CompletionEvent]:
        """Answer as it comes."""
        _refuse(request.labels, context)
        yield from _events(request.labels)


def _refuse(labels: Mapping[str, str], context: grpc.ServicerContext) -> None:
    if "unimplemented" in labels:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
    if "garbled" in labels:
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff no status"),))
        context.abort(grpc.StatusCode.UNAVAILABLE, "who knows")


def _events(labels: Mapping[str, str]) -> Iterator[messages.CompletionEvent]:
    if "nothing" in labels:
        return
    unknown = [unknown_event()] if "unknown" in labels else []
    yield started()
    for _ in range(int(labels["pieces"])):
        yield from unknown
        yield from say("x" * int(labels["piece_bytes"]))
    if "cut" not in labels:
        yield from unknown
        yield finished()


@contextmanager
def fake() -> Iterator[str]:
    """Serve on a free loopback port and yield the address."""
    server = grpc.server(ThreadPoolExecutor(4), options=_LIMIT)
    add_RoutingServicer_to_server(Fake(), server)  # type: ignore[abstract] # the rest is unimplemented, as it should
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
