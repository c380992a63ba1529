"""A stream that breaks after the caller has seen content, and is continued: in virtual time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from quickthorn_server.core.catalogue import BreakerRule, BudgetRule, Limits, OnBreak, Timeouts
from quickthorn_server.core.chunk import (
    Chunk,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from quickthorn_server.core.completion import Fold
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.failures import BackendError, Failure, Reason
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.request import Request
from quickthorn_server.core.seam import Method, Seam
from quickthorn_server.core.usage import Price, Usage, UsageSource
from quickthorn_server.execution.events import Begun, Finished, Joined, Quiet, Said
from quickthorn_server.execution.latency import Measure
from quickthorn_server.providers.resumed import Repeat, Rest
from quickthorn_server.providers.script import Step
from quickthorn_server.providers.scripted import Scripted
from quickthorn_server.routing.needs import outline
from tests.support.cast import PROMPT, STOP, Cast, Played, fails, says, silent
from tests.support.virtual import run_virtual

WHOLE = "The quick brown fox jumps over the lazy dog. " * 3
HALF = 77  # characters of it, and bytes
PRICE = Price(Decimal(1), Decimal(2))

Script = Sequence[Step]

LOST = BackendError(Failure.LOST)
BROKEN: Script = [(0.1, TextDelta(0, WHOLE[:40])), (0.1, TextDelta(0, WHOLE[40:HALF])), (0.1, LOST)]
"""Breaks at 0.3 s."""
WRITES_ON: Script = [(0.1, Rest(0, WHOLE)), (0.1, STOP)]
REPEATS: Script = [(0.1, Repeat(0, 64)), (0.1, Rest(0, WHOLE)), (0.1, STOP)]


def streamed(
    *,
    deadline: float | None = None,
    prompt: Prompt = PROMPT,
    prefill: Collection[str] = (),
    cast: dict[str, Any] | None = None,
    plan: dict[str, Any] | None = None,
    **scripts: Script,
) -> tuple[Played, Cast]:
    """Play *scripts* on a route that continues; *cast* and *plan* are their other settings.

    Those named in *prefill* are said to write on from a turn that was begun for them; all cost something.
    """

    async def main() -> tuple[Played, Cast]:
        settings: dict[str, Any] = {name: Scripted(steps) for name, steps in scripts.items()} | (cast or {})
        played = Cast(**settings)
        for name, backend in played.backends.items():
            able = frozenset({"text", "prefill"} if name in prefill else {"text"})
            played.backends[name] = replace(backend, capabilities=able, price=PRICE)
        given = {"on_break": OnBreak.CONTINUE, **(plan or {})}
        return await played.streamed(played.plan(**given), deadline, prompt), played

    return run_virtual(main())


def seams(played: Played) -> list[Seam]:
    return [event.seam for event in played.events if isinstance(event, Joined)]


def said(played: Played) -> list[Chunk]:
    return [chunk for event in played.events if isinstance(event, Said) for chunk in event.chunks]


def told(played: Played) -> str:
    """Return the text that was delivered."""
    return "".join(chunk.text for chunk in said(played) if isinstance(chunk, TextDelta))


def finished(played: Played) -> Finished:
    end = played.events[-1]
    assert isinstance(end, Finished)
    return end


@pytest.mark.parametrize(
    ("prefill", "second", "method"),
    [
        ({"b"}, WRITES_ON, Method.PREFILL),
        ((), REPEATS, Method.ANCHOR),
    ],
)
def test_what_broke_is_written_on_as_if_nothing_had_happened(
    prefill: Collection[str], second: Script, method: Method
) -> None:
    """By prefill and by anchor the whole is what one backend alone would have said; the seam comes before its rest."""
    played, cast = streamed(a=BROKEN, b=second, prefill=prefill)
    assert told(played) == WHOLE
    assert seams(played) == [Seam(0, HALF, "a", "b", method)]
    assert seams(played)[0].exact
    kinds = [type(event) for event in played.events]
    assert kinds == [Begun, Said, Said, Joined, *[Said] * (len(kinds) - 5), Finished]
    assert cast.lanes() == [("a", "first", "broke", 0.0), ("b", "continuation", "won", 0.3)]
    assert cast.ended == "answered"
    assert cast.trace.served_by == 1
    assert cast.trace.degraded == f"a broke, b continued ({method.value})"
    assert cast.told.decisions[-1].seams == tuple(seams(played))
    assert cast.told.decisions[-1].first_content == 0.1


@pytest.mark.parametrize(
    "second",
    [
        [(0.1, Repeat(0, 63)), (0.1, TextDelta(0, "and on")), (0.1, STOP)],
        [(0.1, TextDelta(0, "Sorry! ")), (0.1, Repeat(0, 64)), (0.1, STOP)],
        [(0.1, TextDelta(0, "something else")), (0.1, STOP)],
        [(0.1, Repeat(0, 20)), (0.1, STOP)],
        [(0.1, STOP)],
    ],
)
def test_an_anchor_that_did_not_come_takes_nothing_away(second: Script) -> None:
    """Whatever came instead is passed on untouched behind what was there, and the seam says that it is not exact."""
    played, _ = streamed(a=BROKEN, b=second)
    alone = "".join(
        what.text if isinstance(what, TextDelta) else WHOLE[:HALF][-what.characters :]
        for _, what in second
        if isinstance(what, TextDelta | Repeat)
    )
    assert told(played) == WHOLE[:HALF] + alone
    assert seams(played) == [Seam(0, HALF, "a", "b", Method.APPENDED)]
    assert not seams(played)[0].exact


def test_on_break_is_the_callers_word_first() -> None:
    """A route that continues does not where the call says FAIL; then there is no word about it, and no second lane."""
    played, cast = streamed(a=BROKEN, b=REPEATS, plan={"on_break": OnBreak.FAIL})
    assert played.error is not None
    assert (played.error.reason, played.error.delivered) == (Reason.STREAM_BROKEN, HALF)
    assert (played.error.metadata, cast.trace.degraded) == ({}, "")
    assert len(cast.lanes()) == 1


def test_usage_and_cost_are_the_sum() -> None:
    """Of the lane that broke and the one that ended it; reports on the way are sums, too, so they never fall."""
    first: Script = [(0.1, UsageReport(Usage(10, 1))), *BROKEN[:2], (0.0, UsageReport(Usage(10, 20))), (0.1, LOST)]
    second: Script = [(0.0, UsageReport(Usage(32, 1))), *REPEATS[:2], (0.0, UsageReport(Usage(32, 30))), (0.1, STOP)]
    played, cast = streamed(a=first, b=second)
    reports = [chunk.usage for chunk in said(played) if isinstance(chunk, UsageReport)]
    assert reports == [Usage(10, 1), Usage(10, 20), Usage(42, 21), Usage(42, 50)]
    assert finished(played).usage == Usage(42, 50)
    assert finished(played).cost_nano_usd == (42 + 2 * 50) * 1000
    assert [attempt.cost_nano_usd for attempt in cast.trace.attempts] == [50_000, 92_000]
    assert (cast.trace.extra, cast.trace.extra_cost_nano_usd) == ((), None)  # both have served


def test_what_the_broken_lane_did_not_report_is_estimated() -> None:
    """Then so is the sum; and it is unknown where the lane that ended reported nothing."""
    second: Script = [*REPEATS[:2], (0.0, UsageReport(Usage(32, 30, cache_read_tokens=8))), (0.1, STOP)]
    played, _ = streamed(a=BROKEN, b=second)
    assert finished(played).usage == Usage(33, 50, source=UsageSource.ESTIMATED)  # 77 characters are 20 tokens
    played, _ = streamed(a=BROKEN, b=REPEATS)
    assert (finished(played).usage, finished(played).cost_nano_usd) == (None, None)


def test_a_continuation_is_known_by_the_size_of_its_own_input() -> None:
    """Question and answer so far are as much to read as a question of that length."""

    async def main() -> list[int]:
        cast = Cast(a=Scripted([(0.1, TextDelta(0, "word " * 1000)), (0.1, LOST)]), b=Scripted(says("and on")))
        await cast.streamed(cast.plan(on_break=OnBreak.CONTINUE))
        latency = cast.executor._estate.latency
        return [len(latency.recent("b", tokens, Measure.FIRST_CONTENT).times().bins()) for tokens in (1, 1300)]

    assert run_virtual(main()) == [0, 1]


def test_a_stall_is_a_break() -> None:
    """Idle for too long after the caller has seen content: continued like any other break."""
    stalls: Script = [*BROKEN[:2], (1000.0, STOP)]
    played, cast = streamed(a=stalls, b=REPEATS, cast={"timeouts": Timeouts(idle=2.0)})
    assert told(played) == WHOLE
    assert cast.lanes() == [("a", "first", "broke", 0.0), ("b", "continuation", "won", 2.2)]


def test_who_fails_before_a_word_is_followed_by_the_next() -> None:
    """One after the other, never two at once, even where the route hedges; a refusal of one of them ends nothing."""
    script = fails(Failure.INVALID, after=0.5)
    played, cast = streamed(
        a=BROKEN, b=script, c=REPEATS, plan={"delay": 0.2, "max_parallel": 3}, cast={"timeouts": Timeouts()}
    )
    assert told(played) == WHOLE
    assert cast.lanes() == [
        ("a", "first", "broke", 0.0),
        ("b", "continuation", "failed", 0.3),
        ("c", "continuation", "won", 0.8),
    ]


def test_a_loser_of_the_race_may_continue() -> None:
    """It has not failed; it was stopped because the winner spoke first."""
    played, cast = streamed(a=silent(), b=BROKEN, plan={"delay": 0.5, "attempts": 4})
    assert [lane[:3] for lane in cast.lanes()] == [
        ("a", "first", "lost"),
        ("b", "silence", "broke"),
        ("a", "continuation", "failed"),
    ]
    assert played.error is not None
    assert played.error.reason is Reason.STREAM_BROKEN


def test_who_failed_before_is_not_asked_to_continue() -> None:
    """Nor is the backend that broke: nobody is left, and the reason says so."""
    played, cast = streamed(a=fails(Failure.UNAVAILABLE, http_status=500), b=BROKEN, plan={"attempts": 9})
    assert played.error is not None
    assert played.error.reason is Reason.STREAM_BROKEN
    assert played.error.delivered == HALF
    assert played.error.metadata == {"not_continued": "no other backend was left that could"}
    assert cast.trace.degraded == "not continued: no other backend was left that could"
    assert [lane[0] for lane in cast.lanes()] == ["a", "b"]


def test_a_continuation_is_not_continued() -> None:
    """One a call: the second break ends it, with all that was delivered and all that both lanes used."""
    second: Script = [*REPEATS[:1], (0.1, TextDelta(0, "jum")), (0.1, LOST)]
    played, cast = streamed(a=BROKEN, b=second, c=REPEATS, plan={"attempts": 9})
    assert told(played) == WHOLE[:HALF] + "jum"
    assert played.error is not None
    assert (played.error.reason, played.error.delivered) == (Reason.STREAM_BROKEN, HALF + 3)
    assert played.error.metadata == {"not_continued": "it had been continued once"}
    assert [lane[:3] for lane in cast.lanes()] == [("a", "first", "broke"), ("b", "continuation", "broke")]
    assert cast.trace.degraded == "a broke, b continued (anchor); not continued: it had been continued once"
    assert len(cast.told.decisions[-1].seams) == 1
    assert cast.trace.spent is not None
    costs = [attempt.cost_nano_usd or 0 for attempt in cast.trace.attempts]
    assert [cast.trace.spent.cost_nano_usd, cast.trace.extra_cost_nano_usd] in (costs, costs[::-1])


def test_a_break_before_the_seam_is_known_has_none() -> None:
    """The anchor was half there: the caller heard nothing of the second backend, and the record does not either."""
    played, cast = streamed(a=BROKEN, b=[(0.1, TextDelta(0, WHOLE[HALF - 64 : HALF - 9])), (0.1, LOST)])
    assert told(played) == WHOLE[:HALF]
    assert seams(played) == []
    assert cast.told.decisions[-1].seams == ()
    assert cast.told.decisions[-1].first_content == 0.1
    assert cast.trace.degraded == "not continued: it had been continued once"
    more = cast.trace.attempts[1].usage
    assert more is not None
    assert more.input_tokens == 1 + 20 + 128  # question, 77 bytes of answer, the instruction


def test_who_waits_for_a_failure_hears_of_a_break() -> None:
    """A backup for lost connections continues what a lost connection has broken; one for refused keys does not."""
    for causes, lanes in ((frozenset({"connect"}), ["a", "b"]), (frozenset({401}), ["a"])):
        _, cast = streamed(a=BROKEN, b=REPEATS, plan={"standby": {"b": causes}})
        assert [lane[0] for lane in cast.lanes()] == lanes


def test_the_answer_so_far_counts_as_input_where_tokens_are_limited() -> None:
    """A backend that has too few tokens left in its minute for the longer question is not asked."""

    async def main() -> Cast:
        cast = Cast(a=Scripted(BROKEN), b=Scripted(says("hi"), REPEATS), limits=Limits(tpm=140))
        await cast.streamed(cast.plan(order=(cast.backends["b"],)))
        await cast.streamed(cast.plan(on_break=OnBreak.CONTINUE))
        return cast

    assert [lane[0] for lane in run_virtual(main()).lanes()] == ["a"]


def test_all_attempts_of_a_call_count() -> None:
    """`retry.attempts` bounds continuations, too."""
    played, cast = streamed(a=BROKEN, b=REPEATS, plan={"attempts": 1})
    assert played.error is not None
    assert played.error.reason is Reason.STREAM_BROKEN
    assert len(cast.lanes()) == 1


def test_a_continuation_is_paid_for_like_a_failover() -> None:
    """To a healthy backend it is free; to a sick one the purse for retries pays, which is empty here."""
    never_opens = BreakerRule(consecutive=1_000_000, min_calls=10, failure_rate=1.1, slow_rate=1.1)

    async def main() -> Played:
        cast = Cast(
            rule=never_opens,
            budget=BudgetRule(retries=0.0),
            a=Scripted(BROKEN),
            b=Scripted(*[fails(Failure.LOST)] * failures, REPEATS),
        )
        for _ in range(failures):
            await cast.streamed(cast.plan(order=(cast.backends["b"],), attempts=1))
        return await cast.streamed(cast.plan(on_break=OnBreak.CONTINUE))

    failures = 0
    assert told(run_virtual(main())) == WHOLE
    failures = 10
    assert told(run_virtual(main())) == WHOLE[:HALF]


def test_the_deadline_bounds_a_continuation() -> None:
    """When it passes while nobody has gone on yet the call is late, as any other, with what was delivered."""
    played, _ = streamed(a=BROKEN, b=silent(), deadline=1.0)
    assert played.error is not None
    assert (played.error.reason, played.error.delivered) == (Reason.DEADLINE, HALF)


def test_a_stream_without_time_is_not_continued() -> None:
    """A break in the last instant starts nothing."""
    played, cast = streamed(a=BROKEN, b=REPEATS, deadline=0.3004)
    assert played.error is not None
    assert played.error.metadata == {"not_continued": "no time was left"}
    assert len(cast.lanes()) == 1


def test_a_quiet_takeover_has_a_heartbeat() -> None:
    """Between the break and the first word of the continuation, and while an anchor is held back."""
    second: Script = [(5.0, Repeat(0, 64)), (5.0, Rest(0, WHOLE)), (0.1, STOP)]
    played, _ = streamed(a=BROKEN, b=second, cast={"heartbeat": 2.0})
    assert told(played) == WHOLE
    assert [type(event) for event in played.events].count(Quiet) >= 3


def with_needs(prompt: Prompt) -> dict[str, Any]:
    return {"outline": outline(Request(prompt))}


def test_other_parts_of_the_continuation_follow() -> None:
    """Its first text goes on in the part that broke; thinking, tool calls and further texts get the next indices."""
    second: Script = [
        (0.1, ReasoningDelta(0, "Where was I? ")),
        (0.1, Repeat(1, 64)),
        (0.1, Rest(1, WHOLE)),
        (0.1, ToolCallDelta(2, "c", "f", "{}")),
        (0.1, TextDelta(3, "more")),
        (0.1, STOP),
    ]
    played, _ = streamed(a=BROKEN, b=second)
    fold = Fold()
    fold.add(said(played))
    assert [type(part.kind).__name__ for part in fold.parts()] == ["Text", "Reasoning", "ToolCall", "Text"]
    assert fold.parts()[0] == Part(Text(WHOLE))
    (seam,) = seams(played)
    assert (seam.part, seam.offset, seam.method) == (0, HALF, Method.ANCHOR)


def test_a_prompt_that_is_longer_by_the_answer_may_be_too_long() -> None:
    """A backend whose window does not hold question and answer so far is passed over."""
    prompt = Prompt((Message(Role.USER, (Part(Text("x" * 400)),)),))

    async def main() -> tuple[Played, Cast]:
        cast = Cast(a=Scripted(BROKEN), b=Scripted(REPEATS), c=Scripted(REPEATS))
        a, b, c = cast.backends.values()
        plan = cast.plan(on_break=OnBreak.CONTINUE, order=(a, replace(b, context_window=200), c), **with_needs(prompt))
        return await cast.streamed(plan, None, prompt), cast

    played, cast = run_virtual(main())
    assert told(played) == WHOLE
    assert [lane[0] for lane in cast.lanes()] == ["a", "c"]
