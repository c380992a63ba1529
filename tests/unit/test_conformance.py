"""The conformance judge is strict: what is wrong with a result is found, whatever it is."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from google.protobuf.message import Message

from quickthorn import fold, messages
from tests.conformance.cases import Case, cases
from tests.conformance.judge import faults
from tests.support.fake_routing import finished, say, started

EVENTS = [started(), *say("Hel", "lo"), finished()]
ERROR = {
    "code": "UNAVAILABLE",
    "reason": "ALL_FAILED",
    "message": "nobody answered",
    "from_server": True,
    "attempts": 2,
    "fields": [],
    "request_id": "r",
    "retry_delay_ms": 5,
}


def text(message: Message) -> str:
    return b64encode(message.SerializeToString()).decode()


def streamed(**changed: Any) -> dict[str, Any]:
    whole = {"id": "c", "events": [text(event) for event in EVENTS], "folded": text(fold(EVENTS)), "elapsed_ms": 5}
    return whole | changed


def judged(expect: dict[str, Any], result: dict[str, Any], ended: str = "cancelled") -> list[str]:
    return faults(Case("c", "stream", expect, given={"request": {"requestId": "r"}}), result, lambda _: ended)


@pytest.mark.parametrize(
    ("expect", "result"),
    [
        ({"text": "Hello", "first": "started", "last": "finished"}, streamed()),
        ({"kinds": ["started", "text", "text", "finished"], "elapsed_ms": [1, 9]}, streamed()),
        ({"code": "UNAVAILABLE", "lanes": 2, "retry_delay_ms": [1, 9]}, {"id": "c", "error": ERROR}),
        ({"cancelled": True, "record": "cancelled"}, {"id": "c", "cancelled": True}),
    ],
)
def test_what_is_right_has_no_fault(expect: dict[str, Any], result: dict[str, Any]) -> None:
    """Otherwise no client could pass."""
    assert judged(expect, result) == []


@pytest.mark.parametrize(
    ("expect", "result", "fault"),
    [
        ({}, streamed(id="other"), "names 'other'"),
        ({"text": "Hullo"}, streamed(), "text: 'Hello' instead of 'Hullo'"),
        ({}, streamed(folded=text(messages.Completion())), "folds"),
        ({}, streamed(events=[text(event) for event in EVENTS[:-1]]), "no order"),
        ({}, streamed(events="nonsense"), "cannot be read"),
        ({}, {"id": "c"}, "no order"),
        ({"elapsed_ms": [1, 2]}, {"id": "c"}, "cannot be read"),
        ({"kinds": ["started"]}, streamed(), "events"),
        ({"elapsed_ms": [6, 9]}, streamed(), "took 5 ms"),
        ({}, streamed(error=ERROR), "must succeed"),
        ({"code": "UNAVAILABLE"}, streamed(), "must fail"),
        ({"code": "INTERNAL"}, {"id": "c", "error": ERROR}, "code"),
        ({"reason": "REJECTED"}, {"id": "c", "error": ERROR}, "reason"),
        ({"code": "UNAVAILABLE", "server_said": False}, {"id": "c", "error": ERROR}, "from_server"),
        ({"code": "UNAVAILABLE", "partial": "H"}, {"id": "c", "error": ERROR}, "read before the end"),
        ({"code": "UNAVAILABLE"}, {"id": "c", "error": {**ERROR, "message": " "}}, "without words"),
        ({"cancelled": True}, streamed(), "not cancelled"),
        ({"cancelled": True}, {"id": "c", "cancelled": True, "error": ERROR}, "no error"),
    ],
)
def test_what_is_wrong_is_named(expect: dict[str, Any], result: dict[str, Any], fault: str) -> None:
    """One fault at a time."""
    found = judged(expect, result)
    assert any(fault in each for each in found), found


def test_a_cancel_that_stayed_here_is_found() -> None:
    """The server's record has the last word."""
    assert "did not reach" in judged({"cancelled": True, "record": "cancelled"}, {"id": "c", "cancelled": True}, "")[0]


def test_there_are_enough_cases() -> None:
    """At least sixty, beside the golden encodings, and every kind of event is among them."""
    found = [case for case in cases() if case.call != "decode"]
    assert len(found) >= 60
    assert {case.call for case in found} == {"complete", "stream", "embed", "explain", "list_routes"}
    assert len({case.name for case in cases()}) == len(cases())
