"""One line per call: fields, and what lanes beside the answer have cost."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from quickthorn_server.core.decision import Decision
from quickthorn_server.telemetry.log import NAME, LogObserver
from tests.support.decisions import LOST, PLAIN, WON


@pytest.mark.parametrize(
    ("decision", "end"),
    [
        (replace(PLAIN, trace=replace(PLAIN.trace, attempts=(WON,), served_by=0)), "lanes=steady:failover:won:500"),
        (
            replace(PLAIN, trace=replace(PLAIN.trace, attempts=(WON, LOST), served_by=0), hedges_cost=70_000),
            "lanes=steady:failover:won:500,fast:silence:lost:- extra_nano_usd=9000 hour_nano_usd=70000",
        ),
        (
            replace(
                PLAIN, trace=replace(PLAIN.trace, attempts=(WON, replace(LOST, cost_nano_usd=None)), served_by=0)
            ),
            "lanes=steady:failover:won:500,fast:silence:lost:- extra_nano_usd=unknown hour_nano_usd=0",
        ),
    ],
    ids=["one lane", "a hedge", "a hedge of unknown cost"],
)
def test_a_call_s_line(decision: Decision, end: str, caplog: pytest.LogCaptureFixture) -> None:
    """Who it was, how it ended, lane by lane; with more than one lane what the others cost, and the route's hour."""
    with caplog.at_level(logging.INFO, NAME):
        LogObserver().call_ended(decision)
    assert caplog.messages == [f"call id=qt-1 request_id=request-1 route=default ended=answered {end}"]
