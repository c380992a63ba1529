"""Broken answers of every wire format: each ends cleanly, as an answer or as a failure with a name.

`make fuzz` reads many more of them than a test may: 100,000 of each format, 2,000 through the server.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.replay.fuzz import SEED, through_the_server
from tests.support.formats import SUPPORT, supported
from tests.support.fuzzing import read_broken
from tests.support.recorded import cases

RECORDED = [case for case in cases() if supported(case)]
absent = pytest.mark.skipif(not RECORDED, reason="the recorded traffic is not beside the project")


@absent
@pytest.mark.parametrize("provider", sorted({keys["provider"] for keys in SUPPORT.values()}))
def test_a_parser_meets_garbage_with_a_failure(provider: str) -> None:
    """No other exception than BackendError, no endless loop, and some bodies survive their faults."""
    found = [case for case in RECORDED if SUPPORT[case.provider, case.api]["provider"] == provider]
    came_to = read_broken(found, 600, SEED)
    assert came_to.total() == 600
    assert came_to["internal"] == 0


@absent
def test_the_server_meets_garbage_with_a_status() -> None:
    """Every call ends with an answer or a failure of a provider; nothing is left open."""
    came_to = asyncio.run(through_the_server(RECORDED, 150, SEED))
    assert came_to.total() == 150
    assert came_to["INTERNAL"] == 0
    assert not came_to.keys() & {"", "STREAM_CUT", "DEADLINE"}
