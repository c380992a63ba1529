"""What OpenAI-shaped errors mean.  Their prose is looked at here and kept nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.failure_words import FailureWords, failed, json_of
from quickthorn_server.providers.rate_headers import until_reset
from quickthorn_server.providers.retry_after import retry_after

_TELLING: dict[str, Failure] = {
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

_VAGUE: dict[str, Failure] = {
    "invalid_request_error": Failure.INVALID,
    "server_error": Failure.UNAVAILABLE,
    "internal_server_error": Failure.UNAVAILABLE,
    "api_error": Failure.UNAVAILABLE,
    "service_unavailable": Failure.OVERLOADED,
    "timeout": Failure.TIMEOUT,
}
"""Words that count only where there is no telling status: inside a stream that began with 200."""

_WORDS = FailureWords(_TELLING, _VAGUE)

_WRONG_KEY = re.compile(r"(incorrect|invalid) api key", re.IGNORECASE)
"""xAI says this with status 400, and no word for it but in its prose."""


def of_reply(status: int, header: Callable[[str], str], body: bytes) -> BackendError:
    """Return the error that a reply with a failing *status* is."""
    return of_payload(
        json_of(body),
        http_status=status,
        retry_after=until_reset(status, retry_after(header("retry-after-ms"), header("retry-after")), header),
        provider_request_id=request_id(header),
    )


def request_id(header: Callable[[str], str]) -> str:
    """Return the provider's own name for a request: `x-request-id`, or Azure's when a proxy of theirs answers."""
    return header("x-request-id") or header("apim-request-id")


def of_payload(
    payload: Any, *, http_status: int, retry_after: float | None = None, provider_request_id: str = ""
) -> BackendError:
    """Return the error that *payload*, any JSON at all, and the status say together.

    A status of 200 means that the error came inside a stream.
    """
    error = _error_object(payload)
    inner = error.get("innererror")  # where Azure says why it refused a prompt
    words = [error.get(name) for name in ("code", "type", "status_code")]
    if isinstance(inner, dict):
        words.append(inner.get("code"))
    message = str(error.get("message") or "")
    failure = _WORDS.failure(words, message, http_status)
    if failure is Failure.INVALID and _WRONG_KEY.search(message):
        failure = Failure.UNAUTHENTICATED
    return failed(failure, http_status, words, retry_after=retry_after, provider_request_id=provider_request_id)


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
