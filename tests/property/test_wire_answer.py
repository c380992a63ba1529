"""Answers written as protobuf: a stream's events fold to exactly what Complete would have returned."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from itertools import takewhile
from typing import TypeVar

import pytest

from quickthorn import fold
from quickthorn import messages as pb
from quickthorn_server.core.attempt import Attempt, Cause, Outcome, Trace
from quickthorn_server.core.catalogue import Timeouts
from quickthorn_server.core.chunk import (
    Burst,
    Chunk,
    End,
    FinishReason,
    Opened,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    WholePart,
)
from quickthorn_server.core.content import Citation, Message, OpaqueState, Part, Refusal
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Failure, Reason
from quickthorn_server.core.plan import Plan
from quickthorn_server.core.usage import Usage, UsageSource
from quickthorn_server.edge import wire_answer, wire_content
from quickthorn_server.edge.violations import Violations
from quickthorn_server.execution.events import Begun, Finished, Said
from tests.support.full_request import FULL_PROMPT
from tests.support.random_replies import random_reply
from tests.support.stage import PROMPT, Player, Score, Stage
from tests.support.virtual import run_virtual

T = TypeVar("T")
STOP = End(FinishReason.STOP)


async def streamed(stage: Stage, plan: Plan) -> list[pb.CompletionEvent]:
    """Return the events of a call, as the service writes them."""
    call, written = stage.call(), list[pb.CompletionEvent]()
    async with aclosing(stage.executor.stream(plan, PROMPT, call)) as happening:
        async for event in happening:
            if isinstance(event, Begun):
                written.append(wire_answer.started(event, call))
            elif isinstance(event, Finished):
                written.append(wire_answer.finished(event))
            elif isinstance(event, Said):
                written.extend(wire_answer.events(event.chunks))
    return written


async def completed(stage: Stage, plan: Plan) -> pb.Completion:
    """Return the answer of a unary call, as the service writes it."""
    call = stage.call()
    return wire_answer.completion(await stage.executor.complete(plan, PROMPT, call), call)


def both(*scores: Score, delay: float | None = None) -> tuple[list[pb.CompletionEvent], pb.Completion]:
    """Play the same scores once as a stream and once as a unary call, both from instant 0."""
    return run_virtual(_played(streamed, scores, delay)), run_virtual(_played(completed, scores, delay))


async def _played(how: Callable[[Stage, Plan], Awaitable[T]], scores: Sequence[Score], delay: float | None) -> T:
    times = Timeouts(first_token=1000, idle=1000, total=10_000)
    stage = Stage({name: Player(score) for name, score in zip("abc", scores, strict=False)}, timeouts=times)
    result = await how(stage, stage.plan(delay=delay))
    await stage.reaper.idle(10)
    return result


def test_a_thousand_random_replies_fold_to_what_complete_returns() -> None:
    """Interleaved reasoning, text, parallel tool calls, refusals, late citations, empty answers, in any race."""
    served = set[pb.LaneCause]()
    for seed in range(1000):
        dice = random.Random(seed)
        scores: list[Score] = [list(_score(random_reply(dice), dice)) for _ in range(dice.choice([1, 1, 2, 3]))]
        if len(scores) > 1 and dice.random() < 0.5:
            scores[0] = _broken(scores[0])
        events, answer = both(*scores, delay=dice.choice([None, 0.0, 0.15, 0.3]))
        assert fold(events) == answer, f"seed {seed}"
        served.add(events[0].started.cause)
    assert served == {
        pb.LaneCause.LANE_CAUSE_FIRST,
        pb.LaneCause.LANE_CAUSE_SILENCE,
        pb.LaneCause.LANE_CAUSE_FAILOVER,
    }


def _score(chunks: Sequence[Chunk], dice: random.Random) -> Iterator[tuple[float, Burst]]:
    """Cut an answer into bursts anywhere, with an `Opened` somewhere at the front."""
    rest: Sequence[Chunk] = [Opened(dice.choice(["", "reported"]), "upstream-1", 200), *chunks]
    while rest:
        cut = dice.randint(1, len(rest))
        yield dice.choice([0.0, 0.1, 0.2, 0.5]), rest[:cut]
        rest = rest[cut:]


def _broken(score: Score) -> Score:
    """Break an answer before anything of it can be seen: a stream's reader would not get another one."""
    unseen = takewhile(lambda step: all(isinstance(chunk, Opened | ReasoningDelta) for chunk in step[1]), score)  # type: ignore[union-attr]
    return [*unseen, (0.25, Failure.LOST)]


@pytest.mark.parametrize(
    "chunks",
    [
        [STOP],
        [UsageReport(Usage(1, 0)), STOP],
        [TextDelta(0, ""), STOP],
        [TextDelta(0, ""), ToolCallDelta(1, "1", "f", "{}"), End(FinishReason.TOOL_CALLS)],
        [ReasoningDelta(0, ""), TextDelta(1, "x"), STOP],
        [TextDelta(0, "x"), WholePart(0, Part(None, citations=(Citation("u"),))), TextDelta(0, "y"), STOP],
        [WholePart(0, Part(None, opaque=OpaqueState("p", "m", "i", b"\xff"))), ReasoningDelta(0, "hm"), STOP],
        [WholePart(0, Part(Refusal("no"))), End(FinishReason.REFUSAL)],
        [TextDelta(0, "x"), End(FinishReason.LENGTH, "###")],
    ],
)
def test_the_corners_fold_alike(chunks: list[Chunk]) -> None:
    """Empty parts, signatures before and citations after their words, ends of every kind."""
    events, answer = both([(0.1, chunks)])
    assert fold(events) == answer
    assert len(answer.message.parts) == len({chunk.part for chunk in chunks if hasattr(chunk, "part")})


def test_a_stream_begins_once_and_ends_once() -> None:
    """`started` first, `finished` last, and nothing else says that an answer begins or ends."""
    events, answer = both([(0.1, [TextDelta(0, "x")]), (0.1, [TextDelta(0, "y"), STOP])])
    assert [event.WhichOneof("event") for event in events] == ["started", "text", "text", "finished"]
    assert (events[0].started.id, events[0].started.request_id) == (answer.id, answer.request_id)
    assert events[0].started.backend == "a"
    assert events[0].started.cause == pb.LaneCause.LANE_CAUSE_FIRST


def test_text_that_came_together_leaves_together() -> None:
    """One burst, one event per run of a part; runs are never joined across another chunk or another part."""
    said: list[Chunk] = [
        TextDelta(0, "a"),
        TextDelta(0, "b"),
        TextDelta(1, "c"),
        TextDelta(0, "d"),
        UsageReport(Usage(1, 1)),
        TextDelta(0, "e"),
        ReasoningDelta(2, "f"),
        ReasoningDelta(2, "g"),
    ]
    written = list(wire_answer.events(said))
    assert [event.text.text or event.reasoning.text for event in written] == ["ab", "c", "d", "", "e", "f", "g"]


def test_the_model_is_the_reported_one() -> None:
    """As configured until the provider said otherwise."""
    named, _ = both([(0.1, [Opened("reported"), TextDelta(0, "x"), STOP])])
    plain, _ = both([(0.1, [Opened(""), TextDelta(0, "x"), STOP])])
    assert (named[0].started.model, plain[0].started.model) == ("reported", "model-a")


def test_usage_is_never_guessed() -> None:
    """Absent fields stay absent, 0 stays 0, and nothing known is said to be unknown."""
    assert wire_answer.usage(None) == pb.Usage(source=pb.UsageSource.USAGE_SOURCE_UNKNOWN)
    written = wire_answer.usage(Usage(0, None, 3, units={"image": 1}, source=UsageSource.ESTIMATED))
    assert written == pb.Usage(
        input_tokens=0,
        cache_read_tokens=3,
        units={"image": 1},
        source=pb.UsageSource.USAGE_SOURCE_ESTIMATED,
    )
    assert (written.HasField("input_tokens"), written.HasField("output_tokens")) == (True, False)


ATTEMPT = Attempt("a", "openai", "m", Cause.FIRST, Outcome.BROKE, 0.0, 0.25, 1.5, Failure.LOST, 200, "up-1", None, None)


def test_a_trace_is_written_whole() -> None:
    """Every field of an attempt; times to the nanosecond; what did not happen is absent."""
    usage = Usage(3, 4)
    lost = Attempt("b", "local", "n", Cause.SILENCE, Outcome.WON, 0.1, usage=usage, cost_nano_usd=0)
    written = wire_answer.trace(Trace((ATTEMPT, lost), 1, "", 0.3, "v1"))
    assert written == pb.RouteTrace(
        attempts=[
            pb.Attempt(
                backend="a",
                provider="openai",
                model="m",
                cause=pb.LaneCause.LANE_CAUSE_FIRST,
                outcome=pb.LaneOutcome.LANE_OUTCOME_BROKE,
                started={},
                first_content={"nanos": 250_000_000},
                ended={"seconds": 1, "nanos": 500_000_000},
                failure="lost",
                http_status=200,
                provider_request_id="up-1",
            ),
            pb.Attempt(
                backend="b",
                provider="local",
                model="n",
                cause=pb.LaneCause.LANE_CAUSE_SILENCE,
                outcome=pb.LaneOutcome.LANE_OUTCOME_WON,
                started={"nanos": 100_000_000},
                usage=wire_answer.usage(usage),
                cost_nano_usd=0,
            ),
        ],
        served_by=1,
        hedge_delay={"nanos": 300_000_000},
        config_version="v1",
    )
    nobody = wire_answer.trace(Trace((), None, "one candidate only", None, "v1"))
    assert nobody == pb.RouteTrace(no_hedge="one candidate only", config_version="v1")


@pytest.mark.parametrize("kind", [Cause, Outcome, FinishReason, UsageSource])
def test_every_word_has_its_number(kind: type[Cause | Outcome | FinishReason | UsageSource]) -> None:
    """Each of our words is the contract's word of the same name."""
    tables = {
        Cause: (wire_answer._CAUSES, "LANE_CAUSE_", pb.LaneCause),
        Outcome: (wire_answer._OUTCOMES, "LANE_OUTCOME_", pb.LaneOutcome),
        FinishReason: (wire_answer._FINISH, "FINISH_REASON_", pb.FinishReason),
        UsageSource: (wire_answer._SOURCES, "USAGE_SOURCE_", pb.UsageSource),
    }
    table, prefix, enum = tables[kind]
    assert {word.name: number for word, number in table.items()} == {  # type: ignore[attr-defined]
        word.name: enum.Value(prefix + word.name) for word in kind
    }


@pytest.mark.parametrize("outcome", [Outcome.BROKE, Outcome.ABANDONED])
def test_a_failed_call_keeps_what_it_spent(outcome: Outcome) -> None:
    """A stream that broke, or ran into its deadline, has used tokens, and its failure says how many."""
    before = Attempt("b", "openai", "m", Cause.FIRST, Outcome.FAILED, 0.0, usage=Usage(1, 1), cost_nano_usd=1)
    spent = Attempt("a", "openai", "m", Cause.FIRST, outcome, 0.0, 0.2, 1.0, usage=Usage(7, 3000), cost_nano_usd=42)
    error = CallError(Reason.STREAM_BROKEN, "broke", trace=Trace((before, spent), None, "", None, "v"), delivered=1204)
    written = wire_answer.failure(error, "request-1")
    assert (written.request_id, written.delivered, written.usage.output_tokens) == ("request-1", 1204, 3000)
    assert written.cost_nano_usd == 42
    assert [attempt.backend for attempt in written.attempts] == ["b", "a"]


def test_a_failure_before_any_lane_has_no_usage() -> None:
    """Absent = nothing was sent."""
    written = wire_answer.failure(CallError(Reason.UNKNOWN_ROUTE, "no"), "request-1")
    assert written == pb.RouteFailure(request_id="request-1")


@pytest.mark.parametrize("message", FULL_PROMPT.messages)
def test_what_is_written_is_read_back(message: Message) -> None:
    """Parts of every kind survive the way to a client and back: an answer can be appended to the conversation."""
    violations = Violations()
    written = [pb.Part(**wire_content.part_fields(part)) for part in message.parts]
    assert wire_content.parts(written, "parts", violations) == message.parts
    violations.settle()


def test_text_is_written_as_it_is() -> None:
    """Nothing is normalised, trimmed or escaped on its way out."""
    text = "e\u0301\u200d\U0001f33f\r\n\x00 "
    (event,) = wire_answer.events([TextDelta(0, text)])
    assert event.text.text == text
