"""A long answer repeated in small pieces took seconds of the event loop: each was compared with all before it."""

from __future__ import annotations

import time

import pytest

from quickthorn_server.core.beginning import Beginning

LENGTH = 600_000


@pytest.mark.parametrize(("last", "passed"), [("\n", 0), ("x", LENGTH)])
def test_a_long_beginning_is_looked_at_once(last: str, passed: int) -> None:
    """Character by character, as much as a stream may hold; it took twelve seconds, and takes a quarter of one."""
    beginning, began = Beginning("\n" * LENGTH), time.process_time()
    passed_on = sum(len(beginning.take(piece)) for piece in (*["\n"] * (LENGTH - 1), last))
    assert (passed_on, beginning.dropped) == (passed, not passed)
    assert time.process_time() - began < 4.0
