"""The status table, and details that always arrive."""

from __future__ import annotations

import math
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from quickthorn.v1 import failure_pb2, trace_pb2, usage_pb2
from quickthorn_server.core.ends import CallError, FieldViolation
from quickthorn_server.core.failures import Reason
from quickthorn_server.edge.details import DETAILS_LIMIT, cut
from quickthorn_server.edge.status import TABLE, RichStatus, failure_status

# The design's table: reason -> code, headers first, pushback ("" = none), whether RetryInfo comes by itself.
DESIGN = """
INVALID_REQUEST       INVALID_ARGUMENT    -       -    -
REJECTED              INVALID_ARGUMENT    -       -    -
UNKNOWN_ROUTE         NOT_FOUND           -       -    -
CALLER_UNKNOWN        UNAUTHENTICATED     -       -    -
ROUTE_FORBIDDEN       PERMISSION_DENIED   -       -    -
NO_ELIGIBLE_BACKEND   FAILED_PRECONDITION -       -    -
CONTEXT_TOO_LONG      FAILED_PRECONDITION -       -    -
BACKEND_MISCONFIGURED FAILED_PRECONDITION headers -1   -
NO_HEALTHY_BACKEND    UNAVAILABLE         headers -1   retry
ALL_FAILED            UNAVAILABLE         headers -1   retry
RATE_LIMITED          RESOURCE_EXHAUSTED  headers -1   retry
OVERLOADED            RESOURCE_EXHAUSTED  -       250  retry
DRAINING              UNAVAILABLE         -       100  -
BUDGET_SPENT          RESOURCE_EXHAUSTED  -       -    -
FIRST_TOKEN_TIMEOUT   DEADLINE_EXCEEDED   headers -1   -
DEADLINE              DEADLINE_EXCEEDED   headers -1   -
STREAM_BROKEN         UNAVAILABLE         -       -    retry
CONTENT_FILTERED      INVALID_ARGUMENT    -       -    -
INTERNAL              INTERNAL            -       -    -
"""
ROWS = [line.split() for line in DESIGN.strip().splitlines()]


def details(status: RichStatus) -> status_pb2.Status:
    """Return what `grpc-status-details-bin` says."""
    return status_pb2.Status.FromString(dict(status.trailing_metadata)["grpc-status-details-bin"])


def detail(status: RichStatus, kind: type[Any]) -> Any:
    """Return the detail of type *kind*, None = there is none."""
    for each in details(status).details:
        if each.Is(kind.DESCRIPTOR):
            found = kind()
            each.Unpack(found)
            return found
    return None


def lanes(count: int, **fields: Any) -> failure_pb2.RouteFailure:
    """Return a failure with *count* attempts, named by their place."""
    attempts = [trace_pb2.Attempt(backend=f"b{place}", **fields) for place in range(count)]
    return failure_pb2.RouteFailure(request_id="id", attempts=attempts)


@pytest.mark.parametrize(("reason", "code", "first", "pushback", "retry"), ROWS)
def test_the_table_is_the_design(reason: str, code: str, first: str, pushback: str, retry: str) -> None:
    """Code, way of leaving, pushback and RetryInfo of every reason."""
    status = failure_status(CallError(Reason(reason), "why"), None)
    assert status.code.name == code
    assert status.headers_first == (first == "headers")
    assert dict(status.trailing_metadata).get("grpc-retry-pushback-ms", "-") == pushback
    assert (detail(status, error_details_pb2.RetryInfo) is not None) == (retry == "retry")


def test_the_table_is_whole() -> None:
    """Every reason has a row, here and in the design."""
    assert set(TABLE) == set(Reason)
    assert {row[0] for row in ROWS} == {reason.value for reason in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_every_status_says_the_same_thing_twice(reason: Reason) -> None:
    """Code and message of the details equal those of the RPC, or clients raise; domain and reason are set."""
    status = failure_status(CallError(reason, "why", metadata={"route": "fsat"}), None)
    packed = details(status)
    assert (packed.code, packed.message) == (status.code.value[0], status.message)
    info = detail(status, error_details_pb2.ErrorInfo)
    assert (info.domain, info.reason, dict(info.metadata)) == ("quickthorn", reason.value, {"route": "fsat"})


def test_the_text_of_a_bug_is_hidden() -> None:
    """Whatever an INTERNAL error says, the caller reads two words."""
    status = failure_status(CallError(Reason.INTERNAL, "postgres://user:pass@host"), None)
    assert status.message == "internal error"
    assert b"postgres" not in details(status).SerializeToString()


@pytest.mark.parametrize(
    ("asked", "seconds", "pushback"),
    [
        (0.0, 0, "100"),
        (0.3, 0.3, "300"),
        (1e18, 86_400, "86400000"),
        (-5, 0, "100"),
        (math.nan, 0, "100"),
        (math.inf, 86_400, "86400000"),
    ],
)
def test_a_wait_is_passed_on_within_reason(asked: float, seconds: float, pushback: str) -> None:
    """RetryInfo and pushback say the same; what a provider wrote may be any number."""
    status = failure_status(CallError(Reason.OVERLOADED, "full", retry_after=asked), None)
    retry = detail(status, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToTimedelta().total_seconds() == seconds
    assert dict(status.trailing_metadata)["grpc-retry-pushback-ms"] == pushback


def test_fields_are_named() -> None:
    """Violations become a BadRequest."""
    error = CallError(Reason.INVALID_REQUEST, "no", violations=(FieldViolation("messages[0].role", "is unknown"),))
    bad = detail(failure_status(error, None), error_details_pb2.BadRequest)
    assert [(v.field, v.description) for v in bad.field_violations] == [("messages[0].role", "is unknown")]


def test_a_small_failure_travels_whole() -> None:
    """What fits is not touched, and what is passed in is not changed."""
    failure = lanes(3, failure="connect")
    status = failure_status(CallError(Reason.ALL_FAILED, "no"), failure)
    assert detail(status, failure_pb2.RouteFailure) == failure
    assert failure == lanes(3, failure="connect")


def test_attempts_are_cut_from_the_middle() -> None:
    """The first and the last stay, and the cut ones are counted."""
    status = failure_status(CallError(Reason.ALL_FAILED, "no"), lanes(40, provider_request_id="x" * 150))
    kept = detail(status, failure_pb2.RouteFailure)
    names = [attempt.backend for attempt in kept.attempts]
    assert (names[0], names[-1]) == ("b0", "b39")
    assert len(names) + kept.attempts_omitted == 40
    assert names == [f"b{n}" for n in (*range(len(names) - len(names) // 2), *range(40 - len(names) // 2, 40))]
    # Nothing more was cut than had to be: another attempt of 160 bytes would not have fitted.
    assert DETAILS_LIMIT - 170 < details(status).ByteSize() <= DETAILS_LIMIT


def test_a_thousand_attempts_are_all_accounted_for() -> None:
    """However many there were: a few are kept, the first and the last among them, and all others are counted."""
    kept = detail(failure_status(CallError(Reason.ALL_FAILED, "no"), lanes(1000)), failure_pb2.RouteFailure)
    assert (kept.attempts[0].backend, kept.attempts[-1].backend) == ("b0", "b999")
    assert len(kept.attempts) + kept.attempts_omitted == 1000
    assert len(kept.attempts) > 20


def test_violations_go_after_attempts() -> None:
    """With too many of both the first and last attempt stay, and then violations go from the end."""
    violations = tuple(FieldViolation(f"f{n}", "y" * 200) for n in range(30))
    status = failure_status(CallError(Reason.INVALID_REQUEST, "no", violations=violations), lanes(9, model="m" * 100))
    kept, bad = detail(status, failure_pb2.RouteFailure), detail(status, error_details_pb2.BadRequest)
    assert [attempt.backend for attempt in kept.attempts] == ["b0", "b8"]
    assert kept.attempts_omitted == 7
    assert [v.field for v in bad.field_violations] == [f"f{n}" for n in range(len(bad.field_violations))]
    assert len(bad.field_violations) > 5


def test_a_message_ends_before_half_a_character() -> None:
    """1 KiB of UTF-8 at most, valid, also from what is not."""
    status = failure_status(CallError(Reason.REJECTED, "é€𝄞" * 1000 + "\ud800"), None)
    assert 1020 < len(status.message.encode()) <= 1024
    assert cut("a\ud800b", 10) == "a?b"


texts = st.text(max_size=3000)
attempt_lists = st.lists(
    st.builds(
        trace_pb2.Attempt,
        backend=st.text("ab€", max_size=400),
        model=st.text("ab€", max_size=5000),
        provider_request_id=st.text("ab€", max_size=5000),
        usage=st.builds(
            usage_pb2.Usage, units=st.dictionaries(st.text("abc", max_size=300), st.integers(0, 9), max_size=9)
        ),
    ),
    max_size=200,
)


@given(
    message=texts,
    metadata=st.dictionaries(texts, texts, max_size=80),
    violations=st.lists(st.builds(FieldViolation, field=texts, description=texts), max_size=80),
    attempts=attempt_lists,
    request_id=st.text("ab€", max_size=9000),
    reason=st.sampled_from(Reason),
)
def test_no_failure_is_ever_too_large(  # noqa: PLR0917 - hypothesis passes them by name
    message: str,
    metadata: dict[str, str],
    violations: list[FieldViolation],
    attempts: list[trace_pb2.Attempt],
    request_id: str,
    reason: Reason,
) -> None:
    """Whatever goes in, 3 KiB come out, with reason and identifier, and every attempt is there or counted."""
    failure = failure_pb2.RouteFailure(request_id=request_id, attempts=attempts)
    error = CallError(reason, message, violations=tuple(violations), metadata=metadata)
    status = failure_status(error, failure)
    assert details(status).ByteSize() <= DETAILS_LIMIT
    assert len(status.message.encode()) <= 1024
    assert detail(status, error_details_pb2.ErrorInfo).reason == reason.value
    kept = detail(status, failure_pb2.RouteFailure)
    if attempts or request_id:
        assert len(kept.attempts) + kept.attempts_omitted == len(attempts)
        assert request_id.startswith(kept.request_id)
    assert isinstance(status.code, grpc.StatusCode)
