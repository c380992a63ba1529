"""Primary, list of codes, backup: who waits is asked after one of its failures, and after nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from quickthorn_server.core.catalogue import (
    Backend,
    BreakerRule,
    Catalogue,
    Entry,
    HedgeRule,
    Limits,
    RetryRule,
    Route,
    Strategy,
)
from quickthorn_server.core.failures import BackendError, Failure, Reason, of_status
from quickthorn_server.core.plan import Circuit, Drop, Knowledge, Plan
from quickthorn_server.core.request import Directives, Preferences, Request
from quickthorn_server.execution.refusal import AtLimit, CircuitOpen, KeyRefused, RateGated, Refused
from quickthorn_server.execution.standby import Standby
from quickthorn_server.providers.scripted import Scripted
from quickthorn_server.routing import router
from quickthorn_server.routing.notes import notes
from tests.support.cast import PROMPT, UNBOUNDED, Cast, fails, says, silent
from tests.support.virtual import run_virtual

CODES: frozenset[int | str] = frozenset({429, 500, 503, "timeout", "connect"})
A, B, C, S = (Backend(name, "scripted", f"model-{name}", f"model-{name}") for name in "abcs")


def waits(name: str, *causes: int | str, **given: Any) -> Entry:
    return Entry(name, fallback_on=frozenset(causes) if causes else CODES, **given)


def planned(
    *entries: Entry,
    backends: Mapping[str, Backend] | None = None,
    knowledge: Knowledge | None = None,
    turn: int = 0,
    directives: Directives | None = None,
    preferences: Preferences | None = None,
    **given: Any,
) -> Plan:
    """Return the router's plan of a route of *entries*."""
    route = Route("default", entries, budget=UNBOUNDED, **given)
    known = backends or {backend.name: backend for backend in (A, B, C, S)}
    request = Request(PROMPT, directives=directives or Directives(), preferences=preferences or Preferences())
    return router.plan(request, Catalogue(known, {"default": route}, "v"), knowledge or Knowledge(), turn)


def failing(status: int) -> Scripted:
    return Scripted(fails(of_status(status), http_status=status))


@pytest.mark.parametrize(
    ("failure", "asked"),
    [
        (BackendError(Failure.RATE_LIMITED, http_status=429), True),
        (BackendError(Failure.OVERLOADED, http_status=503), True),
        (BackendError(Failure.OVERLOADED, http_status=200), True),
        (BackendError(Failure.TIMEOUT), True),
        (BackendError(Failure.CONNECT), True),
        (BackendError(Failure.LOST), True),
        (BackendError(Failure.UNAVAILABLE, http_status=502), False),
        (BackendError(Failure.NOT_FOUND, http_status=404), False),
        (BackendError(Failure.UNAUTHENTICATED, http_status=401), False),
        (BackendError(Failure.CONTEXT_LENGTH, http_status=400), False),
    ],
    ids=lambda value: f"{value.failure.value}-{value.http_status}" if isinstance(value, BackendError) else str(value),
)
def test_the_backup_is_asked_after_its_codes_and_after_nothing_else(failure: BackendError, asked: bool) -> None:
    """The primary fails; only what the entry names leads to the backup."""

    async def play() -> None:
        cast = Cast(a=Scripted([(0.0, failure)]), s=Scripted(says("backup")))
        plan = planned(Entry("a"), waits("s"), backends=cast.backends, retry=RetryRule(on=frozenset()))
        end = await cast.streamed(plan)
        lanes = [("a", "first")] + ([("s", "failover")] if asked else [])
        assert [lane[:2] for lane in cast.lanes()] == lanes
        assert (end.error is None) is asked

    run_virtual(play())


def test_the_backup_is_never_a_hedge() -> None:
    """A silent primary is hedged with those who do not wait, and waited for where there is none."""

    async def play() -> None:
        hedge = HedgeRule(delay=0.1, max_parallel=3)
        cast = Cast(a=Scripted(silent(5)), s=Scripted(says("backup")), c=Scripted(says("late", after=1)))
        entries = (Entry("a"), waits("s"), Entry("c"))
        await cast.streamed(planned(*entries, backends=cast.backends, hedge=hedge))
        assert [lane[:2] for lane in cast.lanes()] == [("a", "first"), ("c", "silence")]
        alone = planned(Entry("a"), waits("s"), backends=cast.backends, hedge=hedge)
        assert (alone.hedging, alone.no_hedge) == (None, "one candidate only")

    run_virtual(play())


def test_silence_asks_nobody_who_was_called() -> None:
    """The hedge finds an open circuit, which calls the backup; the silent lane has still not failed."""

    async def play() -> None:
        cast = Cast(rule=BreakerRule(consecutive=1), a=Scripted(silent(5)), b=failing(503), s=Scripted(says("backup")))
        await cast.streamed(planned(Entry("b"), backends=cast.backends, retry=RetryRule(attempts=1)))
        entries = (Entry("a"), Entry("b"), waits("s"))
        await cast.streamed(planned(*entries, backends=cast.backends, hedge=HedgeRule(delay=0.1)))
        assert [lane[0] for lane in cast.lanes()] == ["a"]

    run_virtual(play())


def test_a_failed_hedge_calls_the_backup_too() -> None:
    """A lane of the call has failed with one of its codes; the primary goes on."""

    async def play() -> None:
        cast = Cast(a=Scripted(silent(5)), c=failing(503), s=Scripted(says("backup")))
        plan = planned(Entry("a"), Entry("c"), waits("s"), backends=cast.backends, hedge=HedgeRule(delay=0.1))
        await cast.streamed(plan)
        assert [lane[:3] for lane in cast.lanes()] == [
            ("a", "first", "lost"),
            ("c", "silence", "failed"),
            ("s", "failover", "won"),
        ]

    run_virtual(play())


def test_the_backup_keeps_its_place_in_the_order() -> None:
    """Called, it comes before those behind it; not called, they come without it, and it may still be called later."""

    async def play(first: int, second: int) -> list[str]:
        cast = Cast(a=failing(first), s=failing(400), b=failing(second))
        plan = planned(Entry("a"), waits("s", 503), Entry("b"), backends=cast.backends, retry=RetryRule(9, frozenset()))
        await cast.streamed(plan)
        return [lane[0] for lane in cast.lanes()]

    assert run_virtual(play(503, 404)) == ["a", "s"]  # s says that the request is bad, which ends it
    assert run_virtual(play(404, 503)) == ["a", "b", "s"]
    assert run_virtual(play(404, 404)) == ["a", "b"]


def test_the_backup_comes_after_those_before_it() -> None:
    """However early it is called."""

    async def play() -> None:
        cast = Cast(a=failing(503), b=Scripted(says("next")), s=Scripted(says("backup")))
        await cast.streamed(planned(Entry("a"), Entry("b"), waits("s"), backends=cast.backends))
        assert [lane[0] for lane in cast.lanes()] == ["a", "b"]

    run_virtual(play())


def test_each_backup_waits_for_its_own() -> None:
    """Two of them, of which the failure calls one; what that one fails with may call the other."""

    async def play(second: int) -> list[str]:
        cast = Cast(a=failing(503), s=Scripted(says("never")), c=failing(second))
        entries = (Entry("a"), waits("s", 429), waits("c", 503))
        await cast.streamed(planned(*entries, backends=cast.backends, retry=RetryRule(on=frozenset())))
        return [lane[0] for lane in cast.lanes()]

    assert run_virtual(play(404)) == ["a", "c"]
    assert run_virtual(play(429)) == ["a", "c", "s"]


def test_a_call_that_may_not_fail_over_has_no_backup() -> None:
    """directives.failover = False is the caller's word."""

    async def play() -> None:
        cast = Cast(a=failing(503), s=Scripted(says("backup")))
        off = Directives(failover=False)
        await cast.streamed(planned(Entry("a"), waits("s"), backends=cast.backends, directives=off))
        assert {lane[0] for lane in cast.lanes()} == {"a"}

    run_virtual(play())


def test_a_terminal_failure_calls_nobody() -> None:
    """Terminal is terminal, whatever an entry waits for."""

    async def play() -> None:
        cast = Cast(a=failing(400), s=Scripted(says("backup")))
        await cast.streamed(planned(Entry("a"), waits("s", 400), backends=cast.backends))
        assert [lane[0] for lane in cast.lanes()] == ["a"]

    run_virtual(play())


@pytest.mark.parametrize(("causes", "answered"), [((503,), True), (("timeout",), True), ((429,), False)])
def test_the_backup_is_there_while_the_primarys_circuit_is_open(causes: tuple[int | str, ...], answered: bool) -> None:
    """An open circuit stands for faults, timeouts and lost connections: not for a 429, which never opens one."""

    async def play() -> None:
        cast = Cast(rule=BreakerRule(consecutive=1), a=failing(500), s=Scripted(says("backup")))
        first = planned(Entry("a"), waits("s", 500), backends=cast.backends, retry=RetryRule(on=frozenset()))
        assert (await cast.streamed(first)).error is None
        assert cast.breakers["a"].snapshot().circuit is Circuit.OPEN
        end = await cast.streamed(planned(Entry("a"), waits("s", *causes), backends=cast.backends))
        assert ([lane[:2] for lane in cast.lanes()] == [("s", "first")]) is answered
        assert (end.error is None) is answered

    run_virtual(play())


@pytest.mark.parametrize(
    ("refusal", "causes"),
    [
        (CircuitOpen("a", 1), {408, 500, 529, "timeout", "connect"}),
        (RateGated("a", 1), {429}),
        (AtLimit("a", 1), {429}),
        (KeyRefused("a"), {401}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Refused) else "",
)
def test_a_refusal_stands_for_the_failures_that_lead_to_it(refusal: Refused, causes: set[int | str]) -> None:
    """Each of *causes* alone is enough, and nothing else is."""
    for cause in (400, 401, 404, 408, 429, 500, 529, "timeout", "connect"):
        standby = Standby((A, S), {"s": frozenset({cause})})
        standby.refused(refusal)
        assert (standby.take(1) is S) is (cause in causes)


def test_a_limit_of_ours_calls_who_waits_for_429() -> None:
    """The primary's own limits leave no room: it would answer 429 if it were asked."""

    async def play() -> None:
        cast = Cast(limits=Limits(in_flight=1), a=Scripted(silent(5)), s=Scripted(says("backup")))
        leave = cast.limiters.take("a", 1)
        await cast.streamed(planned(Entry("a"), waits("s", 429), backends=cast.backends))
        assert [lane[:2] for lane in cast.lanes()] == [("s", "first")]
        leave(None)

    run_virtual(play())


def test_what_everybody_says_is_asked_of_those_who_were_asked() -> None:
    """A backup that was not called does not hide that every candidate refused our key."""

    async def play() -> None:
        cast = Cast(a=failing(401), s=Scripted(says("backup")))
        end = await cast.streamed(planned(Entry("a"), waits("s"), backends=cast.backends))
        assert end.error is not None
        assert end.error.reason is Reason.BACKEND_MISCONFIGURED

    run_virtual(play())


def test_a_backup_that_was_called_and_is_open_is_not_everybody() -> None:
    """The primary is limited, its backup broken: waiting helps, but not because everybody is limited."""

    async def play() -> None:
        cast = Cast(rule=BreakerRule(consecutive=1), a=failing(429), s=failing(500))
        plan = planned(Entry("a"), waits("s"), backends=cast.backends, retry=RetryRule(on=frozenset()))
        for _ in range(2):
            end = await cast.streamed(plan)
        assert [lane[0] for lane in cast.lanes()] == ["a"]
        assert end.error is not None
        assert end.error.reason is Reason.ALL_FAILED

    run_virtual(play())


def test_a_failover_to_the_backup_is_paid_like_any_other() -> None:
    """Free while it is well."""

    async def play() -> None:
        cast = Cast(a=failing(503), s=Scripted(says("backup")))
        plan = planned(Entry("a"), waits("s"), backends=cast.backends)
        before = cast.purses.levels("default").retries
        await cast.streamed(plan)
        assert cast.purses.levels("default").retries == before

    run_virtual(play())


@pytest.mark.parametrize("turn", range(4))
def test_who_waits_takes_no_turn(turn: int) -> None:
    """The wheel of a weighted route is that of the others; who waits follows those of its group."""
    entries = (Entry("a", 1), waits("s"), Entry("b", 3), waits("c", group=1))
    plan = planned(*entries, turn=turn, strategy=Strategy.WEIGHTED)
    bare = planned(Entry("a", 1), Entry("b", 3), turn=turn, strategy=Strategy.WEIGHTED)
    assert plan.order == (*bare.order, S, C)


@pytest.mark.parametrize(
    "given",
    [{}, {"preferences": Preferences(backends=("s",))}, {"knowledge": Knowledge(ramps={"a": 0.1})}],
    ids=["listed first", "preferred", "while the first recovers"],
)
def test_who_waits_is_never_first(given: dict[str, Any]) -> None:
    """However the order comes about."""
    assert planned(waits("s"), Entry("a"), **given).order == (A, S)


def test_who_waits_does_not_take_the_calls_of_one_that_recovers() -> None:
    """Slow start hands them to the others, as if nobody waited."""
    knowledge = Knowledge(ramps={"a": 0.1})
    for turn in range(20):
        plan = planned(Entry("a"), waits("s"), Entry("b"), knowledge=knowledge, turn=turn)
        bare = planned(Entry("a"), Entry("b"), knowledge=knowledge, turn=turn)
        assert tuple(backend for backend in plan.order if backend is not S) == bare.order
        assert plan.order[1] is S


def test_a_pinned_backup_is_asked() -> None:
    """The caller's order is above the route's."""
    plan = planned(Entry("a"), waits("s"), directives=Directives(backend="s"))
    assert (plan.order, dict(plan.standby)) == ((S,), {})


def test_a_backup_of_nobody_is_dropped_and_says_why() -> None:
    """Where nobody it could stand in for may be asked, it would never be called."""
    plan = planned(Entry("a"), waits("s", 503, "timeout"), directives=Directives(deny_backends=frozenset({"a"})))
    assert plan.order == ()
    assert plan.verdicts[1].drop is Drop.STANDBY
    assert plan.verdicts[1].detail == "stands in after 503 or timeout, and nobody it could stand in for may be asked"


@pytest.mark.parametrize(("causes", "order"), [((401, 503), (S,)), ((503,), ())])
def test_a_key_refused_before_calls_who_waits_for_401(
    causes: tuple[int | str, ...], order: tuple[Backend, ...]
) -> None:
    """The primary is not asked with a key that its provider refused: that is the 401 that the backup waits for."""
    plan = planned(Entry("a"), waits("s", *causes), knowledge=Knowledge(keys_refused=frozenset({"a"})))
    assert plan.order == order


def test_explain_says_who_waits_and_for_what() -> None:
    """In the candidate's detail and in a note."""
    plan = planned(Entry("a"), waits("s", 503, 429, "timeout"))
    assert plan.verdicts[1].detail == "asked only after 429, 503 or timeout"
    assert notes(Request(PROMPT), plan, ()) == ["s: it is asked only after 429, 503 or timeout"]


def test_panic_asks_only_those_who_were_called() -> None:
    """A sick backup is not better than one that is well."""

    async def play(first: int) -> list[str]:
        sick = Scripted(fails(Failure.UNAVAILABLE, http_status=500), says("backup"))
        cast = Cast(rule=BreakerRule(consecutive=1), a=failing(first), s=sick)
        await cast.streamed(planned(Entry("s"), backends=cast.backends, retry=RetryRule(attempts=1)))
        plan = planned(Entry("a"), waits("s", 503), backends=cast.backends, retry=RetryRule(on=frozenset()))
        await cast.streamed(replace(plan, panic=(cast.backends["s"],)))
        return [lane[0] for lane in cast.lanes()]

    assert run_virtual(play(503)) == ["a", "s"]
    assert run_virtual(play(404)) == ["a"]
