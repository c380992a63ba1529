"""What Google's errors mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.gemini_errors import of_payload, of_reply


def error(status: int, body: Any, **headers: str) -> BackendError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return of_reply(status, lambda name: headers.get(name.replace("-", "_"), ""), data)


def rpc(status: str = "", *details: Any, message: str = "k3y", code: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def reason(word: str, **metadata: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word, "metadata": metadata}


def quota(name: str, **more: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name, **more}]}


LONG = "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576)."
LONGER = "Unable to submit request because the input token count is 32780 but model only supports up to 32767."


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (400, rpc("INVALID_ARGUMENT"), Failure.INVALID),
        (400, rpc("INVALID_ARGUMENT", reason("API_KEY_INVALID")), Failure.UNAUTHENTICATED),
        (400, rpc("INVALID_ARGUMENT", message=LONG), Failure.CONTEXT_LENGTH),
        (400, rpc("INVALID_ARGUMENT", message=LONGER), Failure.CONTEXT_LENGTH),
        (400, rpc(message="Request payload size exceeds the limit: 20971520 bytes."), Failure.TOO_LARGE),
        (400, rpc("FAILED_PRECONDITION"), Failure.FORBIDDEN),
        (401, rpc("UNAUTHENTICATED", reason("ACCESS_TOKEN_EXPIRED")), Failure.UNAUTHENTICATED),
        (403, rpc("PERMISSION_DENIED", reason("SERVICE_DISABLED")), Failure.FORBIDDEN),
        (403, rpc("PERMISSION_DENIED", reason("BILLING_DISABLED")), Failure.QUOTA_EXHAUSTED),
        (404, rpc("NOT_FOUND"), Failure.NOT_FOUND),
        (429, rpc("RESOURCE_EXHAUSTED"), Failure.RATE_LIMITED),
        (429, [rpc("RESOURCE_EXHAUSTED")], Failure.RATE_LIMITED),
        (429, rpc("RESOURCE_EXHAUSTED", quota("RequestsPerMinutePerProject")), Failure.RATE_LIMITED),
        (429, rpc("RESOURCE_EXHAUSTED", quota("A-PerMinute"), quota("B-PerDay-FreeTier")), Failure.QUOTA_EXHAUSTED),
        (429, rpc("RESOURCE_EXHAUSTED", quota("PerMinute", quotaValue="0")), Failure.QUOTA_EXHAUSTED),
        (429, rpc("RESOURCE_EXHAUSTED", reason("RATE_LIMIT_EXCEEDED", quota_limit="PerMinute")), Failure.RATE_LIMITED),
        (429, rpc("X", reason("RATE_LIMIT_EXCEEDED", quota_limit_value="0")), Failure.QUOTA_EXHAUSTED),
        (499, rpc("CANCELLED"), Failure.UNAVAILABLE),
        (500, rpc("INTERNAL"), Failure.UNAVAILABLE),
        (503, rpc("UNAVAILABLE"), Failure.OVERLOADED),
        (504, rpc("DEADLINE_EXCEEDED"), Failure.TIMEOUT),
        (404, b"<html>", Failure.NOT_FOUND),
        (500, b"", Failure.UNAVAILABLE),
        (403, {"error": "denied"}, Failure.FORBIDDEN),
        (400, {"error": {"details": 3, "status": [], "code": {}}}, Failure.INVALID),
        (429, rpc("", None, {"violations": [1], "metadata": 2, "retryDelay": []}), Failure.RATE_LIMITED),
        (400, [], Failure.INVALID),
    ],
)
def test_status_and_words_say_together_what_failed(status: int, body: Any, failure: Failure) -> None:
    """Reasons say more than statuses; whatever the body is, something comes of it, without its prose."""
    found = error(status, body)
    assert (found.failure, found.http_status) == (failure, status)
    assert "k3y" not in str(found)


@pytest.mark.parametrize(
    ("payload", "failure"),
    [
        (rpc("UNAVAILABLE", code=503), Failure.OVERLOADED),
        (rpc("RESOURCE_EXHAUSTED"), Failure.RATE_LIMITED),
        (rpc("CANCELLED", code=499), Failure.UNAVAILABLE),
        (rpc("INTERNAL"), Failure.UNAVAILABLE),
        (rpc("INVALID_ARGUMENT"), Failure.INVALID),
        (rpc("NEW_WORD"), Failure.UNAVAILABLE),
    ],
)
def test_inside_a_stream_the_words_alone_say_it(payload: Any, failure: Failure) -> None:
    """The HTTP status was 200 long before."""
    assert of_payload(payload, http_status=200).failure is failure


@pytest.mark.parametrize(
    ("delay", "headers", "wait"),
    [
        ("34.4s", {}, 34.4),
        ("13s", {}, 13.0),
        ("13s", {"retry_after": "2"}, 2.0),
        ("soon", {}, None),
        ("1e9s", {}, None),
        (None, {}, None),
    ],
)
def test_the_wait_is_that_of_the_header_else_of_the_details(
    delay: Any, headers: dict[str, str], wait: float | None
) -> None:
    """google.rpc.RetryInfo holds a duration in seconds."""
    body = rpc("RESOURCE_EXHAUSTED", reason("X"), {"retryDelay": delay})
    assert error(429, body, **headers).retry_after == wait
