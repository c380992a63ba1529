"""gRPC's pushback (proposal A6): what a failed reply says about trying again."""

from __future__ import annotations

import pytest

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.pushback import pushed_back


@pytest.mark.parametrize(
    ("header", "wait", "stops"),
    [
        ("", 7.0, False),
        ("0", 0.0, False),
        ("1500", 1.5, False),
        ("2147483647", 2147483.647, False),
        ("-1", 7.0, True),
        ("-0", 7.0, True),
        ("+5", 7.0, True),
        ("007", 7.0, True),
        ("soon", 7.0, True),
        ("1.5", 7.0, True),
        ("2147483648", 7.0, True),
        (" 5", 7.0, True),
    ],
)
def test_milliseconds_wait_and_anything_else_stops(header: str, wait: float, stops: bool) -> None:
    """A number wins over `Retry-After`; what is negative or no number of 32 bits asks for no further attempt."""
    error = BackendError(Failure.UNAVAILABLE, http_status=500, retry_after=7.0)
    said = pushed_back(error, {"grpc-retry-pushback-ms": header}.get)  # type: ignore[arg-type]
    assert (said.retry_after, said.pushed_back) == (wait, stops)
    assert said is error
