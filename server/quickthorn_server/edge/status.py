"""What a failed call looks like on the wire: the status table of the design."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

import grpc
from google.rpc import code_pb2

from quickthorn.v1 import failure_pb2
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.edge.details import cut, packed, with_failure

MESSAGE_LIMIT = 1024
"""Bytes of UTF-8 in a status message."""

DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"

_LONGEST_WAIT = 86_400.0  # seconds; a provider may name any number
_AT_ONCE = 0.1  # seconds until a client may ask again where no other wait is known
_REFUSALS = frozenset({Reason.OVERLOADED, Reason.DRAINING})
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Sent(Enum):
    """How a status leaves, which decides what a service mesh makes of it.

    Measured with Envoy 1.40: a trailers-only UNAVAILABLE is retried elsewhere and gets this replica ejected; the same
    status after initial metadata is neither.  So what providers did follows the headers and tells clients not to
    retry, and what only this replica refuses comes without headers and says when to ask again.
    """

    HEADERS_FIRST = "headers first"
    TRAILERS_ONLY = "trailers only"
    AS_IT_COMES = "as it comes"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.  *wait*: seconds in RetryInfo where the error names none, None = waiting does not help."""

    code: int
    sent: Sent = Sent.AS_IT_COMES
    wait: float | None = None


TABLE: dict[Reason, Row] = {
    Reason.INVALID_REQUEST: Row(code_pb2.INVALID_ARGUMENT),
    Reason.REJECTED: Row(code_pb2.INVALID_ARGUMENT),
    Reason.UNKNOWN_ROUTE: Row(code_pb2.NOT_FOUND),
    Reason.CALLER_UNKNOWN: Row(code_pb2.UNAUTHENTICATED),
    Reason.ROUTE_FORBIDDEN: Row(code_pb2.PERMISSION_DENIED),
    Reason.NO_ELIGIBLE_BACKEND: Row(code_pb2.FAILED_PRECONDITION),
    Reason.CONTEXT_TOO_LONG: Row(code_pb2.FAILED_PRECONDITION),
    Reason.BACKEND_MISCONFIGURED: Row(code_pb2.FAILED_PRECONDITION, Sent.HEADERS_FIRST),
    Reason.NO_HEALTHY_BACKEND: Row(code_pb2.UNAVAILABLE, Sent.HEADERS_FIRST, wait=1.0),
    Reason.ALL_FAILED: Row(code_pb2.UNAVAILABLE, Sent.HEADERS_FIRST, wait=1.0),
    Reason.RATE_LIMITED: Row(code_pb2.RESOURCE_EXHAUSTED, Sent.HEADERS_FIRST, wait=1.0),
    Reason.OVERLOADED: Row(code_pb2.RESOURCE_EXHAUSTED, Sent.TRAILERS_ONLY, wait=0.25),
    Reason.DRAINING: Row(code_pb2.UNAVAILABLE, Sent.TRAILERS_ONLY),
    Reason.BUDGET_SPENT: Row(code_pb2.RESOURCE_EXHAUSTED),
    Reason.FIRST_TOKEN_TIMEOUT: Row(code_pb2.DEADLINE_EXCEEDED, Sent.HEADERS_FIRST),
    Reason.DEADLINE: Row(code_pb2.DEADLINE_EXCEEDED, Sent.HEADERS_FIRST),
    # Headers are out already: no client and no mesh retries what has begun.
    Reason.STREAM_BROKEN: Row(code_pb2.UNAVAILABLE, wait=1.0),
    Reason.CONTENT_FILTERED: Row(code_pb2.INVALID_ARGUMENT),
    Reason.INTERNAL: Row(code_pb2.INTERNAL),
}


@dataclass(frozen=True, slots=True)
class RichStatus:
    """A status ready to leave.  *headers_first*: initial metadata must precede it."""

    code: grpc.StatusCode
    message: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]
    headers_first: bool


def failure_status(error: CallError, failure: failure_pb2.RouteFailure | None) -> RichStatus:
    """Return how *error* reaches the caller, with *failure* among its details.

    Guarantees: `google.rpc.Status.code` equals the code, the message is at most 1 KiB and the details at most 3 KiB
    (larger metadata is dropped at random from 8 KiB on, and the client then sees a false RESOURCE_EXHAUSTED).  What
    does not fit is cut from *failure*'s attempts first.  *failure* itself is not changed.
    """
    if error.reason in _REFUSALS and error.trace is None and not (error.violations or error.metadata):
        return _refusal_status(error, failure)
    return _status(error, failure)


def _refusal_status(error: CallError, failure: failure_pb2.RouteFailure | None) -> RichStatus:
    """Return the same for a refusal of ours: there are few kinds of them, and under overload very many of each."""
    known = _refusals(error.reason, error.message, error.retry_after)
    if failure is None:
        return known
    (key, details), *rest = known.trailing_metadata
    assert isinstance(details, bytes)  # noqa: S101 - it is what `_status` puts first
    return replace(known, trailing_metadata=((key, with_failure(details, failure)), *rest))


@lru_cache(maxsize=256)
def _refusals(reason: Reason, message: str, retry_after: float | None) -> RichStatus:
    return _status(CallError(reason, message, retry_after=retry_after), None)


def _status(error: CallError, failure: failure_pb2.RouteFailure | None) -> RichStatus:
    row = TABLE[error.reason]
    message = "internal error" if error.reason is Reason.INTERNAL else cut(error.message, MESSAGE_LIMIT)
    wait = row.wait if error.retry_after is None else _bounded(error.retry_after)
    details = packed(row.code, message, error, wait, failure)
    return RichStatus(
        code=_CODES[row.code],
        message=message,
        trailing_metadata=((DETAILS_KEY, details), *_pushback(row.sent, wait)),
        headers_first=row.sent is Sent.HEADERS_FIRST,
    )


def _pushback(sent: Sent, wait: float | None) -> tuple[tuple[str, str], ...]:
    """Return the retry pushback (gRFC A6): milliseconds, or -1 = do not retry."""
    if sent is Sent.HEADERS_FIRST:
        return ((PUSHBACK_KEY, "-1"),)
    if sent is Sent.TRAILERS_ONLY:
        return ((PUSHBACK_KEY, str(max(1, math.ceil((wait or _AT_ONCE) * 1000)))),)
    return ()


def _bounded(seconds: float) -> float:
    return min(seconds, _LONGEST_WAIT) if seconds > 0 else 0.0  # not-a-number is not greater
