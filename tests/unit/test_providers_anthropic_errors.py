"""What Anthropic says when it fails, as entries of the one failure table."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.failures import Failure
from quickthorn_server.providers.anthropic import AnthropicFormat

WIRE = AnthropicFormat(Backend("b", "anthropic", "m", "m"))
SECRET = "sk-ant-secret"
INVALID = "invalid_request_error"


def error(kind: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": f"{SECRET} {message}", **more}}


def code(word: str, kind: str = INVALID) -> dict[str, Any]:
    return error(kind, details={"error_code": word})


@pytest.mark.parametrize(
    ("status", "payload", "failure"),
    [
        (400, error(INVALID), Failure.INVALID),
        (400, error(INVALID, "prompt is too long: 210000 tokens > 200000 maximum"), Failure.CONTEXT_LENGTH),
        (400, error(INVALID, "input length and `max_tokens` exceed context limit: 9 + 9 > 9"), Failure.CONTEXT_LENGTH),
        (400, error(INVALID, "Your credit balance is too low to access the Anthropic API."), Failure.QUOTA_EXHAUSTED),
        (400, error(INVALID, "You have reached your specified API usage limits."), Failure.QUOTA_EXHAUSTED),
        (400, error(INVALID, "You have reached your specified workspace API usage limits."), Failure.QUOTA_EXHAUSTED),
        (400, error(INVALID, "This organization has been disabled."), Failure.FORBIDDEN),
        (400, error(INVALID, "Output blocked by content filtering policy"), Failure.CONTENT_FILTERED),
        (400, error(INVALID, "messages.0: image exceeds 5 MB maximum"), Failure.TOO_LARGE),
        (400, error(INVALID, "A maximum of 100 PDF pages may be provided."), Failure.TOO_LARGE),
        (400, error(INVALID, '"thinking.type.disabled" is not supported for this model.'), Failure.UNSUPPORTED),
        (400, error(INVALID, "`temperature` is deprecated for this model."), Failure.UNSUPPORTED),
        (400, error(INVALID, "A maximum of 4 blocks with cache_control may be provided."), Failure.UNSUPPORTED),
        (400, code("contract_spend_limit_reached"), Failure.QUOTA_EXHAUSTED),
        (403, code("organization_on_hold", "permission_error"), Failure.FORBIDDEN),
        (429, code("enforced_spend_limit_reached", "rate_limit_error"), Failure.QUOTA_EXHAUSTED),
        (429, code("ramp_limit_exceeded", "rate_limit_error"), Failure.RATE_LIMITED),
        (401, error("authentication_error"), Failure.UNAUTHENTICATED),
        (402, error("billing_error"), Failure.QUOTA_EXHAUSTED),
        (403, error("permission_error"), Failure.FORBIDDEN),
        (404, error("not_found_error", "model: nope"), Failure.NOT_FOUND),
        (409, error("conflict_error"), Failure.UNAVAILABLE),
        (413, error("request_too_large"), Failure.TOO_LARGE),
        (413, None, Failure.TOO_LARGE),
        (429, error("rate_limit_error"), Failure.RATE_LIMITED),
        (500, error("api_error"), Failure.UNAVAILABLE),
        (500, error("overloaded_error"), Failure.OVERLOADED),
        (504, error("timeout_error"), Failure.TIMEOUT),
        (529, error("overloaded_error"), Failure.OVERLOADED),
        (529, "<html>", Failure.OVERLOADED),
        (400, [1], Failure.INVALID),
        (400, {"error": {"type": 7, "message": [], "details": 1}}, Failure.INVALID),
        # Inside a stream that began with 200 there is no status to go by.
        (200, error(INVALID), Failure.INVALID),
        (200, error("api_error"), Failure.UNAVAILABLE),
        (200, error("overloaded_error"), Failure.OVERLOADED),
        (200, error("something_new"), Failure.UNAVAILABLE),
    ],
)
def test_status_and_words_together(status: int, payload: Any, failure: Failure) -> None:
    """Type and code say more than the status, and prose is read where the type is vague; it is kept nowhere."""
    found = WIRE.failure(status, lambda _: "", orjson.dumps(payload))
    assert (found.failure, found.http_status) == (failure, status)
    assert SECRET not in repr(found)
    assert SECRET not in str(found)


def test_the_wait_and_the_request() -> None:
    """Named by headers; the request also by the body, which a proxy may not touch."""
    headers = {"retry-after": "23", "request-id": "req_1"}
    found = WIRE.failure(429, lambda name: headers.get(name, ""), b"{")
    assert (found.failure, found.retry_after, found.provider_request_id) == (Failure.RATE_LIMITED, 23.0, "req_1")
    found = WIRE.failure(529, lambda _: "", b'{"request_id":"req_2"}')
    assert (found.retry_after, found.provider_request_id) == (None, "req_2")
    assert WIRE.opened(lambda name: headers.get(name, "")).provider_request_id == "req_1"
