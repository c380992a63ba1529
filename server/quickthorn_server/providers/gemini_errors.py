"""What Google's errors (google.rpc.Status as JSON) mean.  Their prose is looked at here and kept nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.failure_words import FailureWords, failed, json_of
from quickthorn_server.providers.retry_after import retry_after

_TELLING: dict[str, Failure] = {
    "api_key_invalid": Failure.UNAUTHENTICATED,  # comes with 400
    "api_key_expired": Failure.UNAUTHENTICATED,
    "credentials_missing": Failure.UNAUTHENTICATED,
    "access_token_expired": Failure.UNAUTHENTICATED,
    "access_token_type_unsupported": Failure.UNAUTHENTICATED,
    "account_state_invalid": Failure.UNAUTHENTICATED,
    "api_key_service_blocked": Failure.FORBIDDEN,
    "service_disabled": Failure.FORBIDDEN,
    "consumer_invalid": Failure.FORBIDDEN,
    "consumer_suspended": Failure.FORBIDDEN,
    "billing_disabled": Failure.QUOTA_EXHAUSTED,
    "quota_exhausted": Failure.QUOTA_EXHAUSTED,
    "resource_quota_exceeded": Failure.QUOTA_EXHAUSTED,
    "model_capacity_exhausted": Failure.OVERLOADED,
    # With 400: not from this country, or not without a bill.  The request itself is sound; another provider may do.
    "failed_precondition": Failure.FORBIDDEN,
    "deadline_exceeded": Failure.TIMEOUT,
    "cancelled": Failure.UNAVAILABLE,  # by them, with 499
}
"""Reasons (google.rpc.ErrorInfo) and statuses that say more than the HTTP status."""

_VAGUE: dict[str, Failure] = {
    "invalid_argument": Failure.INVALID,
    "out_of_range": Failure.INVALID,
    "unauthenticated": Failure.UNAUTHENTICATED,
    "permission_denied": Failure.FORBIDDEN,
    "not_found": Failure.NOT_FOUND,
    "resource_exhausted": Failure.RATE_LIMITED,
    "unavailable": Failure.OVERLOADED,
    "internal": Failure.UNAVAILABLE,
    "unknown": Failure.UNAVAILABLE,
}
"""Statuses that count only where there is no telling one: inside a stream that began with 200."""

_WORDS = FailureWords(_TELLING, _VAGUE)
_TOO_LARGE = re.compile(r"payload size exceeds|request (?:entity )?too large", re.IGNORECASE)
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def of_reply(status: int, header: Callable[[str], str], body: bytes) -> BackendError:
    """Return the error that a reply with a failing *status* is."""
    wait = retry_after(header("retry-after-ms"), header("retry-after"))
    return of_payload(json_of(body), http_status=status, retry_after=wait)


def of_payload(
    payload: Any, *, http_status: int, retry_after: float | None = None, provider_request_id: str = ""
) -> BackendError:
    """Return the error that *payload*, any JSON at all, and the status say together.

    A status of 200 means that the error came inside a stream.
    """
    error = _error_object(payload)
    given = error.get("details")
    details = [detail for detail in given if isinstance(detail, dict)] if isinstance(given, list) else []
    message = str(error.get("message") or "")
    words = [*(detail.get("reason") for detail in details), error.get("status"), error.get("code")]
    failure = _WORDS.failure(words, message, http_status)
    if failure is Failure.RATE_LIMITED and any(_spent(detail) for detail in details):
        failure = Failure.QUOTA_EXHAUSTED
    elif failure is Failure.INVALID and _TOO_LARGE.search(message):
        failure = Failure.TOO_LARGE
    wait = _delay(details) if retry_after is None else retry_after
    return failed(failure, http_status, words, retry_after=wait, provider_request_id=provider_request_id)


def _error_object(payload: Any) -> dict[str, Any]:
    """Return where code, status and message stand: `{"error": {...}}`, or a list of one."""
    if isinstance(payload, list) and payload:
        payload = payload[0]
    error = payload.get("error") if isinstance(payload, dict) else None
    return error if isinstance(error, dict) else {}


def _spent(detail: dict[str, Any]) -> bool:
    """Say whether this limit is of a day, or of nothing at all: then no wait that a call could bear helps."""
    violations = detail.get("violations")
    named = [each for each in violations if isinstance(each, dict)] if isinstance(violations, list) else []
    metadata = detail.get("metadata")
    if isinstance(metadata, dict):
        named.append({"quotaId": metadata.get("quota_limit"), "quotaValue": metadata.get("quota_limit_value")})
    return any("PerDay" in str(each.get("quotaId")) or str(each.get("quotaValue")) == "0" for each in named)


def _delay(details: Iterable[dict[str, Any]]) -> float | None:
    """Return the seconds of google.rpc.RetryInfo, a protobuf duration in JSON: `34.4s`."""
    for detail in details:
        if match := _SECONDS.fullmatch(str(detail.get("retryDelay"))):
            return float(match[1])
    return None
