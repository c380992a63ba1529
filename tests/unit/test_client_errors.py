"""A gRPC status becomes one exception that holds everything the status said."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from datetime import timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from quickthorn import QuickthornError, messages
from quickthorn._errors import of_call
from tests.support.fake_routing import info, rich

Code = grpc.StatusCode
Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True)
class Ended:
    """A call that failed."""

    status: grpc.StatusCode
    message: str | None = "it failed"
    trailing: Metadata | None = ()
    initial: Metadata | None = ()

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str | None:
        return self.message

    def initial_metadata(self) -> Metadata | None:
        return self.initial

    def trailing_metadata(self) -> Metadata | None:
        return self.trailing


def everything() -> QuickthornError:
    """Return the error of a status with all details that there are."""
    failure = messages.RouteFailure(
        request_id="r-1",
        attempts=[messages.Attempt(backend="fast", failure="lost")],
        usage=messages.Usage(output_tokens=3),
        cost_nano_usd=0,
        delivered=1204,
    )
    violation = error_details_pb2.BadRequest.FieldViolation(field="sampling.top_k", description="must be 1 or more")
    details = rich(
        Code.UNAVAILABLE,
        "it broke",
        info("STREAM_BROKEN", backend="fast"),
        error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)),
        error_details_pb2.BadRequest(field_violations=[violation]),
        failure,
    )
    return of_call(Ended(Code.UNAVAILABLE, "it broke", details))


def test_every_detail_arrives() -> None:
    """Reason, facts, wait, fields, attempts, usage, cost and what was delivered are all attributes."""
    error = everything()
    assert (error.code, error.reason, error.message) == (Code.UNAVAILABLE, "STREAM_BROKEN", "it broke")
    assert error.from_server
    assert error.info == {"backend": "fast"}
    assert error.retry_delay == timedelta(seconds=1.5)
    assert [each.field for each in error.field_violations] == ["sampling.top_k"]
    assert [each.failure for each in error.attempts] == ["lost"]
    assert error.usage == messages.Usage(output_tokens=3)
    assert (error.cost_nano_usd, error.delivered, error.request_id) == (0, 1204, "r-1")
    assert str(error) == "UNAVAILABLE STREAM_BROKEN: it broke"


def test_a_status_without_details_says_little() -> None:
    """Nothing is made up: no reason, no attempts, no wait, and not the server's word."""
    error = of_call(Ended(Code.DEADLINE_EXCEEDED, None, None, None))
    assert (error.reason, error.from_server, error.attempts, error.retry_delay) == ("", False, (), None)
    assert (error.usage, error.cost_nano_usd, error.delivered, error.request_id) == (None, None, 0, "")
    assert str(error) == "DEADLINE_EXCEEDED: no details were given"


def test_a_broken_connection_is_not_the_servers_word() -> None:
    """The server's headers had come, its status had not: only the request's id is known from it."""
    error = of_call(Ended(Code.UNAVAILABLE, "Socket closed", (), (("quickthorn-request-id", "r-1"),)))
    assert not error.from_server
    assert error.request_id == "r-1"


def test_another_services_details_are_not_ours() -> None:
    """A gateway may use the same details; its reasons are not Quickthorn's."""
    error = of_call(Ended(Code.UNAVAILABLE, "no", rich(Code.UNAVAILABLE, "no", info("THROTTLED", "example.com"))))
    assert (error.from_server, error.reason, error.info) == (False, "", {})


@pytest.mark.parametrize("blob", [b"\xff\xff\xff", b"", "text"])
def test_garbage_in_the_details_is_ignored(blob: bytes | str) -> None:
    """What is no status leaves code and message, and raises nothing."""
    error = of_call(Ended(Code.INTERNAL, "it failed", (("grpc-status-details-bin", blob),)))
    assert (error.code, error.message, error.from_server) == (Code.INTERNAL, "it failed", False)


def test_an_error_survives_a_process_boundary() -> None:
    """Pools pickle exceptions; one that cannot be read back would break the pool."""
    error = everything()
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert isinstance(copy, QuickthornError)
    assert (str(copy), copy.attempts, copy.retry_delay) == (str(error), error.attempts, error.retry_delay)
