"""The failure table: what can go wrong with a backend, and what each failure means for the call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Failure(Enum):
    """Why a backend did not answer."""

    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    QUOTA_EXHAUSTED = "quota_exhausted"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTERED = "content_filtered"
    UNAVAILABLE = "unavailable"  # the provider answered with a fault of its own: 500, 502, 504
    CONNECT = "connect"  # nobody there: refused, unresolved, TLS
    LOST = "lost"  # the connection broke
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"  # what came is not what the wire format promises, or it ended early
    UNSUPPORTED = "unsupported"  # the provider's wire format cannot carry what is asked
    INTERNAL = "internal"  # a fault of ours


class Reason(Enum):
    """Why a call failed, as clients read it in `google.rpc.ErrorInfo.reason`."""

    INVALID_REQUEST = "INVALID_REQUEST"
    REJECTED = "REJECTED"
    UNKNOWN_ROUTE = "UNKNOWN_ROUTE"
    CALLER_UNKNOWN = "CALLER_UNKNOWN"
    ROUTE_FORBIDDEN = "ROUTE_FORBIDDEN"
    NO_ELIGIBLE_BACKEND = "NO_ELIGIBLE_BACKEND"
    CONTEXT_TOO_LONG = "CONTEXT_TOO_LONG"
    BACKEND_MISCONFIGURED = "BACKEND_MISCONFIGURED"
    NO_HEALTHY_BACKEND = "NO_HEALTHY_BACKEND"
    ALL_FAILED = "ALL_FAILED"
    RATE_LIMITED = "RATE_LIMITED"
    OVERLOADED = "OVERLOADED"
    DRAINING = "DRAINING"
    BUDGET_SPENT = "BUDGET_SPENT"
    FIRST_TOKEN_TIMEOUT = "FIRST_TOKEN_TIMEOUT"  # noqa: S105 - a word, no secret
    DEADLINE = "DEADLINE"
    STREAM_BROKEN = "STREAM_BROKEN"
    CONTENT_FILTERED = "CONTENT_FILTERED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What follows from a failure.

    *terminal*: no backend would do better, so no new lane starts.  *again*: the same backend may be asked once more.
    *blame*: the backend's circuit counts it.  *alone*: the call's reason if this failure speaks for the call.
    *unanimous*: *alone* holds only if every lane failed like this, otherwise the reason is ALL_FAILED.
    """

    terminal: bool = False
    again: bool = False
    blame: bool = False
    alone: Reason = Reason.ALL_FAILED
    unanimous: bool = False


_SICK = Meaning(again=True, blame=True)
_LONG = Meaning(alone=Reason.CONTEXT_TOO_LONG, unanimous=True)
_KEY = Meaning(alone=Reason.BACKEND_MISCONFIGURED, unanimous=True)

MEANING: dict[Failure, Meaning] = {
    # 429 is a healthy provider saying "slower": it waits, it does not break the circuit.
    Failure.RATE_LIMITED: Meaning(again=True, alone=Reason.RATE_LIMITED, unanimous=True),
    Failure.OVERLOADED: _SICK,
    Failure.QUOTA_EXHAUSTED: Meaning(alone=Reason.RATE_LIMITED, unanimous=True),
    Failure.UNAUTHENTICATED: _KEY,
    Failure.FORBIDDEN: _KEY,
    Failure.NOT_FOUND: _KEY,
    Failure.INVALID: Meaning(terminal=True, alone=Reason.REJECTED),
    # A limit of this model, not of the request: a candidate with more room may still take it.
    Failure.TOO_LARGE: _LONG,
    Failure.CONTEXT_LENGTH: _LONG,
    Failure.CONTENT_FILTERED: Meaning(alone=Reason.CONTENT_FILTERED),
    Failure.UNAVAILABLE: _SICK,
    Failure.CONNECT: _SICK,
    Failure.LOST: _SICK,
    Failure.TIMEOUT: _SICK,
    Failure.PROTOCOL: Meaning(blame=True),
    Failure.UNSUPPORTED: Meaning(alone=Reason.NO_ELIGIBLE_BACKEND, unanimous=True),
    Failure.INTERNAL: Meaning(alone=Reason.INTERNAL, unanimous=True),
}

_BY_STATUS: dict[int, Failure] = {
    401: Failure.UNAUTHENTICATED,
    402: Failure.QUOTA_EXHAUSTED,
    403: Failure.FORBIDDEN,
    404: Failure.NOT_FOUND,
    408: Failure.TIMEOUT,
    413: Failure.TOO_LARGE,
    429: Failure.RATE_LIMITED,
    503: Failure.OVERLOADED,
    529: Failure.OVERLOADED,
}
_CLIENT_FAULT, _SERVER_FAULT = 400, 500


def of_status(http_status: int) -> Failure:
    """Return what an HTTP status says when the body says nothing better."""
    if http_status in _BY_STATUS:
        return _BY_STATUS[http_status]
    if http_status >= _SERVER_FAULT:
        return Failure.UNAVAILABLE
    return Failure.INVALID if http_status >= _CLIENT_FAULT else Failure.PROTOCOL


class BackendError(Exception):
    """One attempt failed.

    The message names the kind of fault in our own words; a provider's prose may echo keys and prompts, so it is
    never kept.  *retry_after* in seconds, None = the provider named no wait.  *pushed_back*: it asked for no further
    attempt at this call at all, as gRPC's servers may (proposal A6, "Pushback").  *told_status*: the HTTP status that
    it named inside an answer that had begun well, None = it named none.
    """

    def __init__(
        self,
        failure: Failure,
        message: str = "",
        *,
        http_status: int | None = None,
        retry_after: float | None = None,
        provider_request_id: str = "",
        told_status: int | None = None,
    ) -> None:
        super().__init__(message or failure.value)
        self.failure = failure
        self.http_status = http_status
        self.retry_after = retry_after
        self.provider_request_id = provider_request_id
        self.told_status = told_status
        self.pushed_back = False
