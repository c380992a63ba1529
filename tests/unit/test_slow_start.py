"""Slow start: a backend that has recovered gets its calls back bit by bit, and every share is exact."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.catalogue import Backend, BreakerRule, Catalogue, Entry, Route, SlowStart, Strategy
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.plan import Circuit, Forced, Knowledge
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.request import Preferences, Request
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.routing.notes import notes
from quickthorn_server.routing.router import Router, plan
from quickthorn_server.routing.slow_start import dice
from tests.support.circuit import SICK
from tests.support.laws import law
from tests.support.virtual import run_virtual

BACKENDS = {name: Backend(name, "scripted", name, "m") for name in "abcd"}
HELLO = Request(Prompt((Message(Role.USER, (Part(Text("hello")),)),)))


def firsts(
    entries: tuple[Entry, ...],
    strategy: Strategy,
    ramps: dict[str, float],
    turns: int,
    *,
    circuits: dict[str, Circuit] | None = None,
    wishes: Preferences | None = None,
) -> Counter[str]:
    """Return how often each backend would be asked first: who is first in order of those whose circuit is closed."""
    catalogue = Catalogue(BACKENDS, {"default": Route("default", entries, strategy)}, "1")
    known = Knowledge(circuits or {}, ramps=ramps)
    request = replace(HELLO, preferences=wishes or Preferences())
    router = Router(catalogue)
    orders = [router.plan(request, known, turn).order for turn in range(turns)]
    assert all(len(order) == len(entries) for order in orders)
    return Counter(next(each.name for each in order if each.name not in known.circuits) for order in orders)


@pytest.mark.parametrize(
    ("rule", "shares"),
    [
        (SlowStart(10.0), [0.1, 0.1, 0.25, 0.5, 0.99, 1.0, 1.0]),
        (SlowStart(10.0, aggression=2.0), [0.1, 0.1, 0.5, 0.5**0.5, 0.99**0.5, 1.0, 1.0]),
        (SlowStart(10.0, aggression=0.5, min_weight=0.2), [0.2, 0.2, 0.2, 0.25, 0.99**2, 1.0, 1.0]),
        (SlowStart(0.0), [1.0] * 7),
    ],
)
def test_a_share_grows_as_envoy_s_does(rule: SlowStart, shares: list[float]) -> None:
    """At 0, 0.1, 2.5, 5, 9.9, 10 and 99 seconds of ten."""
    assert [rule.share(at) for at in (0.0, 0.1, 2.5, 5.0, 9.9, 10.0, 99.0)] == pytest.approx(shares)


def test_a_circuit_that_closes_begins_to_ramp() -> None:
    """From the instant it closes, over the window; a new opening ends it, a new closing begins it anew."""

    async def main() -> list[tuple[float, dict[str, float]]]:
        loop = asyncio.get_running_loop()
        rule = BreakerRule(consecutive=1, open_for=2.0, successes=1)
        breakers = Breakers([replace(BACKENDS["a"], breaker=rule), BACKENDS["b"]], loop.time, lambda *_: None)
        seen = []

        async def look(wait: float) -> None:
            await asyncio.sleep(wait)
            seen.append((loop.time(), dict(breakers.ramps())))

        await look(0.0)
        breakers["a"].admit().failed(SICK)
        await look(2.0)
        breakers["a"].admit().succeeded(0.1)
        for wait in (0.0, 2.5, 4.5):
            await look(wait)
        breakers["a"].admit().failed(SICK)
        await look(4.0)
        breakers["a"].admit().succeeded(0.1)
        for wait in (5.0, 5.0):
            await look(wait)
        return seen

    assert run_virtual(main()) == [
        (0.0, {}),
        (2.0, {}),
        (2.0, {"a": 0.1}),
        (4.5, {"a": 0.25}),
        (9.0, {"a": 0.7}),
        (13.0, {}),
        (18.0, {"a": 0.5}),
        (23.0, {}),
    ]


def test_an_operator_s_closing_gives_everything_back_at_once() -> None:
    """Who forces a circuit closed wants the calls there."""
    breakers = Breakers(BACKENDS.values(), lambda: 1.0, lambda *_: None)
    breakers["a"].force(Forced.OPEN)
    breakers["a"].force(Forced.CLOSED)
    assert (breakers.ramps(), breakers["a"].ramp) == ({}, 1.0)


@given(st.integers(0, 2**70), st.integers(1, 50), st.sampled_from([0.1, 0.37, 0.5, 0.9]))
def test_the_dice_are_fair_over_any_run(begin: int, step: int, share: float) -> None:
    """Of any 1,000 turns, also every n-th, as many fall below a share as should, give or take four in a hundred."""
    hits = sum(dice(begin + place * step) < share for place in range(1_000))
    assert abs(hits - 1_000 * share) <= 40


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_priority_sends_the_rest_to_the_next(share: float) -> None:
    """The first keeps its share of 10,000 calls to one in a thousand; the next that is well gets all others."""
    entries = (Entry("a"), Entry("b"), Entry("c"))
    found = firsts(entries, Strategy.PRIORITY, {"a": share}, 10_000)
    assert found["a"] == pytest.approx(10_000 * share, abs=10)
    assert found["a"] + found["b"] == 10_000
    past = firsts(entries, Strategy.PRIORITY, {"a": share}, 10_000, circuits={"b": Circuit.OPEN})
    assert past == {"a": found["a"], "c": found["b"]}


def test_two_that_recover_share_with_the_next() -> None:
    """A tenth for the first, half of what it leaves for the second, the rest for who is well."""
    found = firsts((Entry("a"), Entry("b"), Entry("c")), Strategy.PRIORITY, {"a": 0.1, "b": 0.5}, 10_000)
    assert {name: round(count / 10_000, 2) for name, count in found.items()} == {"a": 0.1, "b": 0.45, "c": 0.45}


@pytest.mark.parametrize("strategy", list(Strategy))
def test_where_all_recover_alike_nothing_changes(strategy: Strategy) -> None:
    """The calls must go somewhere: shares count relative to the best, and one backend alone has nobody to give to."""
    entries = (Entry("a", 3), Entry("b", 1))
    ramps = {"a": 0.1, "b": 0.1}
    assert firsts(entries, strategy, ramps, 400) == firsts(entries, strategy, {}, 400)
    assert firsts((Entry("a"),), strategy, {"a": 0.1}, 10) == {"a": 10}
    shut = {"b": Circuit.OPEN}
    assert firsts(entries, strategy, {"a": 0.1}, 10, circuits=shut) == {"a": 10}


@law(20)
@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=4),
    st.lists(st.sampled_from([0.1, 0.3, 0.6, 1.0]), min_size=4, max_size=4),
)
def test_weights_count_times_their_share(weights: list[int], shares: list[float]) -> None:
    """Over 3,000 turns each backend is first in proportion to weight times share, to two in a hundred."""
    named = dict(zip(BACKENDS, weights, strict=False))
    parts = {name: weight * share for (name, weight), share in zip(named.items(), shares, strict=False)}
    ramps = {name: share for name, share in zip(named, shares, strict=False) if share < 1}
    turns = 3_000 // sum(weights) * sum(weights)
    found = firsts(tuple(Entry(*pair) for pair in named.items()), Strategy.WEIGHTED, ramps, turns)
    for name, part in parts.items():
        assert found[name] / turns == pytest.approx(part / sum(parts.values()), abs=0.02)


def test_weighted_keeps_to_its_group_and_gives_to_the_next_where_it_is_alone() -> None:
    """A spare group gets nothing while its betters share; a group of one gives to the next like priority."""
    spare = Entry("c", 5, group=1)
    found = firsts((Entry("a"), Entry("b"), spare), Strategy.WEIGHTED, {"a": 0.5}, 3_000)
    assert (found["c"], round(found["a"] / 3_000, 2)) == (0, 0.33)
    alone = firsts((Entry("a"), spare), Strategy.WEIGHTED, {"a": 0.5}, 3_000)
    assert round(alone["a"] / 3_000, 2) == 0.5


def test_whom_the_caller_prefers_ramps_too() -> None:
    """A wish sorts, and would else send everybody to who has just recovered; the one in question stays second."""
    entries = (Entry("b"), Entry("a"))
    found = firsts(entries, Strategy.PRIORITY, {"a": 0.25}, 1_000, wishes=Preferences(backends=("a",)))
    assert found["a"] == pytest.approx(250, abs=5)
    catalogue = Catalogue(BACKENDS, {"default": Route("default", (Entry("a"), Entry("b"), Entry("c")))}, "1")
    made = plan(HELLO, catalogue, Knowledge(ramps={"a": 0.1}), 1)
    assert [each.name for each in made.order] == ["b", "a", "c"]
    assert notes(HELLO, made, ()) == ["a: it recovers, and has 10% of its usual calls"]


def test_an_open_circuit_keeps_its_place_for_its_probe() -> None:
    """Only closed circuits change places: who is to be probed is still asked first."""
    catalogue = Catalogue(BACKENDS, {"default": Route("default", tuple(map(Entry, "dabc")))}, "1")
    made = plan(HELLO, catalogue, Knowledge({"d": Circuit.OPEN}, ramps={"a": 0.1}), 1)
    assert [each.name for each in made.order] == ["d", "b", "a", "c"]
