"""Recorded chat completions, read however they are cut."""

from __future__ import annotations

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.providers.openai import OpenAiFormat
from tests.support.recorded import Case, answered, cases, check, parameters

CHAT = sorted({(case.provider, case.api) for case in cases() if case.api == "chat_completions"})


@parameters(*CHAT)
def test_a_recorded_chat_completion_comes_out_as_it_was_meant(case: Case) -> None:
    """Words, thinking, calls, finish reason, usage and failures, however the network cuts the body."""
    for pieces in case.splits():
        check(case, answered(OpenAiFormat(Backend("b", "openai", "m", "m")), case, pieces))
