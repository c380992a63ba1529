"""When a 429 without Retry-After says that asking again makes sense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.execution.rate_gate import LONGEST, clamped
from quickthorn_server.providers.rate_headers import until_reset

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def waited(headers: dict[str, str], *, status: int = 429, named: float | None = None) -> float | None:
    found = until_reset(status, named, lambda name: headers.get(name, ""), lambda: NOW)
    return None if found is None else round(found, 9)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("12ms", 0.012),
        ("2m59.56s", 179.56),
        ("1h2m3s", 3723.0),
        ("1d", 86400.0),
        ("250µs", 0.00025),
        ("7", 7.0),
        ("7.5", 7.5),
        ("0", 0.0),
        ("1700000030", 30.0),
        ("1700000030500", 30.5),
        ("1600000000", 0.0),
        ("2023-11-14T22:13:50Z", 30.0),
        ("2023-11-14T23:13:50+01:00", 30.0),
        ("2020-01-01T00:00:00Z", 0.0),
        ("2023-11-14T22:13:50", None),
        ("soon", None),
        ("-5", None),
        ("NaN", None),
        ("1e999", None),
        ("6m 0s", None),
        ("", None),
    ],
)
def test_a_reset_is_read_in_every_form(text: str, seconds: float | None) -> None:
    """Numbers, durations as Go writes them, instants in Unix time and RFC 3339; what is none of them names no wait."""
    assert waited({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": text}) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        # OpenAI: tokens are spent, a request would pass in 12 ms.
        (
            {
                "x-ratelimit-remaining-requests": "4999",
                "x-ratelimit-reset-requests": "12ms",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            360.0,
        ),
        # Both are spent: the later one.
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "8.64s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "2s",
            },
            8.64,
        ),
        # Something is left of both, too little for this request: the sooner one.
        (
            {
                "x-ratelimit-remaining-requests": "10",
                "x-ratelimit-reset-requests": "3s",
                "x-ratelimit-remaining-tokens": "120",
                "x-ratelimit-reset-tokens": "41s",
            },
            3.0,
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:21Z",
                "anthropic-ratelimit-output-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-reset": "2023-11-14T22:14:00Z",
            },
            40.0,
        ),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "55"}, 55.0),
        ({"ratelimit-reset": "55"}, 55.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000009000"}, 9.0),
        ({"x-ratelimit-remaining-requests": "0"}, None),
        ({}, None),
    ],
)
def test_the_limit_that_was_reached_counts(headers: dict[str, str], seconds: float | None) -> None:
    """Of the spent ones the last to be renewed; where none is, the first."""
    assert waited(headers) == seconds


def test_a_named_wait_comes_first_and_other_failures_have_none() -> None:
    """Retry-After knows better; a 503 carries the same headers and is no rate limit."""
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}
    assert waited(headers, named=0.0) == 0.0
    assert waited(headers, status=503) is None
    assert waited(headers, status=503, named=2.0) == 2.0


@given(st.text(max_size=24) | st.from_regex(r"[0-9]{1,18}(ms|h|d|s)?", fullmatch=True), st.text(max_size=8))
def test_any_text_is_a_wait_or_none(reset: str, left: str) -> None:
    """Whatever a provider writes, the gate is given a number that it can clamp, or nothing."""
    found = waited({"x-ratelimit-remaining-tokens": left, "x-ratelimit-reset-tokens": reset})
    assert found is None or 0.0 <= clamped(found) <= LONGEST
