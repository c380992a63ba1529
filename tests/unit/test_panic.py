"""Panic mode: circuits never keep out more of a route's backends than it allows, and an outage stays cheap."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.catalogue import Backend, BreakerRule, BudgetRule, Catalogue, Entry, Route, Strategy
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import BackendError, Failure, Reason
from quickthorn_server.core.plan import Circuit, Forced, Knowledge, Plan
from quickthorn_server.edge.health import Health
from quickthorn_server.edge.pool_health import PoolObserver
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.refusal import CircuitOpen, KeyRefused, RateGated
from quickthorn_server.providers.scripted import Scripted
from quickthorn_server.routing.guard import most_out, spared
from tests.support.cast import Cast, Step, fails, says, silent
from tests.support.circuit import RULE, SICK, STALLED, Rig
from tests.support.virtual import run_virtual

NO_KEY = BackendError(Failure.UNAUTHENTICATED, http_status=401)
DOWN = fails(Failure.UNAVAILABLE, 0.01, http_status=500)
NAMES = "abcdefgh"
Lanes = list[tuple[str, str, str, float]]


def backends(count: int) -> list[Backend]:
    return [Backend(name, "scripted", name, name) for name in NAMES[:count]]


def named(script: list[Step], names: str, **given: Any) -> Cast:
    """Return a cast of *names* that all play *script*."""
    players: dict[str, Any] = {name: Scripted(script) for name in names}
    return Cast(**given, **players)


def route(*names: str, max_ejected: float = 0.5) -> Route:
    return Route("default", tuple(map(Entry, names)), max_ejected=max_ejected)


def planned(cast: Cast, max_ejected: float = 0.5, **given: Any) -> Plan:
    """Return the cast's plan as the router would make it now."""
    plan = cast.plan(**given)
    knowledge = Knowledge(cast.breakers.circuits(), ejected=cast.breakers.ejected())
    return replace(plan, panic=spared(plan.order, replace(plan.route, max_ejected=max_ejected), knowledge))


# -- Who is spared ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pool", "share", "most"),
    [(1, 0.5, 1), (2, 0.5, 1), (3, 0.5, 1), (4, 0.5, 2), (5, 0.5, 2), (100, 0.29, 29), (3, 1.0, 3), (4, 0.1, 1)],
)
def test_half_of_a_pool_and_at_least_one_may_be_out(pool: int, share: float, most: int) -> None:
    """Of two one, of three one; a backend alone may always be out: its circuit decides."""
    assert most_out(pool, share) == most


STATES = st.lists(st.sampled_from(["closed", "open", "half_open", "held"]), min_size=1, max_size=8)


@given(STATES, st.sampled_from([0.3, 0.5, 0.75, 1.0]), st.randoms(use_true_random=False))
def test_never_more_than_the_share_is_out(states: list[str], share: float, dice: random.Random) -> None:
    """Whoever is out: just as many are spared as are too many, the best of them, and never one an operator holds."""
    named = dict(zip(NAMES, states, strict=False))
    hopes = {name: dice.choice([0.1, 0.5, 0.9]) for name, state in named.items() if state in {"open", "half_open"}}
    circuits = {
        name: Circuit.OPEN if state == "held" else Circuit(state) for name, state in named.items() if state != "closed"
    }
    found = spared(backends(len(states)), route(*named, max_ejected=share), Knowledge(circuits, ejected=hopes))
    pool = sum(state != "held" for state in states)
    assert len(found) == max(0, len(hopes) - most_out(pool, share))
    left = set(hopes) - {each.name for each in found}
    assert {each.name for each in found} <= set(hopes)
    assert min((hopes[each.name] for each in found), default=1) >= max((hopes[name] for name in left), default=0)


def test_hope_is_laplace_s() -> None:
    """One of two beats none of one; who is not known any more is hoped for like one of two."""
    rig = Rig()
    assert rig.breaker.history.hope == 0.5
    rig.fail()
    assert rig.breaker.history.hope == 1 / 3
    rig.succeed()
    assert rig.breaker.history.hope == 0.5
    rig.now += 60.0
    assert rig.breaker.history.hope == 0.5


def test_the_breakers_know_who_is_out() -> None:
    """Open and half-open circuits, but not those that an operator holds; already while a change is being told."""
    seen: list[tuple[dict[str, Circuit], list[str]]] = []
    breakers = Breakers(
        [replace(each, breaker=BreakerRule(consecutive=1)) for each in backends(2)],
        lambda: 0.0,
        lambda *_: seen.append((dict(breakers.circuits()), list(breakers.ejected()))),
    )
    breakers["a"].admit().failed(SICK)
    breakers["b"].force(Forced.OPEN)
    breakers["a"].force(Forced.CLOSED)
    assert seen == [
        ({"a": Circuit.OPEN}, ["a"]),
        ({"a": Circuit.OPEN, "b": Circuit.OPEN}, ["a"]),
        ({"b": Circuit.OPEN}, []),
    ]


# -- What an attempt in panic may and may not -------------------------------------------------------------------------


def test_it_passes_an_open_circuit_and_changes_nothing_about_it() -> None:
    """Failures do not lengthen the opening, successes do not end it; the window hears of both."""
    rig = Rig(replace(RULE, consecutive=1, min_calls=2)).tripped()
    waits = rig.breaker.retry_after
    for _ in range(6):
        rig.breaker.admit_in_panic().failed(SICK)
        rig.breaker.admit_in_panic().succeeded(0.1)
    assert (rig.circuit(), rig.breaker.retry_after, rig.outcomes) == (Circuit.OPEN, waits, 13)
    assert (rig.told, rig.breaker.history.hope) == ([Circuit.OPEN], 7 / 15)


def test_it_takes_no_probe_s_place_and_spoils_no_probe() -> None:
    """While one is out, and fails, the circuit half-opens and closes as it always does."""
    rig = Rig().tripped()
    rig.now += 5.0
    probe = rig.admit()[0]
    rig.breaker.admit_in_panic().failed(SICK)
    rig.breaker.admit_in_panic().failed(STALLED)
    probe.succeeded(0.1)
    rig.succeed()
    assert rig.told == [Circuit.OPEN, Circuit.HALF_OPEN, Circuit.CLOSED]


def test_what_it_reports_after_the_circuit_has_closed_is_old_news() -> None:
    """The window was forgotten on closing, and its place is free all the same."""
    rig = Rig(replace(RULE, successes=1)).tripped()
    late = [rig.breaker.admit_in_panic() for _ in range(3)]
    rig.now += 5.0
    rig.succeed()
    late[0].failed(SICK)
    late[1].abandoned(99.0)
    late[2].succeeded(0.1)
    assert (rig.circuit(), rig.outcomes, rig.counted) == (Circuit.CLOSED, 0, 0)
    rig.tripped()
    assert len([rig.breaker.admit_in_panic() for _ in range(10)]) == 10


def test_ten_at_once_for_each_probe() -> None:
    """Whatever ends one of them gives its place to the next."""
    rig = Rig(replace(RULE, probes=2)).tripped()
    out = [rig.breaker.admit_in_panic() for _ in range(20)]
    with pytest.raises(CircuitOpen):
        rig.breaker.admit_in_panic()
    out[0].succeeded(0.1)
    out[1].failed(SICK)
    out[2].abandoned(1.0)
    out[3].failed(BackendError(Failure.INTERNAL))
    for _ in range(4):
        rig.breaker.admit_in_panic()
    with pytest.raises(CircuitOpen):
        rig.breaker.admit_in_panic()


def test_an_operator_s_word_and_a_named_wait_hold_in_panic() -> None:
    """Forced open stays out; a 429 closes the gate, in panic too; a closed circuit admits as ever."""
    rig = Rig().tripped()
    rig.breaker.admit_in_panic().failed(BackendError(Failure.RATE_LIMITED, http_status=429, retry_after=3.0))
    with pytest.raises(RateGated):
        rig.breaker.admit_in_panic()
    rig.now += 3.0
    rig.breaker.force(Forced.OPEN)
    with pytest.raises(CircuitOpen):
        rig.breaker.admit_in_panic()
    rig.breaker.force(Forced.CLOSED)
    rig.breaker.admit_in_panic().failed(SICK)
    assert rig.counted == 1


def test_a_refused_key_holds_in_panic() -> None:
    """One refusal shuts the gate, in panic too; what was sent with the key before this one says nothing of it."""
    rig = Rig().tripped()
    first, late = rig.breaker.admit_in_panic(), rig.breaker.admit_in_panic()
    first.failed(NO_KEY)
    with pytest.raises(KeyRefused):
        rig.breaker.admit_in_panic()
    rig.breaker.key_renewed()
    late.failed(NO_KEY)
    rig.breaker.admit_in_panic().failed(NO_KEY)
    with pytest.raises(KeyRefused):
        rig.breaker.admit_in_panic()


# -- Calls ------------------------------------------------------------------------------------------------------------


def test_who_is_well_is_asked_first() -> None:
    """Three of four are out: the healthy one answers, though last in order; panic asks nobody, and nothing is said."""

    async def main() -> tuple[str, str, tuple[str, ...]]:
        cast = named(says("x"), "abcd", rule=BreakerRule(consecutive=1))
        for name in "abc":
            cast.breakers[name].admit().failed(SICK)
        plan = planned(cast)
        return (await cast.streamed(plan)).server, cast.trace.degraded, tuple(each.name for each in plan.panic)

    assert run_virtual(main()) == ("d", "", ("a",))


@pytest.mark.parametrize(("max_ejected", "served"), [(0.5, "b"), (1.0, None)])
def test_two_of_two_out_is_panic(max_ejected: float, served: str | None) -> None:
    """The better of the two is asked in spite of its circuit, and the trace says so; with 100 % nobody is."""

    async def main() -> tuple[str | None, str, object]:
        cast = Cast(rule=BreakerRule(consecutive=2), a=Scripted(says("A")), b=Scripted(says("B")))
        for name, good in (("a", 0), ("b", 1)):
            for _ in range(good):
                cast.breakers[name].admit().succeeded(0.1)
            for _ in range(2):
                cast.breakers[name].admit().failed(SICK)
        played = await cast.streamed(planned(cast, max_ejected))
        return (None if played.error else played.server), cast.trace.degraded, played.error and played.error.reason

    told = "panic: b was asked in spite of its open circuit" if served else ""
    assert run_virtual(main()) == (served, told, None if served else Reason.NO_HEALTHY_BACKEND)


def test_panic_does_not_hedge_and_keeps_to_the_first_where_it_must() -> None:
    """Silence starts nobody in spite of a circuit, and a call that may not fail over asks its first or nobody."""

    async def main() -> tuple[Lanes, Lanes, CallError | None]:
        cast = named(says("x", after=1.0), "abc", rule=BreakerRule(consecutive=1))
        for name in "abc":
            cast.breakers[name].admit().failed(SICK)
        await cast.streamed(planned(cast, delay=0.1))
        hedged = cast.lanes()
        await cast.streamed(planned(cast, failover=False))
        pinned = cast.lanes()
        for _ in range(8):
            cast.breakers["a"].admit_in_panic().failed(SICK)
        return hedged, pinned, (await cast.streamed(planned(cast, failover=False))).error

    hedged, pinned, error = run_virtual(main())
    assert hedged == [("a", "first", "won", 0.0)]
    assert pinned == [("a", "first", "won", 0.0)]
    assert error is not None  # panic would ask b or c, of whom more may be hoped
    assert error.reason is Reason.NO_HEALTHY_BACKEND


def test_who_was_probed_is_not_asked_again_in_panic() -> None:
    """A call asks each backend once: as a probe where its circuit lets it through, else in spite of it."""

    async def main() -> tuple[list[tuple[str, str]], str]:
        cast = named(DOWN, "ab", rule=BreakerRule(consecutive=1))
        for name in "ab":
            cast.breakers[name].admit().failed(SICK)
        await asyncio.sleep(5.0)
        plan = planned(cast, attempts=5)
        assert [each.name for each in plan.panic] == ["a"]
        await cast.streamed(plan)
        return [(lane[0], lane[1]) for lane in cast.lanes()], cast.trace.degraded

    assert run_virtual(main()) == ([("a", "first"), ("b", "failover")], "")


def outage(script: list[Step], calls: int, at_once: int) -> tuple[list[int], int]:
    """Play *calls* to three backends that are all down, their circuits guarded; return lanes per call, most at once."""

    async def main() -> tuple[list[int], int]:
        cast = named(script, "abc", rule=BreakerRule(), budget=BudgetRule())
        most, left = 0, calls

        async def caller() -> None:
            nonlocal left, most
            while left:
                left -= 1
                most = max(most, *(cast.breakers[name]._spared.lanes for name in "abc"))
                assert (await cast.streamed(planned(cast))).error is not None
                await asyncio.sleep(0.001)

        await asyncio.gather(*(caller() for _ in range(at_once)))
        return [len(trace.attempts) for _, trace in cast.told.calls], most

    return run_virtual(main())


@pytest.mark.parametrize("at_once", [1, 40])
def test_a_total_outage_in_panic_costs_little_more_than_one_attempt_a_call(at_once: int) -> None:
    """All down is panic, and yet at most 1.10 attempts a call, once that is known and the burst of 20 is gone."""
    asked, most = outage(DOWN, 3_000, at_once)
    assert 0.5 * 2_700 < sum(asked[300:]) <= 1.10 * 2_700 + at_once  # those that ran when the count began
    assert most <= 10


def test_a_black_hole_in_panic_holds_up_few_calls() -> None:
    """Where all backends hang, ten lanes each hang with them; every other call is refused at once."""
    asked, most = outage(silent(), 3_000, 100)
    assert most == 10
    assert sum(asked) / len(asked) < 0.2


@pytest.mark.parametrize(("max_ejected", "least", "most"), [(0.5, 0.35, 0.60), (1.0, 0.0, 0.20)])
def test_two_backends_that_fail_often_still_answer_sometimes(max_ejected: float, least: float, most: float) -> None:
    """Each fails 60 %: guarded circuits let about as much through as answers; unguarded ones let almost nothing."""
    dice = random.Random(5)

    async def main() -> float:
        replies: list[list[Step]] = [DOWN if dice.random() < 0.6 else says("A") for _ in range(5_000)]
        cast = Cast(rule=BreakerRule(), budget=BudgetRule(), a=Scripted(*replies), b=Scripted(*reversed(replies)))
        answered = 0
        for _ in range(2_000):
            answered += (await cast.streamed(planned(cast, max_ejected))).error is None
            await asyncio.sleep(0.02)
        return answered / 2_000

    assert least <= run_virtual(main()) <= most


# -- What is said of it -----------------------------------------------------------------------------------------------


def test_health_and_the_log_hear_of_panic_once(caplog: pytest.LogCaptureFixture) -> None:
    """Entering and leaving, each once per route; routes of one backend have no pool."""
    health, rule = Health(), BreakerRule(consecutive=1)
    known = {each.name: replace(each, breaker=rule) for each in backends(4)}
    idle = Route("idle", (Entry("a"), Entry("d", weight=0)), Strategy.WEIGHTED)
    routes = {each.name: each for each in (route("a", "b", "c"), Route("one", (Entry("a"),)), idle)}

    def told(backend: str, circuit: Circuit) -> None:
        observer.circuit_changed(backend, circuit)

    breakers = Breakers(known.values(), lambda: 0.0, told)
    observer = PoolObserver(
        health, Catalogue(known, routes, "1"), lambda: Knowledge(breakers.circuits(), ejected=breakers.ejected())
    )
    seen = []
    fates = [("a", None), ("d", None), ("b", None), ("c", None), ("b", Forced.CLOSED), ("c", Forced.CLOSED)]
    with caplog.at_level(logging.INFO):
        for name, forced in fates:
            if forced is None:
                breakers[name].admit().failed(SICK)
            else:
                breakers[name].force(forced)
            seen.append(health.serving()["pool/default"])
    assert seen == [True, True, False, False, False, True]
    assert {name for name in health.serving() if name.startswith("pool/")} == {"pool/default"}
    assert [record.message for record in caplog.records] == [
        "panic route=default state=entered out=2 of=3",
        "panic route=default state=left out=1 of=3",
    ]


def test_whose_key_is_refused_is_not_of_the_pool() -> None:
    """Two of three may be out; where the third may not be asked anyway, one of two: then two are too many."""
    known = {each.name: each for each in backends(3)}
    out = {"a": 0.1, "b": 0.1}
    refused: set[str] = set()
    health = Health()
    observer = PoolObserver(
        health,
        Catalogue(known, {"default": route("a", "b", "c", max_ejected=0.67)}, "1"),
        lambda: Knowledge(dict.fromkeys(out, Circuit.OPEN), keys_refused=frozenset(refused), ejected=out),
    )
    seen = []
    for names in ({"c"}, set[str]()):
        refused = names
        observer.key_changed(known["c"], bool(names))
        seen.append(health.serving()["pool/default"])
    assert seen == [False, True]
