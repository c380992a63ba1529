"""What errors of the Messages API mean.  Their prose is looked at here and kept nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.failure_words import FailureWords, failed, json_of
from quickthorn_server.providers.rate_headers import until_reset
from quickthorn_server.providers.retry_after import retry_after

_INVALID = "invalid_request_error"

_WORDS = FailureWords(
    telling={
        "authentication_error": Failure.UNAUTHENTICATED,
        "billing_error": Failure.QUOTA_EXHAUSTED,
        "permission_error": Failure.FORBIDDEN,
        "not_found_error": Failure.NOT_FOUND,
        "request_too_large": Failure.TOO_LARGE,
        "rate_limit_error": Failure.RATE_LIMITED,
        "overloaded_error": Failure.OVERLOADED,
        "timeout_error": Failure.TIMEOUT,
        "conflict_error": Failure.UNAVAILABLE,  # the only 409: it may be asked again
        # `error.details.error_code`, which is finer than the type
        "contract_spend_limit_reached": Failure.QUOTA_EXHAUSTED,
        "enforced_spend_limit_reached": Failure.QUOTA_EXHAUSTED,
        "linked_organization_spend_limit_reached": Failure.QUOTA_EXHAUSTED,
        "linked_organization_billing_unavailable": Failure.QUOTA_EXHAUSTED,
        "organization_on_hold": Failure.FORBIDDEN,
        "ramp_limit_exceeded": Failure.RATE_LIMITED,
        "request_body_too_large_after_decoding": Failure.TOO_LARGE,
    },
    vague={_INVALID: Failure.INVALID, "api_error": Failure.UNAVAILABLE},
)

_PROSE: tuple[tuple[re.Pattern[str], Failure], ...] = tuple(
    (re.compile(words, re.IGNORECASE), failure)
    for words, failure in (
        (r"exceed context limit", Failure.CONTEXT_LENGTH),
        (r"credit balance is too low|reached your specified (workspace )?api usage limits", Failure.QUOTA_EXHAUSTED),
        (r"organization has been disabled", Failure.FORBIDDEN),
        (r"output blocked by content filtering", Failure.CONTENT_FILTERED),
        (r"image exceeds|image dimensions exceed|maximum of \d+ pdf pages|too many images", Failure.TOO_LARGE),
        (r"(not|isn't) supported (for|on|by) this model|deprecated for this model", Failure.UNSUPPORTED),
        (r"does not support|maximum of \d+ blocks with cache_control", Failure.UNSUPPORTED),
    )
)
"""What `invalid_request_error` says of limits of this account or model: another candidate may do better."""


def cannot(what: str) -> BackendError:
    """Return the error for what this API, or this model, cannot carry; another may."""
    return BackendError(Failure.UNSUPPORTED, f"the Messages API cannot carry {what}")


def of_reply(status: int, header: Callable[[str], str], body: bytes) -> BackendError:
    """Return the error that a reply with a failing *status* is."""
    return of_payload(
        json_of(body),
        http_status=status,
        retry_after=until_reset(status, retry_after(header("retry-after-ms"), header("retry-after")), header),
        provider_request_id=header("request-id"),
    )


def of_payload(
    payload: Any, *, http_status: int, retry_after: float | None = None, provider_request_id: str = ""
) -> BackendError:
    """Return the error that *payload*, any JSON at all, and the status say together.

    `{"type": "error", "error": {"type", "message", "details"}, "request_id"}` ("Errors").  A status of 200 means that
    the error came inside a stream.
    """
    payload = _mapping(payload)
    error = _mapping(payload.get("error"))
    failure = _failure(error, http_status)
    request_id = payload.get("request_id")
    known = provider_request_id or (request_id if isinstance(request_id, str) else "")
    return failed(failure, http_status, retry_after=retry_after, provider_request_id=known)


def _failure(error: dict[str, Any], http_status: int) -> Failure:
    kind, message = error.get("type"), str(error.get("message") or "")
    words = [_mapping(error.get("details")).get("error_code"), kind]
    failure = _WORDS.failure(words, message, http_status)
    if failure is Failure.INVALID and kind == _INVALID:
        return next((meant for words, meant in _PROSE if words.search(message)), failure)
    return failure


def _mapping(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}
