"""Recorded chat completions and responses, read however they are cut."""

from __future__ import annotations

from tests.support.openai_cases import wire
from tests.support.recorded import Case, answered, cases, check, parameters

SHAPED = sorted({(case.provider, case.api) for case in cases() if case.api in {"chat_completions", "responses"}})


@parameters(*SHAPED)
def test_a_recorded_answer_comes_out_as_it_was_meant(case: Case) -> None:
    """Words, thinking, calls, finish reason, usage and failures, however the network cuts the body."""
    for pieces in case.splits():
        check(case, answered(wire(case), case, pieces))
