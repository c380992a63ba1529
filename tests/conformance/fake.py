"""A server that is no Quickthorn of this version, or a broken one: what it does stands in the request's labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from quickthorn import fold, messages
from quickthorn.v1.routing_service_pb2_grpc import RoutingServicer, add_RoutingServicer_to_server
from tests.support.fake_routing import finished, info, one_lane, refuse, say, started, unknown_event

_LIMIT = (("grpc.max_send_message_length", 64 << 20), ("grpc.max_receive_message_length", 64 << 20))


class Fake(RoutingServicer):
    """Answers with `pieces` texts of `piece_bytes` bytes.

    `unknown` mixes in events of an unknown kind, `cut` leaves `finished` out, `nothing` ends at once, `garbled` fails
    with details that are no details, `unimplemented` has never heard of the method, `reason` and `code` fail with that
    and with every kind of detail there is, `every` streams every kind of event.
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
    if "reason" in labels:
        refuse(context, grpc.StatusCode[labels["code"]], "in so many words", *_details(labels["reason"]))


def _details(reason: str) -> tuple[Message, ...]:
    wait = error_details_pb2.RetryInfo()
    wait.retry_delay.FromMilliseconds(3250)
    fault = error_details_pb2.BadRequest.FieldViolation(field="sampling.top_p", description="must be above 0")
    lanes = one_lane().attempts
    failure = messages.RouteFailure(request_id="request-7", attempts=[*lanes, *lanes], delivered=4)
    return info(reason, fast="rate_limited"), wait, error_details_pb2.BadRequest(field_violations=[fault]), failure


def _every_event() -> Iterator[messages.CompletionEvent]:
    event, part = messages.CompletionEvent, messages.PartEvent
    yield started()
    yield event(heartbeat=messages.Heartbeat())
    yield event(reasoning=messages.ReasoningDelta(part=0, text="Hm"))
    yield event(part=part(part=0, value={"opaque": {"provider": "p", "data": b"\x00\xff"}}))
    yield from say("a", "b", part=1)
    yield event(part=part(part=1, value={"citations": [{"uri": "u", "start": 0, "end": 1}]}))
    yield event(part=part(part=1, value={"citations": [{"title": "t"}]}))
    yield event(tool_call=messages.ToolCallDelta(part=2, id="c", name="f", arguments_json='{"x":'))
    yield event(usage=messages.Usage(input_tokens=3, output_tokens=1, units={"web_search": 1}))
    yield event(tool_call=messages.ToolCallDelta(part=2, arguments_json=" 1}"))
    yield event(seam=messages.Seam(part=1, offset=2, from_backend="a", to_backend="b", method="anchor", exact=True))
    yield event(part=part(part=3, value={"provider_block": {"provider": "p", "type": "t", "json": '{"b": 1.0}'}}))
    yield event(part=part(part=4, value={"refusal": "no"}))
    yield event(part=part(part=5, value={"image": {"data": b"\x89PNG", "media_type": "image/png"}}))
    yield finished()


def _events(labels: Mapping[str, str]) -> Iterator[messages.CompletionEvent]:
    if "nothing" in labels:
        return
    if "every" in labels:
        yield from _every_event()
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
