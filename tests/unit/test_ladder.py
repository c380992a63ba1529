"""The degradation ladder: how far an answer falls, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from quickthorn_server.core.catalogue import (
    BreakerRule,
    Catalogue,
    Entry,
    HedgeRule,
    OnBreak,
    RetryRule,
    Route,
    Strategy,
)
from quickthorn_server.core.chunk import TextDelta
from quickthorn_server.core.failures import BackendError, Failure, of_status
from quickthorn_server.core.ladder import After, EscalateRule, Ladder, Rung
from quickthorn_server.core.plan import Drop, Knowledge, Plan
from quickthorn_server.core.provider import AnyPrompt
from quickthorn_server.core.request import Directives, Objective, Preferences, Request
from quickthorn_server.core.secret import Secret
from quickthorn_server.core.usage import Price
from quickthorn_server.execution.stand_in import open_rungs
from quickthorn_server.providers.scripted import Scripted
from quickthorn_server.routing import router
from tests.support.cast import PROMPT, UNBOUNDED, Cast, Step, fails, says, silent
from tests.support.virtual import run_virtual

SORRY = "We cannot answer right now."
CANNED = Ladder(Rung.CANNED, SORRY)
ESCALATED = re.compile("esc-[0-9a-f]{24}")


def telling(after: After = After.EXHAUSTED, canned: str = "") -> Ladder:
    rule = EscalateRule(Secret("https://ops.example.com"), None, after)
    return Ladder(Rung.CANNED if canned else Rung.LOWER_TIER, canned, rule)


def failing(status: int = 503) -> Scripted:
    return Scripted(fails(of_status(status), http_status=status))


def cast_of(models: Mapping[str, str] | None = None, **given: Any) -> Cast:
    """Return a cast whose backends have these *models*, `m` where none is given."""
    cast = Cast(**given)
    for name, backend in cast.backends.items():
        cast.backends[name] = replace(backend, model_id=(models or {}).get(name, "m"))
    return cast


def planned(
    cast: Cast,
    *entries: Entry,
    prompt: AnyPrompt = PROMPT,
    directives: Directives | None = None,
    preferences: Preferences | None = None,
    knowledge: Knowledge | None = None,
    turn: int = 0,
    **given: Any,
) -> Plan:
    """Return the router's plan for a route of *entries*, all of the cast where none is given; nothing is retried."""
    given = {"retry": RetryRule(9, frozenset()), "budget": UNBOUNDED, **given}
    route = Route("default", entries or tuple(map(Entry, cast.backends)), **given)
    request = Request(prompt, directives=directives or Directives(), preferences=preferences or Preferences())
    catalogue = Catalogue(cast.backends, {"default": route}, "v")
    return router.plan(request, catalogue, knowledge or Knowledge(), turn)


def low(name: str, tier: str = "economy", rank: int = 1, **given: Any) -> Entry:
    return Entry(name, tier=tier, rank=rank, **given)


def names(plan: Plan) -> str:
    return "".join(backend.name for backend in plan.order)


@pytest.mark.parametrize(
    ("sick", "rung", "degraded"),
    [
        ("", "", ""),
        ("a", "same_model", "same_model: b answered, a overloaded"),
        ("ab", "lower_tier", "lower_tier: c answered, a overloaded, b overloaded"),
        ("abc", "lower_tier", "lower_tier: d (tier economy) answered, a overloaded, b overloaded, c overloaded"),
    ],
)
@pytest.mark.parametrize("ladder", [None, Ladder()])
def test_the_trace_says_which_rung_answered_and_why(sick: str, rung: str, degraded: str, ladder: Ladder | None) -> None:
    """Same model elsewhere, then another model, then a lower tier; a route without a ladder calls nothing a fall."""

    async def play() -> None:
        scripts = {name: failing() if name in sick else Scripted(says("yes")) for name in "abcd"}
        cast = cast_of({"c": "other"}, **scripts)
        entries = (Entry("a"), Entry("b"), Entry("c"), low("d"))
        trace = (await cast.completed(planned(cast, *entries, ladder=ladder))).trace
        assert (trace.rung, trace.degraded) == (rung, degraded if ladder else "")
        assert cast.trace == trace

    run_virtual(play())


def test_who_overtakes_is_no_fall() -> None:
    """A hedge answered while the first went on: the route works as planned."""

    async def play() -> None:
        cast = cast_of({"b": "other"}, a=Scripted(silent(5)), b=Scripted(says("yes")))
        trace = (await cast.completed(planned(cast, hedge=HedgeRule(delay=0.1), ladder=Ladder()))).trace
        assert (trace.rung, trace.degraded) == ("", "")

    run_virtual(play())


def test_a_hedge_that_answers_after_the_first_has_failed_is_one() -> None:
    """The first choice had been lost by then."""

    async def play() -> None:
        cast = cast_of(a=Scripted(fails(Failure.LOST, after=1)), b=Scripted(says("yes", after=2)))
        trace = (await cast.completed(planned(cast, hedge=HedgeRule(delay=0.1), ladder=Ladder()))).trace
        assert (trace.rung, trace.degraded) == ("same_model", "same_model: b answered, a lost")

    run_virtual(play())


def test_who_takes_turns_is_no_lower_tier() -> None:
    """Backends of one weighted group are equals, whatever their models; those of the next group are not."""

    async def play() -> None:
        cast = cast_of({"b": "other", "c": "third"}, a=failing(), b=Scripted(says("b")), c=Scripted(says("c")))
        entries = (Entry("a"), Entry("b"), Entry("c", group=1))
        given: dict[str, Any] = {"strategy": Strategy.WEIGHTED, "ladder": Ladder()}
        assert (await cast.completed(planned(cast, *entries, **given))).trace.rung == ""
        cast.scripts["b"] = failing()
        assert (await cast.completed(planned(cast, *entries, **given))).trace.rung == "lower_tier"

    run_virtual(play())


def test_an_open_circuit_is_a_fall_too() -> None:
    """The first choice is not even asked, and callers are not told of those who were not."""

    async def play() -> None:
        cast = cast_of(rule=BreakerRule(consecutive=1), a=failing(), b=Scripted(says("yes")))
        for degraded in ("same_model: b answered, a overloaded", "same_model: b answered, 1 not asked"):
            trace = (await cast.completed(planned(cast, ladder=Ladder()))).trace
            assert (trace.rung, trace.degraded) == ("same_model", degraded)

    run_virtual(play())


def test_lower_tiers_come_last_whatever_the_list_and_the_groups_say() -> None:
    """The lowest last; groups and places count inside a tier."""
    cast = run_virtual(idle())
    entries = (Entry("a", group=2), low("b", rank=2), low("c", group=1), Entry("d", group=1), low("e"))
    assert names(planned(cast, *entries)) == "daecb"
    weighted = {names(planned(cast, *entries, strategy=Strategy.WEIGHTED, turn=turn)) for turn in range(5)}
    assert weighted == {"daecb"}


async def idle() -> Cast:
    scripts: dict[str, Any] = {name: Scripted(says("yes")) for name in "abcde"}
    return cast_of(**scripts)


def test_silence_never_leads_to_a_lower_tier() -> None:
    """A hedge must not make an answer worse; where only lower tiers are left there is none."""

    async def play() -> None:
        cast = cast_of(a=Scripted(silent(5)), b=Scripted(says("b", after=9)), c=Scripted(says("low")))
        entries = (Entry("a"), Entry("b"), low("c"))
        plan = planned(cast, *entries, hedge=HedgeRule(delay=0.1, max_parallel=3))
        assert plan.hedging is not None
        assert plan.hedging.max_parallel == 2
        await cast.streamed(plan)
        assert [lane[:2] for lane in cast.lanes()] == [("a", "first"), ("b", "silence")]
        assert planned(cast, Entry("a"), low("c"), hedge=HedgeRule(delay=0.1)).no_hedge == "one candidate only"

    run_virtual(play())


def test_a_failed_hedge_does_not_lead_to_a_lower_tier_while_the_first_goes_on() -> None:
    """Somebody above it may still answer; once nobody can, it is asked."""

    async def play() -> None:
        cast = cast_of(a=Scripted(fails(Failure.LOST, after=1)), b=failing(), c=Scripted(says("low")))
        plan = planned(cast, Entry("a"), Entry("b"), low("c"), hedge=HedgeRule(delay=0.1))
        trace = (await cast.completed(plan)).trace
        assert [lane[0::3] for lane in cast.lanes()] == [("a", 0.0), ("b", 0.1), ("c", 1.0)]
        assert trace.rung == "lower_tier"

    run_virtual(play())


@pytest.mark.parametrize("waits", [False, True])
def test_neither_panic_nor_a_code_leads_to_a_lower_tier_while_the_first_goes_on(waits: bool) -> None:
    """Whether it is asked in spite of its circuit, or waits for the very code of the hedge that failed."""

    async def play() -> None:
        opens = BreakerRule(consecutive=1)
        cast = cast_of(a=Scripted(says("yes", after=1)), h=failing(), c=Scripted(says("low")), rule=opens)
        causes: frozenset[int | str] = frozenset({503}) if waits else frozenset()
        plan = planned(cast, Entry("a"), Entry("h"), low("c", fallback_on=causes), hedge=HedgeRule(delay=0.1))
        if not waits:
            cast.breakers["c"].admit().failed(BackendError(Failure.LOST))
            plan = replace(plan, panic=(cast.backends["c"],))
        assert await cast.completed(plan)
        assert [lane[0] for lane in cast.lanes()] == ["a", "h"]

    run_virtual(play())


def test_a_lower_tier_that_continues_who_had_overtaken_the_first_is_a_fall() -> None:
    """The first was stopped for a winner that broke, and did not fail: the tier is lower all the same."""

    async def play() -> None:
        breaks: list[Step] = [(0.1, TextDelta(0, "half")), (0.1, BackendError(Failure.LOST))]
        cast = cast_of(a=Scripted(silent(5)), h=Scripted(breaks), c=Scripted(says("low")))
        route: dict[str, Any] = {"hedge": HedgeRule(delay=0.1), "on_break": OnBreak.CONTINUE, "ladder": CANNED}
        await cast.streamed(planned(cast, Entry("a"), Entry("h"), low("c"), **route))
        assert [lane[:3] for lane in cast.lanes()] == [
            ("a", "first", "lost"),
            ("h", "silence", "broke"),
            ("c", "continuation", "won"),
        ]
        assert (cast.ended, cast.trace.rung) == ("answered", "lower_tier")

    run_virtual(play())


def test_a_lower_tier_replaces_a_winner_that_broke_once_nobody_above_is_left() -> None:
    """Who was stopped for the winner is not there to be waited for."""

    async def play() -> None:
        breaks: list[Step] = [(0.2, TextDelta(0, "half")), (0.1, BackendError(Failure.LOST))]
        cast = cast_of(a=Scripted(breaks), b=Scripted(silent(9)), c=Scripted(says("low", after=0.05)))
        plan = planned(cast, Entry("a"), Entry("b"), low("c"), hedge=HedgeRule(delay=0.1))
        assert (await cast.completed(plan)).trace.rung == "lower_tier"
        assert [lane[:3] for lane in cast.lanes()] == [
            ("a", "first", "broke"),
            ("b", "silence", "lost"),
            ("c", "failover", "won"),
        ]

    run_virtual(play())


def test_a_lower_tier_may_continue_a_stream() -> None:
    """Where nobody above it is left to; the trace says both."""

    async def play() -> None:
        breaks: list[Step] = [(0.1, TextDelta(0, "half")), (0.1, BackendError(Failure.LOST))]
        cast = cast_of(a=Scripted(breaks), c=Scripted(says("low")))
        plan = planned(cast, Entry("a"), low("c"), on_break=OnBreak.CONTINUE, ladder=CANNED)
        assert (await cast.streamed(plan)).error is None
        assert cast.trace.rung == "lower_tier"
        assert cast.trace.degraded.endswith("lower_tier: c (tier economy) answered, a lost")
        assert cast.trace.degraded.startswith("a broke, c continued (")

    run_virtual(play())


def test_a_recovering_first_tier_gives_no_calls_to_a_lower_one() -> None:
    """Slow start eases the first back in among its own tier only."""
    cast = run_virtual(idle())
    knowledge = Knowledge(ramps={"a": 0.1})
    orders = {
        names(planned(cast, Entry("a"), Entry("b"), low("c"), knowledge=knowledge, turn=turn)) for turn in range(30)
    }
    assert orders == {"abc", "bac"}
    assert names(planned(cast, Entry("a"), low("c"), knowledge=knowledge, turn=3)) == "ac"


def test_a_caller_may_wish_for_a_lower_tier_and_then_going_up_is_no_fall() -> None:
    """Preferences sort; what is below is below the first of the order."""

    async def play() -> None:
        cast = cast_of({"c": "small"}, a=Scripted(says("a")), b=Scripted(says("b")), c=failing())
        cast.backends["c"] = replace(cast.backends["c"], price=Price(Decimal(0), Decimal(0)))
        wish = Preferences(objective=Objective.COST)
        plan = planned(cast, Entry("a"), low("c"), Entry("b"), preferences=wish, ladder=Ladder())
        assert (names(plan), dict(plan.lower)) == ("cab", {})
        named = planned(cast, Entry("a"), low("c"), Entry("b"), preferences=Preferences(backends=("a", "c")))
        assert (names(named), dict(named.lower)) == ("abc", {"c": "economy"})
        tiers = (Entry("a"), low("b"), low("c", "last", 2))
        assert names(planned(cast, *tiers, preferences=Preferences(backends=("a", "c")))) == "abc"

    run_virtual(play())


@pytest.mark.parametrize("how", ["route", "directive"])
def test_the_same_model_and_nothing_else(how: str) -> None:
    """`stop_at: same_model` and consistency SAME_MODEL drop other models and lower tiers, and say so."""
    cast = run_virtual(idle())
    cast.backends["c"] = replace(cast.backends["c"], model_id="other")
    given: dict[str, Any] = (
        {"ladder": Ladder(Rung.SAME_MODEL)} if how == "route" else {"directives": Directives(same_model=True)}
    )
    plan = planned(cast, Entry("a"), Entry("b"), Entry("c"), low("d"), **given)
    assert names(plan) == "ab"
    assert [verdict.drop for verdict in plan.verdicts] == [None, None, Drop.OTHER_MODEL, Drop.OTHER_MODEL]
    assert plan.verdicts[3].detail == "the call keeps to model m"
    assert open_rungs(plan, PROMPT) == (Rung.SAME_MODEL,)


def test_a_weighted_route_keeps_to_the_model_whose_turn_it_is() -> None:
    """Each call for itself."""
    cast = run_virtual(idle())
    cast.backends["b"] = replace(cast.backends["b"], model_id="other")
    entries = (Entry("a"), Entry("b"))
    given: dict[str, Any] = {"ladder": Ladder(Rung.SAME_MODEL), "strategy": Strategy.WEIGHTED}
    assert [names(planned(cast, *entries, turn=turn, **given)) for turn in range(4)] == ["a", "b", "a", "b"]
