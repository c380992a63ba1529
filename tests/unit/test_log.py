"""One line per call: fields, and what lanes beside the answer have cost."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from quickthorn_server.core.attempt import Attempt
from quickthorn_server.core.decision import Decision
from quickthorn_server.telemetry.log import NAME, LogObserver
from tests.support.decisions import LOST, PLAIN, WON


def ended(*attempts: Attempt, hour: int = 0) -> Decision:
    trace = replace(PLAIN.trace, attempts=attempts, served_by=0, rung="")
    return replace(PLAIN, trace=trace, hedges_cost=hour)


SERVED = "lanes=steady:failover:won:500"


@pytest.mark.parametrize(
    ("decision", "end"),
    [
        (ended(WON), SERVED),
        (ended(WON, LOST, hour=70_000), f"{SERVED},fast:silence:lost:- extra_nano_usd=9000 hour_nano_usd=70000"),
        (
            ended(WON, replace(LOST, cost_nano_usd=None)),
            f"{SERVED},fast:silence:lost:- extra_nano_usd=unknown hour_nano_usd=0",
        ),
    ],
    ids=["one lane", "a hedge", "a hedge of unknown cost"],
)
def test_a_call_s_line(decision: Decision, end: str, caplog: pytest.LogCaptureFixture) -> None:
    """Who it was, how it ended, lane by lane; with more than one lane what the others cost, and the route's hour."""
    with caplog.at_level(logging.INFO, NAME):
        LogObserver().call_ended(decision)
    assert caplog.messages == [f"call id=qt-1 request_id=request-1 route=default ended=answered {end}"]
