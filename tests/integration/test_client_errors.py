"""Calls that fail, of both clients: one exception that says what and who."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from quickthorn import STREAM_CUT, Client, QuickthornError, messages, text
from tests.support.both_clients import Call, both_clients
from tests.support.broken_wire import breaks_after
from tests.support.fake_routing import FakeRouting, fails, info, plays, say, serving, started, whole

Code = grpc.StatusCode


@pytest.fixture
def fake() -> Iterator[FakeRouting]:
    """Return a server."""
    with serving(FakeRouting()) as server:
        yield server


def failure_of(call: Call, fake: FakeRouting, method: str, **fields: Any) -> QuickthornError:
    """Return the error of a call that must fail."""
    with pytest.raises(QuickthornError) as caught:
        call(fake, method, "Hello", **fields)
    return caught.value


@both_clients
@pytest.mark.parametrize("method", ["complete", "stream"])
def test_the_servers_details_arrive(fake: FakeRouting, call: Call, method: str) -> None:
    """Code, reason, facts, wait and attempts, of unary calls and of streams."""
    lanes = [messages.Attempt(backend="fast", failure="connect"), messages.Attempt(backend="steady")]
    fake.answer = fails(
        Code.UNAVAILABLE,
        "every backend failed",
        info("ALL_FAILED", fast="connect"),
        error_details_pb2.RetryInfo(retry_delay=Duration(seconds=2)),
        messages.RouteFailure(request_id="r-1", attempts=lanes),
    )
    error = failure_of(call, fake, method)
    assert (error.code, error.reason, error.message) == (Code.UNAVAILABLE, "ALL_FAILED", "every backend failed")
    assert error.from_server
    assert [attempt.backend for attempt in error.attempts] == ["fast", "steady"]
    assert error.retry_delay == timedelta(seconds=2)
    assert (error.info, error.request_id) == ({"fast": "connect"}, "r-1")


@both_clients
def test_a_stream_may_fail_in_the_middle(fake: FakeRouting, call: Call) -> None:
    """What came before is delivered, then the error."""
    details = (info("STREAM_BROKEN"), messages.RouteFailure(delivered=3))
    fake.answer = fails(Code.UNAVAILABLE, "it broke", *details, after=(started(), *say("Hel")))
    error = failure_of(call, fake, "stream")
    assert (error.reason, error.delivered, error.from_server) == ("STREAM_BROKEN", 3, True)


def test_what_came_before_a_failure_can_be_kept(fake: FakeRouting) -> None:
    """Iterating hands out every event before it raises."""
    fake.answer = fails(Code.UNAVAILABLE, "it broke", info("STREAM_BROKEN"), after=(started(), *say("Hel", "lo")))
    kept: list[str] = []
    with Client(fake.target) as client, pytest.raises(QuickthornError):
        kept.extend(client.stream("Hello").text())
    assert kept == ["Hel", "lo"]


@both_clients
def test_a_stream_without_its_end_was_cut(fake: FakeRouting, call: Call) -> None:
    """Iterating raises STREAM_CUT even though gRPC says OK: nobody takes half an answer for a whole one."""
    fake.answer = plays(*whole("Hello")[:-1])
    error = failure_of(call, fake, "stream")
    assert (error.reason, error.code, error.from_server) == (STREAM_CUT, Code.UNAVAILABLE, False)


@both_clients
def test_field_violations_arrive(fake: FakeRouting, call: Call) -> None:
    """A bad request names its fields."""
    violation = error_details_pb2.BadRequest.FieldViolation(field="messages", description="must not be empty")
    bad = error_details_pb2.BadRequest(field_violations=[violation])
    fake.answer = fails(Code.INVALID_ARGUMENT, "bad request", info("INVALID_REQUEST"), bad)
    error = failure_of(call, fake, "complete")
    assert [(each.field, each.description) for each in error.field_violations] == [("messages", "must not be empty")]


@both_clients
def test_a_status_without_details_is_not_the_servers_word(fake: FakeRouting, call: Call) -> None:
    """A proxy's own refusal looks like this."""
    fake.answer = fails(Code.UNAVAILABLE, "no healthy upstream")
    error = failure_of(call, fake, "complete")
    assert (error.code, error.reason, error.from_server) == (Code.UNAVAILABLE, "", False)


@both_clients
def test_a_cancel_that_the_server_sent_is_an_error(fake: FakeRouting, call: Call) -> None:
    """CANCELLED from the peer (calls queued while it stops) is not our own cancel."""
    fake.answer = fails(Code.CANCELLED, "stopping")
    for method in ("complete", "stream"):
        assert failure_of(call, fake, method).code is Code.CANCELLED


@both_clients
@pytest.mark.parametrize("method", ["complete", "stream", "explain"])
def test_nobody_there_is_said_at_once(call: Call, method: str) -> None:
    """A refused connection fails in an instant and is not the server's word."""
    before = time.monotonic()
    error = failure_of(call, FakeRouting(target=f"127.0.0.1:{free_port()}"), method)
    assert (error.code, error.from_server) == (Code.UNAVAILABLE, False)
    assert "Connection refused" in error.message
    assert time.monotonic() - before < 2.0


@both_clients
def test_a_call_may_wait_for_the_server(call: Call) -> None:
    """With `wait_for_ready` a server that comes up later is waited for."""
    port = free_port()
    fake = FakeRouting(target=f"127.0.0.1:{port}")
    stopped = threading.Event()

    def serve_later() -> None:
        time.sleep(0.3)
        with serving(fake, listen=f"127.0.0.1:{port}"):
            stopped.wait(10)

    server = threading.Thread(target=serve_later)
    server.start()
    try:
        assert text(call(fake, "complete", "Hello", wait_for_ready=True, timeout=10)) == "Hello, world"
    finally:
        stopped.set()
        server.join()


@both_clients
def test_a_broken_connection_is_not_the_servers_word(fake: FakeRouting, call: Call) -> None:
    """The connection breaks in the middle of a stream: an error, inferred here."""
    fake.answer = fake.silent(started(), *say("Hel"))
    with breaks_after(fake.target, b"Hel") as broken:
        error = failure_of(call, FakeRouting(target=broken), "stream")
    assert error.code in {Code.UNAVAILABLE, Code.INTERNAL}
    assert (error.reason, error.from_server) == ("", False)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
