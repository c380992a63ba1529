"""Where a hedge failed in the very step that was won, two backends continued, and the call ended as INTERNAL."""

from __future__ import annotations

import pytest

from quickthorn_server.core.catalogue import OnBreak, RetryRule, Route
from quickthorn_server.core.chunk import TextDelta
from quickthorn_server.core.classes import FailureClass
from quickthorn_server.core.failures import Failure
from quickthorn_server.providers.resumed import Repeat, Rest
from tests.support.cast import STOP, fails, silent
from tests.unit.test_continue import HALF, LOST, REPEATS, WHOLE, Script, streamed, told

SPEAKS_AT_HALF: Script = [(0.5, TextDelta(0, WHOLE[:HALF])), (0.2, LOST)]
"""Breaks at 0.7 s."""
QUICK: Script = [(0.05, Repeat(0, 64)), (0.1, Rest(0, WHOLE)), (0.1, STOP)]


@pytest.mark.parametrize("failure", [Failure.UNAVAILABLE, Failure.INVALID])
def test_one_backend_continues_whoever_failed_in_the_step_that_was_won(failure: Failure) -> None:
    """What that lane was owed was owed to the race for the first word, which is over."""
    played, cast = streamed(
        a=SPEAKS_AT_HALF, h=fails(failure, after=0.3), b=QUICK, c=silent(), plan={"delay": 0.2, "attempts": 9}
    )
    assert played.error is None
    assert told(played) == WHOLE
    assert cast.lanes() == [
        ("a", "first", "broke", 0.0),
        ("h", "silence", "failed", 0.2),
        ("b", "continuation", "won", 0.7),
    ]


@pytest.mark.parametrize(
    ("on_status", "continued"),
    [({}, True), ({400: FailureClass.TERMINAL}, False), ({409: FailureClass.TERMINAL}, True)],
)
def test_a_hedge_that_was_refused_is_no_word_about_the_answer(
    on_status: dict[int, FailureClass], continued: bool
) -> None:
    """The request was good enough for an answer; what the route calls terminal is, whenever it came."""
    retry = RetryRule(attempts=9)
    plan = {"delay": 0.2, "retry": retry, "route": Route("default", (), retry=retry, on_status=on_status)}
    played, cast = streamed(a=SPEAKS_AT_HALF, h=fails(Failure.INVALID, after=0.1), b=REPEATS, plan=plan)
    assert (told(played) == WHOLE) is continued
    assert len(cast.lanes()) == 2 + continued


def test_a_stream_that_is_not_continued_is_left_alone() -> None:
    """With FAIL there is no second race, whatever failed in the step that was won."""
    played, cast = streamed(
        a=SPEAKS_AT_HALF, h=fails(Failure.LOST, after=0.3), b=QUICK, plan={"delay": 0.2, "on_break": OnBreak.FAIL}
    )
    assert played.error is not None
    assert len(cast.lanes()) == 2
