"""The details of a status, cut to what certainly arrives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from quickthorn.v1 import failure_pb2, trace_pb2
from quickthorn_server.core.ends import CallError

DETAILS_LIMIT = 3072
"""Bytes of `grpc-status-details-bin`, before its encoding."""

DOMAIN = "quickthorn"

_FAILURE = f"type.googleapis.com/{failure_pb2.RouteFailure.DESCRIPTOR.full_name}"
_TEXT_LIMIT = 256  # bytes of one text inside the details: a provider's request id may be as long as it likes
_MOST = 64  # attempts or violations: more can never fit, and cutting them one by one would take time


def cut(text: str, limit: int) -> str:
    """Return the beginning of *text* that fits into *limit* bytes of UTF-8, without half a character."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def packed(
    code: int, message: str, error: CallError, wait: float | None, failure: failure_pb2.RouteFailure | None
) -> bytes:
    """Return a serialised google.rpc.Status of at most DETAILS_LIMIT bytes.

    Attempts are cut from the middle first, and counted; then violations and metadata from their ends; then the rest
    of *failure* but its identifier.  *message* is taken as it is and must be well below the limit.
    """
    facts = {cut(key, _TEXT_LIMIT): cut(value, _TEXT_LIMIT) for key, value in list(error.metadata.items())[:_MOST]}
    info = error_details_pb2.ErrorInfo(reason=error.reason.value, domain=DOMAIN, metadata=facts)
    parts = _Parts(info, _retry(wait), _bad_request(error), _bounded(failure), list(facts))
    while (status := parts.status(code, message)).ByteSize() > DETAILS_LIMIT and parts.shrink():
        pass
    serialised: bytes = status.SerializeToString()
    return serialised


def with_failure(details: bytes, failure: failure_pb2.RouteFailure) -> bytes:
    """Return serialised *details* with one more, a *failure* that is small.

    Messages that follow one another are one message, and its repeated fields have the elements of all of them
    (protobuf.dev, "Encoding: Last One Wins"): so what is always the same need not be written again.
    """
    last = Any(type_url=_FAILURE, value=failure.SerializeToString())
    return details + bytes(status_pb2.Status(details=[last]).SerializeToString())


@dataclass(slots=True)
class _Parts:
    info: error_details_pb2.ErrorInfo
    retry: error_details_pb2.RetryInfo | None
    bad_request: error_details_pb2.BadRequest
    failure: failure_pb2.RouteFailure
    facts: list[str]  # the names of the metadata in their order, which a map does not keep

    def status(self, code: int, message: str) -> status_pb2.Status:
        present: list[Message] = [self.info]
        if self.retry is not None:
            present.append(self.retry)
        present += [each for each in (self.bad_request, self.failure) if each.ByteSize()]
        return status_pb2.Status(code=code, message=message, details=[_any(each) for each in present])

    def shrink(self) -> bool:
        """Take one thing away, the least useful first; False = nothing is left to take."""
        attempts, violations, metadata = self.failure.attempts, self.bad_request.field_violations, self.info.metadata
        if len(attempts) > 2:  # noqa: PLR2004 - the first says what went wrong, the last why nothing helped
            self._omit(len(attempts) // 2)
        elif len(violations) > 1:
            del violations[-1]
        elif metadata:
            del metadata[self.facts.pop()]
        elif attempts:
            self._omit(-1)
        elif self.failure.HasField("usage"):
            self.failure.ClearField("usage")
        else:
            return False
        return True

    def _omit(self, index: int) -> None:
        del self.failure.attempts[index]
        self.failure.attempts_omitted += 1


def _retry(wait: float | None) -> error_details_pb2.RetryInfo | None:
    if wait is None:
        return None
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromTimedelta(timedelta(seconds=wait))
    return info


def _bad_request(error: CallError) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=cut(violation.field, _TEXT_LIMIT), description=cut(violation.description, _TEXT_LIMIT)
            )
            for violation in error.violations[:_MOST]
        ]
    )


def _bounded(failure: failure_pb2.RouteFailure | None) -> failure_pb2.RouteFailure:
    """Return a copy with at most _MOST attempts and no long text."""
    bounded = failure_pb2.RouteFailure()
    if failure is None:
        return bounded
    bounded.CopyFrom(failure)
    bounded.request_id = cut(failure.request_id, _TEXT_LIMIT)
    surplus = max(0, len(failure.attempts) - _MOST)
    del bounded.attempts[_MOST // 2 : _MOST // 2 + surplus]
    bounded.attempts_omitted += surplus
    for attempt in bounded.attempts:
        _shorten(attempt)
    return bounded


def _shorten(attempt: trace_pb2.Attempt) -> None:
    attempt.backend = cut(attempt.backend, _TEXT_LIMIT)
    attempt.provider = cut(attempt.provider, _TEXT_LIMIT)
    attempt.model = cut(attempt.model, _TEXT_LIMIT)
    attempt.failure = cut(attempt.failure, _TEXT_LIMIT)
    attempt.provider_request_id = cut(attempt.provider_request_id, _TEXT_LIMIT)


def _any(message: Message) -> Any:
    wrapped = Any()
    wrapped.Pack(message)
    return wrapped
