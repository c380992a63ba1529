"""What hedging does at every turn, case by case as the suites of others have them; exact instants of virtual time.

Cases after grpc-java's RetriableStreamTest (hedging_*), Finagle's BackupRequestFilterTest, Polly's
HedgingResilienceStrategyTests and cristalhq/hedgedhttp; those that test_race.py has are not repeated.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quickthorn_server.core.catalogue import BudgetRule
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.pushback import pushed_back
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import Cast, Played, Step, fails, says, silent
from tests.support.virtual import run_virtual

DELAY = 0.25
BAD = Failure.UNAVAILABLE


def cast_of(*scripts: list[Step], budget: BudgetRule | None = None) -> Cast:
    named = {name: Scripted(each) for name, each in zip("abcd", scripts, strict=False)}
    return Cast(rule=None, timeouts=None, budget=budget, limits=None, heartbeat=None, **named)


def played(*scripts: list[Step], deadline: float | None = None, **given: Any) -> tuple[Played, Cast]:
    async def main() -> tuple[Played, Cast]:
        cast = cast_of(*scripts)
        return await cast.streamed(cast.plan(delay=DELAY, **given), deadline), cast

    return run_virtual(main())


def refusal(pushback: str, after: float = 0.0, status: int = 500) -> list[Step]:
    """Fail with gRPC's pushback in the reply's header."""
    error = BackendError(BAD, http_status=status)
    return [(after, pushed_back(error, {"grpc-retry-pushback-ms": pushback}.__getitem__))]


@pytest.mark.parametrize(
    ("original", "backup", "lanes", "at"),
    [
        # the original succeeds before the backup, after it, or fails; the backup likewise
        (says("A", after=0.3), says("X", after=0.2), {"a": "won", "b": "lost"}, 0.3),
        (says("A", after=0.5), says("X", after=0.2), {"a": "lost", "b": "won"}, 0.45),
        (fails(BAD, 0.3), says("X", after=0.2), {"a": "failed", "b": "won"}, 0.45),
        (says("A", after=0.4), fails(BAD, 0.1), {"a": "won", "b": "failed"}, 0.4),
        (fails(BAD, 0.5), says("X", after=0.2), {"a": "lost", "b": "won"}, 0.45),
        (says("A", after=0.3), fails(BAD, 0.2), {"a": "won", "b": "lost"}, 0.3),
        (fails(BAD, 0.3), fails(BAD, 0.2), {"a": "failed", "b": "failed"}, None),
    ],
)
def test_original_and_backup_in_every_order(
    original: list[Step], backup: list[Step], lanes: dict[str, str], at: float | None
) -> None:
    """The first success wins whoever has it, no failure ends a lane that runs, and nothing outlives the call."""
    run, cast = played(original, backup, attempts=2)
    assert {name: outcome for name, _, outcome, _ in cast.lanes()} == lanes
    assert (run.words[0][0] if run.words else None) == at
    assert run.error is None or run.error.trace is not None
    for script in cast.scripts.values():
        assert len(script.opened_at) == len(script.closed_at) == 1


def test_a_negative_pushback_ends_hedging_and_not_the_lane_that_runs() -> None:
    """The second delay passes without a third lane; the silent first one answers, and the trace says why it waited."""
    run, cast = played(says("A", after=3.0), refusal("-1"), silent(), failover=False, max_parallel=3)
    assert run.words == [(3.0, "A")]
    assert cast.lanes() == [("a", "first", "won", 0.0), ("b", "silence", "failed", DELAY)]


@pytest.mark.parametrize(
    ("others", "third"),
    [([silent()], ("c", "failover", "abandoned", DELAY)), ([], ("b", "retry", "failed", DELAY + 2.0))],
)
def test_a_positive_pushback_keeps_its_backend_waiting_and_nobody_else(
    others: list[list[Step]], third: tuple[str, str, str, float]
) -> None:
    """The next candidate starts at once, as after every failure; the one that pushed back not before its time."""
    _, cast = played(silent(), refusal("2000"), *others, max_parallel=3, attempts=9, deadline=5.0)
    assert cast.lanes()[:3] == [("a", "first", "abandoned", 0.0), ("b", "silence", "failed", DELAY), third]


@pytest.mark.parametrize(("pushback", "again"), [("400", 0.4), ("0", 0.0)])
def test_a_pushback_says_when_to_retry(pushback: str, again: float) -> None:
    """To the instant, without jitter."""
    script = Scripted(refusal(pushback), says("A"))

    async def played_twice() -> tuple[Played, Cast]:
        cast = Cast(rule=None, timeouts=None, budget=None, limits=None, heartbeat=None, a=script)
        return await cast.streamed(cast.plan()), cast

    run, cast = run_virtual(played_twice())
    assert run.words == [(round(again + 0.1, 6), "A")]
    assert cast.lanes() == [("a", "first", "failed", 0.0), ("a", "retry", "won", again)]


def test_a_negative_pushback_is_not_retried() -> None:
    """Though its status would be."""
    run, cast = played(refusal("-1"), failover=False)
    assert cast.lanes() == [("a", "first", "failed", 0.0)]
    assert run.error is not None


def test_hedges_of_one_call_leave_others_without() -> None:
    """One purse for the route: of two calls at once the first to fall silent is hedged, the other says why not."""

    async def main() -> list[tuple[int, str]]:
        cast = cast_of(says("A", after=1.0), says("X"), budget=BudgetRule(hedges=0.01, burst=1))
        await asyncio.gather(*(cast.streamed(cast.plan(delay=DELAY)) for _ in range(2)))
        return sorted((len(trace.attempts), trace.no_hedge) for _, trace in cast.told.calls)

    assert run_virtual(main()) == [(1, "the purse for hedges is empty"), (2, "")]


def test_all_hang_but_the_last() -> None:
    """Four lanes, one delay apart, and the fourth answers; the three that hang are closed in that step."""
    run, cast = played(silent(), silent(), silent(), says("D"), max_parallel=4, attempts=4)
    assert run.words == [(round(3 * DELAY + 0.1, 6), "D")]
    assert [lane[3] for lane in cast.lanes()] == [0.0, 0.25, 0.5, 0.75]
    assert {round(at, 6) for name in "abc" for at in cast.scripts[name].closed_at} == {0.85}


def test_one_success_among_errors_is_a_success() -> None:
    """Three of four fail, each starts the next at once, and nobody waits for a delay."""
    run, cast = played(fails(BAD), fails(BAD), fails(BAD), says("D"), max_parallel=4, attempts=4)
    assert run.words == [(0.1, "D")]
    assert {lane[3] for lane in cast.lanes()} == {0.0}


def test_a_failure_at_the_instant_of_the_hedge_starts_one_lane_for_each() -> None:
    """Silence and failure are answered once each, whichever is seen first, and nothing waits for the other."""
    run, cast = played(fails(BAD, DELAY), silent(), says("C"), max_parallel=3)
    assert run.words == [(round(DELAY + 0.1, 6), "C")]
    assert [(name, started) for name, _, _, started in cast.lanes()] == [("a", 0.0), ("b", DELAY), ("c", DELAY)]


def test_both_answer_at_once_and_one_is_disposed_of() -> None:
    """Two whole answers in one step: one is delivered, the other dropped and its stream closed."""
    run, cast = played(says("A", after=0.5), says("X", after=DELAY))
    assert len(run.words) == 1
    assert sorted(outcome for _, _, outcome, _ in cast.lanes()) == ["lost", "won"]
    assert all(len(script.closed_at) == 1 for script in cast.scripts.values())


def test_the_winner_goes_on_undisturbed() -> None:
    """Cancelling losers touches nobody else: the winner's words come at their times to the end."""
    run, _ = played(silent(), says("X", "Y", "Z", gap=5.0))
    assert run.words == [(0.35, "X"), (5.35, "Y"), (10.35, "Z")]
    assert run.error is None


def test_the_caller_s_cancel_reaches_every_lane() -> None:
    """Original and hedges are closed in that step, and the call ends as cancelled."""

    async def main() -> tuple[Cast, float]:
        cast = cast_of(silent(), silent(), silent())
        calling = asyncio.create_task(cast.streamed(cast.plan(delay=DELAY, max_parallel=3)))
        await asyncio.sleep(1.0)
        calling.cancel()
        await asyncio.wait([calling])
        at = asyncio.get_running_loop().time()
        await cast.reaper.idle(1)
        return cast, at

    cast, at = run_virtual(main())
    assert at == 1.0
    assert cast.ended == "cancelled"
    assert {at for script in cast.scripts.values() for at in script.closed_at} == {1.0}
    assert [lane[2] for lane in cast.lanes()] == ["abandoned"] * 3
