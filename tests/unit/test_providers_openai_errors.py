"""What providers say when they fail, as entries of the one failure table."""

from __future__ import annotations

import math
from typing import Any

import pytest

from quickthorn_server.core.failures import Failure
from quickthorn_server.providers.openai_errors import of_payload
from quickthorn_server.providers.retry_after import retry_after


def error(**fields: Any) -> dict[str, Any]:
    return {"error": {"message": "sk-secret: no", **fields}}


@pytest.mark.parametrize(
    ("status", "payload", "failure"),
    [
        (400, error(code="context_length_exceeded"), Failure.CONTEXT_LENGTH),
        (400, error(code=400, type="exceed_context_size_error"), Failure.CONTEXT_LENGTH),
        (
            400,
            {"object": "error", "message": "This model's maximum context length is 8 tokens"},
            Failure.CONTEXT_LENGTH,
        ),
        (400, error(type="invalid_request_error", code="invalid_request_error"), Failure.INVALID),
        (400, error(code="content_filter", type=400), Failure.CONTENT_FILTERED),
        (400, error(code="content_policy_violation"), Failure.CONTENT_FILTERED),
        (400, {}, Failure.INVALID),
        (400, {"code": "invalid-argument", "error": "Incorrect API key provided."}, Failure.UNAUTHENTICATED),
        (401, error(code="invalid_api_key"), Failure.UNAUTHENTICATED),
        (401, {"detail": "no"}, Failure.UNAUTHENTICATED),
        (402, error(code=402), Failure.QUOTA_EXHAUSTED),
        (403, error(code="unsupported_country_region_territory"), Failure.FORBIDDEN),
        (404, error(type="invalid_request_error", code="model_not_found"), Failure.NOT_FOUND),
        (404, error(code="DeploymentNotFound"), Failure.NOT_FOUND),
        (404, None, Failure.NOT_FOUND),
        (413, None, Failure.TOO_LARGE),
        (422, error(), Failure.INVALID),
        (429, error(code="insufficient_quota", type="insufficient_quota"), Failure.QUOTA_EXHAUSTED),
        (429, error(code="rate_limit_exceeded", type="tokens"), Failure.RATE_LIMITED),
        (429, error(code="429"), Failure.RATE_LIMITED),
        (429, {"object": "error", "type": "rate_limited", "code": "1300"}, Failure.RATE_LIMITED),
        (500, error(type="server_error"), Failure.UNAVAILABLE),
        (502, None, Failure.UNAVAILABLE),
        (503, error(type="server_error"), Failure.OVERLOADED),
        (529, error(type="overloaded_error"), Failure.OVERLOADED),
        (307, None, Failure.PROTOCOL),
        (204, None, Failure.PROTOCOL),
        (400, [error(code="model_not_found")], Failure.NOT_FOUND),
        (400, {"error": "too many tokens"}, Failure.CONTEXT_LENGTH),
        (418, "a string", Failure.INVALID),
        # Inside a stream that began with 200 there is no status to go by.
        (200, error(type="server_error"), Failure.UNAVAILABLE),
        (200, error(type="invalid_request_error"), Failure.INVALID),
        (200, error(type="invalid_request_error", code="tool_use_failed"), Failure.PROTOCOL),
        (200, error(code=502), Failure.UNAVAILABLE),
        (200, error(code=429), Failure.RATE_LIMITED),
        (200, error(code="429"), Failure.RATE_LIMITED),
        (200, error(code="1300"), Failure.UNAVAILABLE),
        (200, error(status_code=400), Failure.INVALID),
        (200, error(), Failure.UNAVAILABLE),
        (200, {"error": "boom"}, Failure.UNAVAILABLE),
    ],
)
def test_status_and_words_together(status: int, payload: Any, failure: Failure) -> None:
    """A code says more than a status, a status more than a vague type; the prose is read and thrown away."""
    found = of_payload(payload, http_status=status)
    assert found.failure is failure
    assert found.http_status == status
    assert "secret" not in repr(found)
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("status", "payload", "told"),
    [
        (200, error(code=502), 502),
        (200, error(code="504", type="server_error"), 504),
        (200, error(status_code=409), 409),
        (200, error(code=1300), None),
        (200, error(code=True, type="server_error"), None),
        (500, error(code=502), None),
    ],
)
def test_inside_a_stream_a_code_is_the_status_that_was_not_sent(status: int, payload: Any, told: int | None) -> None:
    """Routes rule by status, and the one of the HTTP reply was 200; where there was another, that one counts."""
    assert of_payload(payload, http_status=status).told_status == told


NOW = 1_000_000_000.0  # Sun, 09 Sep 2001 01:46:40 GMT


@pytest.mark.parametrize(
    ("milliseconds", "seconds", "expected"),
    [
        ("", "", None),
        ("", "2", 2.0),
        ("", "0.5", 0.5),
        ("1500", "9", 1.5),
        ("soon", "9", 9.0),
        ("", "Sun, 09 Sep 2001 01:46:50 GMT", 10.0),
        ("", "Sun, 09 Sep 2001 01:46:00 GMT", 0.0),
        ("", "-5", -5.0),
        ("", "31536000", 31_536_000.0),
        ("", "NaN", None),
        ("NaN", "3", 3.0),
        ("", "1e999", math.inf),
        ("", "Sun, 09 Sep 2201 01:46:40 GMT", 6_311_347_200.0),
        ("", "Sun, 99 Sep 2001 01:46:40 GMT", None),
        ("", "later", None),
    ],
)
def test_how_long_to_wait(milliseconds: str, seconds: str, expected: float | None) -> None:
    """Seconds, a date, or milliseconds, as they were named: bounding is the gate's; never a number that is none."""
    assert retry_after(milliseconds, seconds, lambda: NOW) == expected
