"""Records say what was decided, in the form that proto3 JSON gives the message, and never what was said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from quickthorn.v1 import content_pb2
from quickthorn.v1.completion_pb2 import CompletionRequest
from quickthorn.v1.record_pb2 import DecisionRecord
from quickthorn_server.core.attempt import Attempt, Cause, Outcome
from quickthorn_server.core.call import Rpc
from quickthorn_server.core.chunk import FinishReason
from quickthorn_server.core.content import Message, OpaqueState, Part, Role, Text
from quickthorn_server.core.decision import Decision, refused
from quickthorn_server.core.failures import Failure, Reason
from quickthorn_server.core.plan import Circuit, Knowledge, PurseLevels
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.request import Request
from quickthorn_server.core.usage import Usage, UsageSource
from quickthorn_server.edge import wire_answer, wire_needs, wire_record
from quickthorn_server.routing.needs import outline
from tests.support.decisions import ASKED, CALL, FAILED, FULL, NEEDS, PLAIN, PLAN, WON


def read(decision: Decision) -> DecisionRecord:
    """Read the line of *decision* as anybody would; the message made in this process is the same."""
    line = wire_record.line(decision)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    found = json_format.Parse(line, DecisionRecord())
    assert found == wire_record.record(decision)
    return found


def unset(message: Any) -> set[str]:
    """Return the fields of *message* that are not set."""
    return {field.name for field in message.DESCRIPTOR.fields} - {field.name for field, _ in message.ListFields()}


def test_a_record_leaves_nothing_out() -> None:
    """Every field of a record of a call in which everything happened is set, and so are those of its parts."""
    record = read(FULL)
    assert unset(record) == set()
    assert unset(record.plan) == set()
    assert unset(record.plan.candidates[0]) == {"reason", "detail", "hope"}
    assert unset(record.plan.candidates[1]) == {"reason", "detail", "slow_start"}
    assert unset(record.plan.candidates[2]) == {"kept", "position", "slow_start", "hope"}
    assert unset(record.needs) == set()
    assert unset(record.plan.hedge) == {"no_hedge"}
    assert [unset(attempt) for attempt in record.attempts] == [
        {"first_content", "usage", "cost_nano_usd"},
        {"failure"},
        {"failure", "first_content"},
    ]
    assert (record.extra_cost_nano_usd, record.extra_usage.input_tokens) == (9_000, 12)
    assert record.plan.hedge.to == ["steady"]
    assert unset(record.usage) == set()
    assert [unset(seam) for seam in record.seams] == [set()]
    assert [(each.purse, each.level, each.burst) for each in record.purses] == [
        ("hedges", 12.35, 50.0),
        ("retries", 20.0, 20.0),
    ]


def test_a_record_says_what_the_call_says() -> None:
    """Attempts, usage and cost are those that the answer tells, field for field."""
    record, trace = read(PLAIN), wire_answer.trace(PLAIN.trace)
    assert list(record.attempts) == list(trace.attempts)
    assert record.served_by == trace.served_by == 1
    assert record.usage == wire_answer.usage(PLAIN.usage)
    assert record.cost_nano_usd == 22_000
    assert record.at.ToJsonString() == "2023-11-14T22:13:20.250Z"
    assert (record.caller, dict(record.labels)) == ("web", {"team": "blü"})
    assert [(each.backend, each.position, each.reason) for each in record.plan.candidates] == [
        ("fast", 0, ""),
        ("steady", 1, ""),
        ("blind", 0, "capability"),
    ]
    assert record.first_content.ToTimedelta().total_seconds() == 0.5


def test_without_content_a_record_holds_none() -> None:
    """What was asked and answered is absent, not empty."""
    record = read(PLAIN)
    assert not record.HasField("request_json")
    assert not record.HasField("answer_json")
    assert b"planted" not in wire_record.line(PLAIN)


def test_what_a_plan_was_made_of_reads_back() -> None:
    """Needs, directives and wishes, without the bytes of a state; of an ordinary call nothing is written but sizes."""
    found = wire_needs.outline(read(PLAIN))
    bare = replace(NEEDS.needs, states=(OpaqueState("openai", "gpt", "", b""),))
    assert found == NEEDS._replace(needs=bare)
    ordinary = outline(Request(Prompt((Message(Role.USER, (Part(Text("x" * 40)),)),))))
    assert wire_needs.needs_json(ordinary) == {"capabilities": ["text"], "contextTokens": "14"}


def test_content_comes_as_it_was() -> None:
    """With content, a record holds the request as it came, and the answer as it went."""
    record = read(FULL)
    assert json_format.Parse(record.request_json, CompletionRequest()) == ASKED
    assert json_format.Parse(record.answer_json, content_pb2.Message()).parts[0].text == "planted answer"
    assert wire_record.weight(FULL) == ASKED.ByteSize() + 5
    assert wire_record.weight(PLAIN) == 5


def test_a_refused_call_has_a_record() -> None:
    """Nobody was asked: there is a plan and a reason, and nothing was consumed or is told of it."""
    record = read(
        refused(
            CALL, replace(PLAN, order=(), verdicts=PLAN.verdicts[2:]), Reason.NO_ELIGIBLE_BACKEND, PurseLevels(1, 2)
        )
    )
    assert (record.outcome, list(record.attempts)) == ("NO_ELIGIBLE_BACKEND", [])
    assert not record.HasField("usage")
    assert not record.HasField("served_by")
    assert not record.HasField("first_content")


@pytest.mark.parametrize(
    ("attempts", "served_by", "first"),
    [
        ((FAILED, WON), 1, 0.5),
        ((replace(WON, outcome=Outcome.BROKE, first_content=0.1), WON), 1, 0.5),
        ((replace(WON, outcome=Outcome.BROKE),), None, 0.5),
        ((replace(WON, outcome=Outcome.ABANDONED), FAILED), None, 0.5),
        ((FAILED, replace(WON, outcome=Outcome.LOST)), None, None),
        ((), None, None),
    ],
)
def test_first_content_is_that_of_the_answer(
    attempts: tuple[Attempt, ...], served_by: int | None, first: float | None
) -> None:
    """Of the lane that served; of a call that was cut, of the lane that would have."""
    assert replace(PLAIN, trace=PLAN.trace(attempts, served_by)).first_content == first


def test_an_unknown_usage_is_said_where_an_answer_says_it() -> None:
    """An answer without usage says so; a call that told nobody anything has none."""
    assert read(replace(PLAIN, usage=None, cost_nano_usd=None)).usage == wire_answer.usage(None)
    cancelled = replace(PLAIN, ended="cancelled", finish_reason=None, usage=None, cost_nano_usd=None)
    assert not read(cancelled).HasField("usage")


def test_a_stream_never_asks_for_the_whole() -> None:
    """What the record says of the upstream is what was done: StreamComplete streams."""
    whole = replace(PLAN, whole=True)
    names = [
        json.loads(wire_record.line(replace(PLAIN, plan=whole, call=replace(CALL, rpc=rpc))))["plan"]["upstream"]
        for rpc in Rpc
    ]
    assert names == ["UPSTREAM_MODE_WHOLE", "UPSTREAM_MODE_STREAM", "UPSTREAM_MODE_WHOLE"]


COUNTS = st.none() | st.integers(0, 2**63)
SECONDS = st.floats(0, 100_000)
USAGES = st.none() | st.builds(
    Usage,
    *[COUNTS] * 6,
    st.dictionaries(st.text(max_size=5), st.integers(0, 2**63), max_size=2),
    st.sampled_from(UsageSource),
)
WORDS = st.text(max_size=8)
ATTEMPTS = st.builds(
    Attempt,
    *[WORDS] * 3,
    st.sampled_from(Cause),
    st.sampled_from(Outcome),
    SECONDS,
    st.none() | SECONDS,
    st.none() | SECONDS,
    st.none() | st.sampled_from(Failure),
    st.none() | st.integers(0, 599),
    WORDS,
    USAGES,
    st.none() | st.integers(0, 2**63 - 1),
)


@given(
    st.lists(ATTEMPTS, max_size=4),
    st.sampled_from(Rpc),
    st.none() | st.sampled_from(FinishReason),
    st.sampled_from(Circuit),
    st.dictionaries(WORDS, WORDS, max_size=3),
)
def test_any_record_reads_back(
    attempts: list[Attempt], rpc: Rpc, finish: FinishReason | None, circuit: Circuit, labels: dict[str, str]
) -> None:
    """Whatever happened, the line is a DecisionRecord, and its lanes are those of the trace, to the nanosecond."""
    decision = replace(
        PLAIN,
        call=replace(CALL, rpc=rpc, labels=labels),
        plan=replace(PLAN, knowledge=Knowledge({"fast": circuit})),
        trace=PLAN.trace(tuple(attempts), None),
        finish_reason=finish,
    )
    assert list(read(decision).attempts) == list(wire_answer.trace(decision.trace).attempts)


def test_candidates_written_before_are_written_again_only_where_nothing_changed() -> None:
    """Lines share the text of candidates; another circuit, hope, ramp, order or verdict is in the very next one."""
    known = PLAN.knowledge
    states = (replace(known, circuits={}), replace(known, ejected={}), replace(known, ramps={}))
    turned = replace(PLAN, order=PLAN.order[::-1])
    for plan in (PLAN, *(replace(PLAN, knowledge=state) for state in states), turned):
        for decision in (PLAIN, replace(PLAIN, plan=plan)):
            assert json_format.Parse(wire_record.line(decision), DecisionRecord()) == wire_record.record(decision)
