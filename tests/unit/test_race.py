"""The staggered race, at exact instants of virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from quickthorn_server.core.catalogue import BreakerRule, Timeouts
from quickthorn_server.core.chunk import (
    Burst,
    End,
    FinishReason,
    Opened,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Failure, Reason
from quickthorn_server.core.plan import Circuit
from quickthorn_server.core.provider import Ask
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import PROMPT, STOP, Cast, Played, Step, fails, opened, says, silent
from tests.support.virtual import run_virtual


def streamed(*, deadline: float | None = None, close_after: float = 0.0, **given: Any) -> tuple[Played, Cast]:
    """Play the scripts among *given* in a race with the other settings of `Cast.plan`."""

    async def main() -> tuple[Played, Cast]:
        scripts = {key: Scripted(value, close_after=close_after) for key, value in given.items() if _is_script(value)}
        settings = {key: value for key, value in given.items() if key not in scripts}
        cast = Cast(
            timeouts=settings.pop("timeouts", None),
            rule=settings.pop("rule", None),
            budget=None,
            limits=None,
            heartbeat=None,
            **scripts,
        )
        return await cast.streamed(cast.plan(**settings), deadline), cast

    return run_virtual(main())


def _is_script(value: object) -> bool:
    return isinstance(value, list)


def closed_at(cast: Cast) -> dict[str, list[float]]:
    return {name: [round(at, 6) for at in script.closed_at] for name, script in cast.scripts.items()}


def test_a_prompt_primary_is_left_alone() -> None:
    """Who speaks within the delay wins; nobody else is opened."""
    played, cast = streamed(a=says("A", "B"), b=says("X"), delay=0.25)
    assert played.words == [(0.1, "A"), (0.2, "B")]
    assert cast.lanes() == [("a", "first", "won", 0.0)]
    assert cast.scripts["b"].opened_at == []


def test_a_slow_primary_is_overtaken() -> None:
    """After the delay the next backend starts; the first to speak wins and the loser is closed in that very step."""
    played, cast = streamed(a=says("A", after=10), b=says("X", "Y"), delay=0.25)
    assert played.words == [(0.35, "X"), (0.45, "Y")]
    assert played.at[0] == 0.35
    assert cast.lanes() == [("a", "first", "lost", 0.0), ("b", "silence", "won", 0.25)]
    assert closed_at(cast)["a"] == [0.35]


def test_the_primary_may_still_win_after_the_hedge_started() -> None:
    """A hedge is a second chance, not a replacement."""
    played, cast = streamed(a=says("A", after=0.3), b=says("X", after=0.1), delay=0.25)
    assert played.words == [(0.3, "A")]
    assert cast.lanes() == [("a", "first", "won", 0.0), ("b", "silence", "lost", 0.25)]
    assert closed_at(cast)["b"] == [0.3]


def test_a_dead_heat_has_one_winner() -> None:
    """Two lanes that speak at the same instant: one wins, one loses, nothing is mixed."""
    played, cast = streamed(a=says("A", after=0.35), b=says("X", after=0.1), delay=0.25)
    assert len(played.words) == 1
    assert sorted(lane[2] for lane in cast.lanes()) == ["lost", "won"]


def test_no_delay_starts_all_lanes_at_once() -> None:
    """`0s` races from the start, and `max_parallel` bounds it."""
    played, cast = streamed(a=silent(), b=silent(), c=says("Z"), delay=0.0, max_parallel=2, deadline=1.0)
    assert [lane[3] for lane in cast.lanes()] == [0.0, 0.0]
    assert played.error is not None
    played, cast = streamed(a=silent(), b=silent(), c=says("Z"), delay=0.0, max_parallel=3)
    assert played.words == [(0.1, "Z")]
    assert [lane[3] for lane in cast.lanes()] == [0.0, 0.0, 0.0]


def test_each_delay_starts_one_more_lane() -> None:
    """Lanes start one delay apart while all are silent."""
    _, cast = streamed(a=silent(), b=silent(), c=says("Z"), delay=0.25, max_parallel=3)
    assert [lane[3] for lane in cast.lanes()] == [0.0, 0.25, 0.5]


def test_a_failure_starts_the_next_lane_at_once() -> None:
    """Failover does not wait for any delay, and needs no hedging."""
    played, cast = streamed(a=fails(Failure.UNAVAILABLE, after=0.05), b=says("X"))
    assert played.words == [(0.15, "X")]
    assert cast.lanes() == [("a", "first", "failed", 0.0), ("b", "failover", "won", 0.05)]


def test_a_failure_shortcuts_the_delay() -> None:
    """A lane that fails before the delay passes is replaced at once; the delay then counts from the new lane."""
    _, cast = streamed(a=fails(Failure.UNAVAILABLE, after=0.05), b=silent(), c=says("Z"), delay=0.25, max_parallel=2)
    assert cast.lanes() == [
        ("a", "first", "failed", 0.0),
        ("b", "failover", "lost", 0.05),
        ("c", "silence", "won", 0.3),
    ]


def test_a_fast_rejection_of_a_hedge_never_beats_a_healthy_slow_lane() -> None:
    """A terminal failure stops new lanes; the running one answers."""
    played, cast = streamed(
        a=says("A", after=3.0), b=fails(Failure.INVALID, 0.01, http_status=400), c=says("Z"), delay=0.25
    )
    assert played.words == [(3.0, "A")]
    assert [lane[0] for lane in cast.lanes()] == ["a", "b"]


def test_a_rejection_becomes_the_status_only_when_no_lane_is_left() -> None:
    """The slow lane fails too: then the terminal failure speaks, although it was not first."""
    played, cast = streamed(
        a=fails(Failure.UNAVAILABLE, 3.0, http_status=500),
        b=fails(Failure.INVALID, 0.01, http_status=400),
        c=says("Z"),
        delay=0.25,
    )
    assert played.error is not None
    assert (played.error.reason, played.error.metadata) == (Reason.REJECTED, {"backend": "b"})
    assert played.ended_at == 3.0
    assert cast.scripts["c"].opened_at == []


def test_a_rejection_alone_ends_the_call_at_once() -> None:
    """A bad request is nobody else's to try."""
    played, cast = streamed(a=fails(Failure.INVALID, 0.1, http_status=400), b=says("X"))
    assert (played.error is not None, played.ended_at) == (True, 0.1)
    assert cast.scripts["b"].opened_at == []


def test_a_loser_that_closes_slowly_delays_nothing() -> None:
    """A loser that takes 2 s to close: first word, last word and end of the call come when they would without it."""
    played, cast = streamed(a=says("A", after=10), b=says("X", "Y"), delay=0.25, close_after=2.0)
    assert played.words == [(0.35, "X"), (0.45, "Y")]
    assert played.ended_at == 0.45
    assert closed_at(cast)["a"] == [2.35]
    assert cast.reaper.stragglers == 1


def test_an_empty_answer_with_a_finish_reason_is_an_answer() -> None:
    """A clean end without a word wins the race."""
    played, cast = streamed(a=[(0.1, STOP)], b=says("X"))
    assert played.error is None
    assert [type(event).__name__ for event in played.events] == ["Begun", "Finished"]
    assert cast.lanes() == [("a", "first", "won", 0.0)]


def test_an_end_without_a_finish_reason_is_a_failure() -> None:
    """A stream that just stops was cut: the next lane answers."""
    played, cast = streamed(a=opened([]), b=says("X"))
    assert played.words == [(0.1, "X")]
    assert cast.trace.attempts[0].failure is Failure.PROTOCOL


def test_an_opened_connection_has_not_spoken() -> None:
    """Headers, usage and empty text do not win a race."""
    mute: list[Step] = [*opened([(0.05, UsageReport(Usage(5, 0))), (0.0, TextDelta(0, ""))]), *says("A", after=5)]
    played, _ = streamed(a=mute, b=says("X"), delay=0.25)
    assert played.server == "b"


def test_unseen_reasoning_does_not_commit_but_is_delivered() -> None:
    """Thinking nobody asked to see is held until the answer begins, and then passed on in order."""
    thinking: list[Step] = [
        (0.05, ReasoningDelta(0, "hmm ")),
        (0.05, ReasoningDelta(0, "so")),
        (0.4, TextDelta(1, "A")),
        (0, STOP),
    ]
    played, cast = streamed(a=thinking, b=says("X", after=9), delay=0.25)
    assert played.at[0] == 0.5
    said = [chunk for event in played.events for chunk in getattr(event, "chunks", [])]
    assert said == [ReasoningDelta(0, "hmm "), ReasoningDelta(0, "so"), TextDelta(1, "A")]
    assert [lane[0] for lane in cast.lanes()] == ["a", "b"]


def test_reasoning_asked_for_commits() -> None:
    """With `show` thinking is what the caller wants to see."""
    thinking: list[Step] = [(0.05, ReasoningDelta(0, "hmm")), (5.0, TextDelta(1, "A")), (0, STOP)]
    played, cast = streamed(a=thinking, b=says("X"), delay=0.25, shows_reasoning=True)
    assert played.at[0] == 0.05
    assert [lane[0] for lane in cast.lanes()] == ["a"]


def test_much_unseen_reasoning_commits_all_the_same() -> None:
    """Beyond 256 KiB held a lane commits: memory is bounded."""
    thinking: list[Step] = [(0.01, ReasoningDelta(0, "x" * 1024)) for _ in range(257)]
    played, _ = streamed(a=[*thinking, (60.0, STOP)], b=says("X", after=9), delay=5.0, timeouts=Timeouts(idle=100))
    assert played.at[0] == pytest.approx(2.53, abs=0.01)


def test_the_start_of_a_tool_call_commits() -> None:
    """A tool call is content from its first delta on."""
    call: list[Step] = [(0.1, ToolCallDelta(0, "1", "f")), (5.0, ToolCallDelta(0, arguments_json="{}")), (0, STOP)]
    played, cast = streamed(a=call, b=says("X"), delay=0.25)
    assert (played.server, played.at[0], len(cast.lanes())) == ("a", 0.1, 1)


def test_every_candidate_once_then_the_retryable_again() -> None:
    """Retries come after all candidates, wait for their backoff, and count as lanes."""
    _, cast = streamed(
        a=fails(Failure.UNAVAILABLE, http_status=500), b=fails(Failure.NOT_FOUND, http_status=404), attempts=4
    )
    assert [(lane[0], lane[1]) for lane in cast.lanes()] == [
        ("a", "first"),
        ("b", "failover"),
        ("a", "retry"),
        ("a", "retry"),
    ]
    first, second = (attempt.started for attempt in cast.trace.attempts[2:])
    assert 0 < first <= 0.5
    assert first < second <= first + 1.0


def test_retry_after_is_waited_for_to_the_instant() -> None:
    """The provider's own wait replaces the backoff."""
    played, cast = streamed(a=fails(Failure.RATE_LIMITED, 0.1, http_status=429, retry_after=2.5), attempts=2)
    assert [lane[3] for lane in cast.lanes()] == [0.0, 2.6]
    assert played.error is not None
    assert (played.error.reason, played.error.retry_after) == (Reason.RATE_LIMITED, 2.5)


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    """A retry that could not start in time ends the call now, with the wait as advice."""
    played, _ = streamed(a=fails(Failure.RATE_LIMITED, http_status=429, retry_after=20.0), deadline=5.0)
    assert played.ended_at == 0.0
    assert played.error is not None
    assert played.error.retry_after == 20.0


def test_attempts_count_all_lanes() -> None:
    """Hedges, failovers and retries share one number."""
    _, cast = streamed(a=silent(), b=silent(), c=says("Z"), delay=0.1, max_parallel=3, attempts=2, deadline=1.0)
    assert len(cast.lanes()) == 2


@pytest.mark.parametrize(
    ("failures", "reason"),
    [
        ([Failure.UNAVAILABLE, Failure.RATE_LIMITED], Reason.ALL_FAILED),
        ([Failure.RATE_LIMITED, Failure.UNAVAILABLE], Reason.ALL_FAILED),
        ([Failure.RATE_LIMITED, Failure.QUOTA_EXHAUSTED], Reason.RATE_LIMITED),
        ([Failure.UNAUTHENTICATED, Failure.FORBIDDEN], Reason.BACKEND_MISCONFIGURED),
        ([Failure.UNAUTHENTICATED, Failure.UNAVAILABLE], Reason.ALL_FAILED),
        ([Failure.CONTEXT_LENGTH, Failure.TOO_LARGE], Reason.CONTEXT_TOO_LONG),
        ([Failure.UNSUPPORTED, Failure.TOO_LARGE], Reason.NO_ELIGIBLE_BACKEND),
        ([Failure.CONTEXT_LENGTH, Failure.NOT_FOUND], Reason.BACKEND_MISCONFIGURED),
        ([Failure.UNSUPPORTED, Failure.RATE_LIMITED], Reason.ALL_FAILED),
        ([Failure.CONTENT_FILTERED, Failure.UNAVAILABLE], Reason.CONTENT_FILTERED),
        ([Failure.UNAVAILABLE, Failure.CONTENT_FILTERED], Reason.ALL_FAILED),
        ([Failure.UNAVAILABLE, Failure.INVALID], Reason.REJECTED),
        ([Failure.TIMEOUT, Failure.CONNECT], Reason.ALL_FAILED),
    ],
)
def test_the_status_is_that_of_the_first_lane_unless_it_must_hold_everywhere(
    failures: list[Failure], reason: Reason
) -> None:
    """One lane's key or limit is not the call's: those reasons need every lane to agree.

    Where lanes differ in why nobody ever will answer, it must not look as if asking again helped.
    """
    one, two = failures
    played, _ = streamed(a=fails(one, http_status=599), b=fails(two, http_status=599))
    assert played.error is not None
    assert played.error.reason is reason
    lasting = reason in {Reason.NO_ELIGIBLE_BACKEND, Reason.CONTEXT_TOO_LONG, Reason.BACKEND_MISCONFIGURED}
    assert set(played.error.metadata) == (
        {"a", "b"} if lasting else {"backend"} if reason is Reason.REJECTED else set()
    )
    assert played.error.retry_after is None or not lasting


@pytest.mark.parametrize("failure", [Failure.UNAUTHENTICATED, Failure.RATE_LIMITED, Failure.CONTEXT_LENGTH])
def test_everywhere_means_every_candidate(failure: Failure) -> None:
    """A candidate that attempts did not reach, or whose circuit refused, may still do: the call is ALL_FAILED."""
    played, _ = streamed(a=fails(failure, http_status=401), b=says("X"), attempts=1)
    assert played.error is not None
    assert played.error.reason is Reason.ALL_FAILED
    alone, _ = streamed(a=fails(failure, http_status=401), b=says("X"), attempts=1, failover=False)
    assert alone.error is not None
    assert alone.error.reason is not Reason.ALL_FAILED


@pytest.mark.parametrize(
    ("timeouts", "script", "at"),
    [
        (Timeouts(first_token=2.0), silent(), 2.0),
        (Timeouts(first_token=2.0), [(1.5, UsageReport(Usage(1, 0))), *silent()], 2.0),
        (Timeouts(first_token=2.0, idle=1.0), [(1.5, ReasoningDelta(0, "hm")), *silent()], 2.5),
        (Timeouts(first_token=50, total=3.0), silent(), 3.0),
        (Timeouts(first_token=2, idle=1, total=3), [(0.8, ReasoningDelta(0, "h")) for _ in range(99)], 3.0),
    ],
)
def test_a_lane_that_keeps_silent_is_given_up(timeouts: Timeouts, script: list[Step], at: float) -> None:
    """First token, idle and total each end a lane at their instant, and the next one starts."""
    played, cast = streamed(a=script, b=says("X", after=0.5), timeouts=timeouts)
    assert played.words == [(at + 0.5, "X")]
    assert cast.trace.attempts[0].failure is Failure.TIMEOUT
    assert closed_at(cast)["a"] == [at]


def test_a_stream_that_stalls_after_commit_breaks() -> None:
    """Idle bounds a committed stream; what was delivered is counted, and no other lane is tried."""
    played, cast = streamed(a=[(0.1, TextDelta(0, "häl")), *silent()], b=says("X"), timeouts=Timeouts(idle=1.0))
    assert played.ended_at == 1.1
    assert played.error is not None
    assert (played.error.reason, played.error.delivered) == (Reason.STREAM_BROKEN, 4)
    assert [lane[2] for lane in cast.lanes()] == ["broke"]


def test_a_stream_that_breaks_still_says_with_which_status_it_had_begun() -> None:
    """Lost or stalled, the provider had answered; only who never did has no status."""
    begun = [(0.1, Opened(http_status=200)), (0.0, TextDelta(0, "half"))]
    for rest, status in ((fails(Failure.LOST, 0.5), 200), (fails(Failure.OVERLOADED, 0.5, http_status=503), 503)):
        _, cast = streamed(a=[*begun, *rest])
        assert [attempt.http_status for attempt in cast.trace.attempts] == [status]
    _, cast = streamed(a=fails(Failure.CONNECT), attempts=1)
    assert [attempt.http_status for attempt in cast.trace.attempts] == [None]


def test_total_does_not_bound_a_committed_stream() -> None:
    """A long healthy stream goes on past its backend's total."""
    played, _ = streamed(a=says(*"abcdefgh", after=0.5, gap=0.9), timeouts=Timeouts(total=2.0, idle=1.0))
    assert played.error is None
    assert played.ended_at == pytest.approx(6.8)


def test_the_deadline_ends_everything() -> None:
    """DEADLINE at the instant, every lane closed at it."""
    played, cast = streamed(a=silent(), b=silent(), delay=0.1, deadline=0.5)
    assert played.error is not None
    assert (played.error.reason, played.ended_at) == (Reason.DEADLINE, 0.5)
    assert closed_at(cast) == {"a": [0.5], "b": [0.5]}
    assert [lane[2] for lane in cast.lanes()] == ["abandoned", "abandoned"]


def test_the_deadline_bounds_a_committed_stream() -> None:
    """A stream in full flow ends at the deadline too, with what was delivered."""
    played, cast = streamed(a=says("a", "b", "c", gap=0.3), deadline=0.5)
    assert played.error is not None
    assert (played.error.reason, played.error.delivered, played.ended_at) == (Reason.DEADLINE, 2, 0.5)
    assert [lane[2] for lane in cast.lanes()] == ["abandoned"]


def test_the_wait_for_a_first_token_is_enforced() -> None:
    """No content by `max_first_token` ends the call, whatever is still running."""
    played, _ = streamed(a=silent(), b=silent(), delay=0.1, max_first_token=0.4, deadline=9.0)
    assert played.error is not None
    assert (played.error.reason, played.ended_at) == (Reason.FIRST_TOKEN_TIMEOUT, 0.4)
    played, _ = streamed(a=says("A", "B", after=0.3, gap=5), max_first_token=0.4)
    assert played.error is None


def test_failover_off_keeps_to_the_first_candidate() -> None:
    """The caller may forbid failover; the same backend may still be retried."""
    _, cast = streamed(a=fails(Failure.UNAVAILABLE, http_status=500), b=says("X"), failover=False, attempts=2)
    assert [(lane[0], lane[1]) for lane in cast.lanes()] == [("a", "first"), ("a", "retry")]


def test_all_circuits_open_is_said_with_a_wait() -> None:
    """Nobody is asked, and the shortest wait is the advice."""

    async def main() -> tuple[Played, Cast]:
        rule = BreakerRule(consecutive=1, open_for=5.0)
        cast = Cast(rule=rule, a=Scripted(fails(Failure.UNAVAILABLE, http_status=500)))
        await cast.streamed(cast.plan(attempts=1))
        await asyncio.sleep(2.0)
        return await cast.streamed(cast.plan()), cast

    played, cast = run_virtual(main())
    assert played.error is not None
    assert (played.error.reason, played.error.retry_after) == (Reason.NO_HEALTHY_BACKEND, 3.0)
    assert (cast.lanes(), cast.told.circuits) == ([], [("a", Circuit.OPEN)])


def test_losers_leave_no_mark_on_their_circuit() -> None:
    """A hundred lost races do not open a circuit that opens at one failure."""

    async def main() -> Cast:
        rule = BreakerRule(consecutive=1)
        cast = Cast(rule=rule, a=Scripted(says("A", after=10)), b=Scripted(says("X")))
        for _ in range(100):
            await cast.streamed(cast.plan(delay=0.25))
        return cast

    cast = run_virtual(main())
    assert cast.told.circuits == []
    assert len(cast.scripts["a"].closed_at) == 100


def completed(**given: Any) -> tuple[Any, Cast]:
    """Play a unary call; return its completion or error, and the cast."""

    async def main() -> tuple[Any, Cast]:
        scripts = {key: Scripted(value) for key, value in given.items() if _is_script(value)}
        settings = {key: value for key, value in given.items() if key not in scripts}
        cast = Cast(
            rule=None, timeouts=settings.pop("timeouts", None), budget=None, limits=None, heartbeat=None, **scripts
        )
        deadline = settings.pop("deadline", None)
        try:
            return await cast.completed(cast.plan(**settings), deadline), cast
        except CallError as error:
            return error, cast

    return run_virtual(main())


def test_a_unary_winner_that_breaks_is_replaced_from_scratch() -> None:
    """Its caller has seen nothing: no word of the broken reply is in the answer."""
    answer, cast = completed(a=[(0.1, TextDelta(0, "half")), *fails(Failure.LOST, 0.5)], b=says("whole", after=0.2))
    assert [part.kind.text for part in answer.parts] == ["whole"]
    assert cast.lanes() == [("a", "first", "broke", 0.0), ("b", "failover", "won", 0.6)]
    assert cast.trace.served_by == 1


def test_a_unary_winner_that_stalls_is_replaced() -> None:
    """A stall is a break: idle ends the lane and the next one answers."""
    answer, cast = completed(a=[(0.1, TextDelta(0, "half")), *silent()], b=says("whole"), timeouts=Timeouts(idle=1.0))
    assert [part.kind.text for part in answer.parts] == ["whole"]
    assert [lane[3] for lane in cast.lanes()] == [0.0, 1.1]


def test_a_loser_stands_in_for_a_unary_winner_that_breaks() -> None:
    """It was stopped, it has not failed: it is asked once more, after those not asked yet and before any retry."""
    broken = [(0.1, TextDelta(0, "half")), *fails(Failure.PROTOCOL, 0.4)]
    answer, cast = completed(a=silent(), b=broken, c=fails(Failure.NOT_FOUND), delay=0.25, attempts=9)
    assert isinstance(answer, CallError)  # a is silent still, and c knows no such model
    assert cast.lanes()[:4] == [
        ("a", "first", "lost", 0.0),
        ("b", "silence", "broke", 0.25),
        ("c", "failover", "failed", 0.75),
        ("a", "failover", "failed", 0.75),
    ]
    answer, cast = completed(a=broken, b=says("whole", after=0.3), delay=0.05)
    assert [part.kind.text for part in answer.parts] == ["whole"]
    assert cast.lanes() == [("a", "first", "broke", 0.0), ("b", "silence", "lost", 0.05), ("b", "failover", "won", 0.5)]


def test_total_bounds_a_unary_attempt_to_its_end() -> None:
    """A drip that never ends is a unary call's failure, not its answer."""
    answer, cast = completed(a=says(*"abcdefgh", gap=0.9), b=says("whole"), timeouts=Timeouts(total=2.0, idle=1.0))
    assert [part.kind.text for part in answer.parts] == ["whole"]
    assert cast.trace.attempts[0].failure is Failure.TIMEOUT


def test_a_unary_race_is_decided_by_first_content() -> None:
    """The loser does not generate a second whole reply."""
    answer, cast = completed(a=says("slow", after=9), b=says("fast", "er", gap=3.0), delay=0.25)
    assert answer.parts[0].kind.text == "faster"
    assert closed_at(cast)["a"] == [0.35]


def test_a_whole_reply_is_not_held_to_the_first_token_limit() -> None:
    """Asked in one piece, the reply comes at the end: only `total` bounds it."""
    limits = Timeouts(first_token=1.0, total=9.0)
    answer, _ = completed(a=says("late", after=5.0), whole=True, timeouts=limits)
    assert answer.parts[0].kind.text == "late"
    error, _ = completed(a=says("late", after=50.0), whole=True, timeouts=limits, attempts=1)
    assert error.reason is Reason.ALL_FAILED


def test_usage_and_cost_come_from_the_winner_and_stay_with_the_losers() -> None:
    """The trace keeps what each lane reported."""
    lossy: list[Step] = [(0.1, UsageReport(Usage(7, 0))), *silent()]
    answer, cast = completed(a=lossy, b=[(0.1, UsageReport(Usage(7, 2))), *says("X")], delay=0.25)
    assert answer.usage == Usage(7, 2)
    assert [attempt.usage for attempt in cast.trace.attempts] == [Usage(7, 0), Usage(7, 2)]


def test_a_cancelled_call_closes_every_lane_at_once() -> None:
    """The client goes away mid-race: both lanes close at that instant, and the call is told as cancelled."""

    async def main() -> Cast:
        cast = Cast(a=Scripted(silent()), b=Scripted(silent()))
        task = asyncio.create_task(cast.streamed(cast.plan(delay=0.25)))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await cast.reaper.idle(5)
        return cast

    cast = run_virtual(main())
    assert closed_at(cast) == {"a": [1.0], "b": [1.0]}
    assert cast.ended == "cancelled"


def test_a_reader_that_leaves_closes_the_lane() -> None:
    """Closing the stream early, in whatever state, stops the provider."""

    async def main() -> Cast:
        cast = Cast(a=Scripted(says(*"abcdefgh")))
        stream = cast.executor.stream(cast.plan(), PROMPT, _call())
        async for _ in stream:
            break
        await stream.aclose()
        await cast.reaper.idle(5)
        return cast

    cast = run_virtual(main())
    assert closed_at(cast) == {"a": [0.1]}


def test_a_slow_reader_bounds_what_is_read_ahead() -> None:
    """A lane stops reading 256 KiB ahead of its reader, and that pause is not held against the provider."""

    async def main() -> tuple[int, int]:
        big: list[Step] = [(0.0, TextDelta(0, "x" * 65536)) for _ in range(64)]
        script = Scripted([*big, (0.0, STOP)])
        cast = Cast(a=script, timeouts=Timeouts(idle=1.0))
        stream = cast.executor.stream(cast.plan(), PROMPT, _call())
        await anext(stream)
        await asyncio.sleep(30.0)
        ahead = script.said
        total = 0
        async for event in stream:
            total += sum(len(chunk.text) for chunk in getattr(event, "chunks", []))
        return ahead, total

    ahead, total = run_virtual(main())
    assert total == 64 * 65536
    assert ahead <= 6


def _call() -> Any:
    from tests.support.cast import _call as call  # noqa: PLC0415 - one helper, shared

    return call(None)


@pytest.mark.parametrize("call", [streamed, completed])
def test_a_finish_reason_travels(call: Callable[..., tuple[Any, Cast]] | Callable[..., Awaitable[Any]]) -> None:
    """What the provider said of the end is what the caller reads."""
    end = End(FinishReason.LENGTH, "###")
    result = call(a=[(0.1, TextDelta(0, "x")), (0.0, end)])[0]  # type: ignore[index]
    if call is streamed:
        assert result.events[-1].end == end
    else:
        assert (result.finish_reason, result.stop_sequence) == (FinishReason.LENGTH, "###")


def test_a_bug_in_a_lane_fails_it_and_its_text_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A provider's own exception is a failed lane, the next one answers, and what it quoted stays out of the log."""

    class Buggy(Scripted):
        async def stream(self, ask: Ask) -> AsyncGenerator[Burst, None]:
            async for burst in super().stream(ask):
                yield burst
                raise KeyError("the prompt")

    async def main() -> tuple[Played, Cast]:
        cast = Cast(a=Buggy(opened([])), b=Scripted(says("X")))
        return await cast.streamed(cast.plan()), cast

    played, cast = run_virtual(main())
    assert played.words == [(0.1, "X")]
    assert cast.trace.attempts[0].failure is Failure.INTERNAL
    assert "bug backend=a at=KeyError(" in caplog.text
    assert "the prompt" not in caplog.text


def test_a_call_that_may_not_fail_over_asks_the_first_or_nobody() -> None:
    """With hedging on and the first circuit open, the second backend is not asked in its place."""

    async def main() -> tuple[Played, Cast]:
        rule = BreakerRule(consecutive=1, open_for=5.0)
        cast = Cast(rule=rule, a=Scripted(fails(Failure.UNAVAILABLE, http_status=500)), b=Scripted(says("X")))
        await cast.streamed(cast.plan(attempts=1))
        return await cast.streamed(cast.plan(delay=0.1, failover=False)), cast

    played, cast = run_virtual(main())
    assert played.error is not None
    assert played.error.reason is Reason.NO_HEALTHY_BACKEND
    assert "backend a" in played.error.message
    assert cast.scripts["b"].opened_at == []


def test_what_no_format_can_carry_is_nobodys_fault() -> None:
    """Unsupported everywhere: no eligible backend, and no circuit counts it."""

    async def main() -> tuple[Played, Cast]:
        cast = Cast(rule=BreakerRule(consecutive=1), a=Scripted(fails(Failure.UNSUPPORTED)))
        return await cast.streamed(cast.plan()), cast

    played, cast = run_virtual(main())
    assert played.error is not None
    assert played.error.reason is Reason.NO_ELIGIBLE_BACKEND
    assert (cast.told.circuits, len(cast.lanes())) == ([], 1)
