"""What OpenAI-shaped errors mean.  Their prose is looked at here and kept nowhere."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from quickthorn_server.core.failures import BackendError, Failure, of_status
from quickthorn_server.providers.http import HttpReply

_OK = 200

_BY_WORD: dict[str, Failure] = {
    "context_length_exceeded": Failure.CONTEXT_LENGTH,
    "exceed_context_size_error": Failure.CONTEXT_LENGTH,
    "string_above_max_length": Failure.CONTEXT_LENGTH,
    "request_too_large": Failure.TOO_LARGE,
    "content_filter": Failure.CONTENT_FILTERED,
    "content_policy_violation": Failure.CONTENT_FILTERED,
    "responsibleaipolicyviolation": Failure.CONTENT_FILTERED,
    "insufficient_quota": Failure.QUOTA_EXHAUSTED,
    "billing_hard_limit_reached": Failure.QUOTA_EXHAUSTED,
    "billing_not_active": Failure.QUOTA_EXHAUSTED,
    "insufficient_balance": Failure.QUOTA_EXHAUSTED,
    "rate_limit_exceeded": Failure.RATE_LIMITED,
    "rate_limit_error": Failure.RATE_LIMITED,
    "rate_limited": Failure.RATE_LIMITED,
    "too_many_requests": Failure.RATE_LIMITED,
    "invalid_api_key": Failure.UNAUTHENTICATED,
    "authentication_error": Failure.UNAUTHENTICATED,
    "permission_denied": Failure.FORBIDDEN,
    "permission_error": Failure.FORBIDDEN,
    "unsupported_country_region_territory": Failure.FORBIDDEN,
    "model_not_found": Failure.NOT_FOUND,
    "deploymentnotfound": Failure.NOT_FOUND,
    "overloaded_error": Failure.OVERLOADED,
    "engine_overloaded": Failure.OVERLOADED,
    "tool_use_failed": Failure.PROTOCOL,  # the model wrote a call that its own server refuses; another may do better
}
"""Codes and types that say more than the HTTP status."""

_BY_VAGUE_WORD: dict[str, Failure] = {
    "invalid_request_error": Failure.INVALID,
    "server_error": Failure.UNAVAILABLE,
    "internal_server_error": Failure.UNAVAILABLE,
    "api_error": Failure.UNAVAILABLE,
    "service_unavailable": Failure.OVERLOADED,
    "timeout": Failure.TIMEOUT,
}
"""Words that count only where there is no telling status: inside a stream that began with 200."""

_TOO_LONG = re.compile(
    r"context[ _](length|window|size)|maximum context|prompt is too long|too many tokens", re.IGNORECASE
)
_MAY_BE_TOO_LONG = frozenset({_OK, 400, 413, 422})


async def of_reply(reply: HttpReply) -> BackendError:
    """Return the error that a reply with a failing status is."""
    try:
        payload = orjson.loads(await reply.error_body())
    except orjson.JSONDecodeError:
        payload = None
    return of_payload(
        payload,
        http_status=reply.status,
        retry_after=retry_after(reply.header("retry-after-ms"), reply.header("retry-after")),
        provider_request_id=reply.header("x-request-id"),
    )


def of_payload(
    payload: Any, *, http_status: int, retry_after: float | None = None, provider_request_id: str = ""
) -> BackendError:
    """Return the error that *payload*, any JSON at all, and the status say together.

    A status of 200 means that the error came inside a stream.
    """
    error = _error_object(payload)
    words = [word for word in (error.get("code"), error.get("type"), error.get("status_code")) if word is not None]
    failure = _failure(words, str(error.get("message") or ""), http_status)
    return BackendError(
        failure,
        f"the provider says: {failure.value}",
        http_status=http_status,
        retry_after=retry_after,
        provider_request_id=provider_request_id,
    )


def _error_object(payload: Any) -> dict[str, Any]:
    """Return where code, type and message stand: `{"error": {...}}`, `{"error": "..."}`, `{...}` or a list of one."""
    if isinstance(payload, list) and payload:
        payload = payload[0]
    if not isinstance(payload, dict):
        return {}
    error = payload.get("error")
    if isinstance(error, dict):
        return error
    return {**payload, "message": error} if isinstance(error, str) else payload


def _failure(words: list[Any], message: str, http_status: int) -> Failure:
    spoken = [word.lower() for word in words if isinstance(word, str)]
    for word in spoken:
        if word in _BY_WORD:
            return _BY_WORD[word]
    if http_status in _MAY_BE_TOO_LONG and _TOO_LONG.search(message):
        return Failure.CONTEXT_LENGTH
    if http_status != _OK:
        return of_status(http_status)
    for number in words:
        if isinstance(number, int) and number > _OK:
            return of_status(number)
    return next((_BY_VAGUE_WORD[word] for word in spoken if word in _BY_VAGUE_WORD), Failure.UNAVAILABLE)


def retry_after(milliseconds: str, seconds_or_date: str, now: Callable[[], float] = time.time) -> float | None:
    """Return how many seconds to wait, whatever number the provider named; None where it names no wait.

    Whoever keeps the wait bounds it, and logs that it had to.  A date that has passed means 0: clocks differ.

    `retry-after-ms` is finer and wins over `Retry-After` (RFC 9110, 10.2.3: seconds or an HTTP date).
    """
    wait = _number(milliseconds, 1000.0)
    if wait is None:
        wait = _number(seconds_or_date, 1.0)
    if wait is None:
        wait = _until(seconds_or_date, now)
    return wait


def _number(text: str, per_second: float) -> float | None:
    try:
        value = float(text) / per_second
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _until(text: str, now: Callable[[], float]) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now())
    except (ValueError, OverflowError):
        return None
