"""The judge of the chaos suite is not to be fooled."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.chaos import judge
from tests.chaos.__main__ import to_play_again
from tests.chaos.judge import Verdict
from tests.chaos.logs import Attempt, Check, Seen

RIGHT = Seen("c1", "stream", due=1.0, sent=1.0, first=1.1, done=1.2, code="OK", text="whole", size=40)
BROKEN = replace(RIGHT, code="UNAVAILABLE", reason="STREAM_BROKEN", text="start", size=20, told=20, wait=1.0)
CUT = Attempt("c1", "a", arrived=1.0, stream=True, fault="reset_mid", tokens=3, end="us", ended=1.2)
REFUSED = replace(CUT, fault="status", tokens=0)


@pytest.mark.parametrize(
    ("seen", "attempt"),
    [
        (RIGHT, CUT),
        (BROKEN, CUT),
        (replace(BROKEN, text="whole"), CUT),
        (replace(RIGHT, seams=[(9, "anchor", True)]), CUT),
    ],
)
def test_what_may_be_seen(seen: Seen, attempt: Attempt) -> None:
    """A right answer, one continued exactly, and one STREAM_BROKEN for a stream that the upstream did break."""
    assert not judge.unexpected([seen], [attempt])


@pytest.mark.parametrize(
    ("seen", "attempt"),
    [
        (replace(RIGHT, text="start"), CUT),
        (replace(RIGHT, text="wrong"), CUT),
        (replace(BROKEN, kind="unary"), CUT),
        (replace(BROKEN, kind="carry"), CUT),
        (replace(BROKEN, told=19), CUT),
        (replace(BROKEN, wait=None), CUT),
        (replace(BROKEN, reason="ALL_FAILED"), CUT),
        (replace(BROKEN, text="wrong"), CUT),
        (BROKEN, REFUSED),
        (BROKEN, replace(CUT, call="c2")),
        (replace(RIGHT, code="CANCELLED", text="none", size=0), CUT),
        (replace(RIGHT, seams=[(9, "appended", False)]), CUT),
    ],
)
def test_what_may_not_be_seen(seen: Seen, attempt: Attempt) -> None:
    """Halves called whole, statuses without their details, breaks that the upstream knows nothing of."""
    assert len(judge.unexpected([seen], [attempt])) == 1


def test_attempts_are_counted_where_their_call_was_due() -> None:
    """Ten calls in the first second cost one attempt each, ten in the next two each: the worst window says 2."""
    calls = [replace(RIGHT, call=f"c{k}", due=k / 10) for k in range(21)]
    attempts = [replace(CUT, call=f"c{k}") for k in range(21) for _ in range(1 + (k >= 10))]
    assert judge.worst_window(calls, attempts, 1.0, 0.0) == 2.0
    assert judge.amplification(calls[:20], attempts) == 1.5


def test_attempts_are_counted_against_the_calls_that_began_meanwhile() -> None:
    """An extra one is counted when it is sent, whenever its call began."""
    attempts = [replace(CUT, call=f"c{k}", arrived=float(k)) for k in range(10)]
    late = [replace(CUT, call="c0", arrived=5.5), replace(CUT, call="c1", arrived=9.5)]
    assert judge.amplification_between(late + attempts, 5.0, 9.0) == 1.25
    assert math.isnan(judge.amplification_between(attempts, 20.0, 30.0))


def test_cancels_are_measured_to_the_close_of_what_still_ran() -> None:
    """An attempt that had ended before does not count, one that never ends counts for ever."""
    cancelled = replace(RIGHT, cancelled=2.0)
    attempts = [replace(CUT, ended=1.5), replace(CUT, ended=2.004), replace(CUT, ended=None, end="")]
    assert [round(each, 6) for each in judge.cancels([cancelled], attempts)] == [0.004, float("inf")]


def test_flaps_and_attempts_at_once() -> None:
    """A circuit that opens twice flaps twice; attempts that touch are not at once."""
    states = [True, False, True, True, False]
    checks = [Check("backend/a", float(at), 0.001, state) for at, state in enumerate(states)]
    assert judge.flaps(checks, "backend/a", 0.0) == 2
    assert judge.turned(checks, "backend/a", serving=False, after=2.0) == 4.0
    runs = [replace(CUT, arrived=a, ended=b) for a, b in ((0.0, 1.0), (1.0, 2.0), (1.5, 3.0))]
    assert judge.most_at_once(runs) == 2


def test_what_missed_a_figure_is_played_again_and_what_failed_a_call_is_not() -> None:
    """A slow moment of the machine is forgiven once, a caller's failure never."""
    late, lost = Verdict("late", 1, 1, faults=["p99_ms 9 is more than 5"]), Verdict("lost", 1, 1, faults=["a call"])
    lost.failures = 1
    assert to_play_again([Verdict("well", 1, 1), late, lost]) == ["late"]


def test_a_figure_that_is_missed_is_told_and_fails() -> None:
    """So is one that is not a number."""
    verdict = Verdict("x", 1, 1)
    verdict.at_most("good", 1.0, 1.0)
    assert not verdict.faults
    verdict.at_most("late", 2.0, 1.0)
    verdict.at_least("odd", float("nan"), 1.0)
    assert verdict.faults == ["late 2 is more than 1", "odd nan is less than 1"]
    assert "late 2.0" in verdict.line
    assert "FAIL" in verdict.line
