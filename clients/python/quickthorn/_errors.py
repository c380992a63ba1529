"""The one exception of this package, and how a gRPC status becomes one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Protocol, TypeAlias, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from quickthorn.v1.failure_pb2 import RouteFailure
from quickthorn.v1.trace_pb2 import Attempt
from quickthorn.v1.usage_pb2 import Usage

DOMAIN = "quickthorn"
"""`google.rpc.ErrorInfo.domain` of everything that a Quickthorn server says."""

STREAM_CUT = "STREAM_CUT"
"""The one reason that this package gives itself: a stream ended without its `finished` event."""

_DETAILS_KEY = "grpc-status-details-bin"
_REQUEST_ID_KEY = "quickthorn-request-id"

FieldViolation: TypeAlias = error_details_pb2.BadRequest.FieldViolation
_M = TypeVar("_M", bound=Message)


class QuickthornError(Exception):
    """A call failed.  Everything that can be known about it is an attribute.

    *code*: the gRPC status code.
    *reason*: the name of a `quickthorn.v1.Reason` without its prefix, "STREAM_CUT" for a stream that ended without
    `finished`, or "" where nobody gave a reason.
    *message*: what happened, in words; do not parse it.
    *from_server*: True = a Quickthorn server said it, in its own details.  False = it was inferred on this side of the
    wire (not connected, deadline passed here, stream cut), or said by a proxy or by gRPC itself.
    *info*: facts that belong to the reason, such as why each backend was dropped.
    *retry_delay*: how long to wait before asking again; None = waiting is not known to help.
    *field_violations*: the fields of the request that are wrong, each with `field` and `description`.
    *failure*: what the call had done before it failed; None = the server did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        from_server: bool = False,
        info: Mapping[str, str] | None = None,
        retry_delay: timedelta | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
        failure: RouteFailure | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.from_server = from_server
        self.info = dict(info or {})
        self.retry_delay = retry_delay
        self.field_violations = field_violations
        self.failure = failure
        self.request_id = request_id

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The lanes of the call, in the order of their start; empty if none was started or the server did not say."""
        return tuple(self.failure.attempts) if self.failure else ()

    @property
    def usage(self) -> Usage | None:
        """What the failed call consumed; None = nothing was sent, or the server did not say."""
        return self.failure.usage if self.failure and self.failure.HasField("usage") else None

    @property
    def cost_nano_usd(self) -> int | None:
        """What the failed call cost, in nano-USD; None = unknown."""
        return self.failure.cost_nano_usd if self.failure and self.failure.HasField("cost_nano_usd") else None

    @property
    def delivered(self) -> int:
        """UTF-8 bytes of text that had been sent to this client before the failure."""
        return self.failure.delivered if self.failure else 0

    def __str__(self) -> str:
        return f"{self.code.name}{' ' if self.reason else ''}{self.reason}: {self.message}"


class _Ended(Protocol):
    """What grpc and grpc.aio both say of a call that failed."""

    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def initial_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...
    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


def of_call(call: _Ended) -> QuickthornError:
    """Return the error of a *call* that ended with another status than OK.

    Only details with our domain count as the server's word.  Initial metadata does not: it arrives long before a
    connection breaks or a deadline passes here.
    """
    initial, trailing = _metadata(call.initial_metadata()), _metadata(call.trailing_metadata())
    status = _parsed(status_pb2.Status, trailing.get(_DETAILS_KEY, b""))
    info = _detail(status, error_details_pb2.ErrorInfo)
    retry = _detail(status, error_details_pb2.RetryInfo)
    request = _detail(status, error_details_pb2.BadRequest)
    failure = _detail(status, RouteFailure)
    ours = info is not None and info.domain == DOMAIN
    return QuickthornError(
        call.details() or "no details were given",
        code=call.code(),
        reason=info.reason if info and ours else "",
        from_server=ours,
        info=info.metadata if info and ours else None,
        retry_delay=retry.retry_delay.ToTimedelta() if retry else None,
        field_violations=tuple(request.field_violations) if request else (),
        failure=failure,
        request_id=failure.request_id if failure else str(initial.get(_REQUEST_ID_KEY, "")),
    )


def cancelled_here() -> QuickthornError:
    """Return the error of a call that somebody else on this side closed while it was waited for."""
    return QuickthornError("the call was closed on this side", code=grpc.StatusCode.CANCELLED)


def stream_cut() -> QuickthornError:
    """Return the error of a stream that ended without `finished`: what came is not the whole answer."""
    message = "the stream ended without `finished`: what came is not the whole answer"
    return QuickthornError(message, code=grpc.StatusCode.UNAVAILABLE, reason=STREAM_CUT)


def _metadata(entries: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str | bytes]:
    return {key: value for key, value in entries or ()}  # noqa: C416 - grpc's own metadatum is not quite a tuple


def _parsed(kind: type[_M], blob: str | bytes) -> _M | None:
    """Return *blob* as a *kind*, or None if it is something else: a proxy may write anything."""
    try:
        return kind.FromString(blob) if isinstance(blob, bytes) else None
    except DecodeError:
        return None


def _detail(status: status_pb2.Status | None, kind: type[_M]) -> _M | None:
    """Return the first of *status*'s details that is a *kind*."""
    for detail in status.details if status else ():
        if detail.Is(kind.DESCRIPTOR):
            return _parsed(kind, detail.value)
    return None
