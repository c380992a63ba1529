"""Order: by place, by weight, by wish."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.catalogue import Backend, Entry, Strategy
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.prompt import Prompt, Sampling
from quickthorn_server.core.request import Objective, Preferences, Request
from quickthorn_server.core.usage import Price
from quickthorn_server.routing.needs import needs
from quickthorn_server.routing.ordering import ordered, preferred, smooth_cycle


def names(entries: list[Entry]) -> list[str]:
    return [entry.backend for entry in entries]


def test_the_known_example_of_smooth_weighting() -> None:
    """Weights 5, 1, 1 come out as nginx's own example says: a a b a c a a."""
    assert smooth_cycle((5, 1, 1)) == (0, 0, 1, 0, 2, 0, 0)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_a_cycle_is_exact(weights: list[int]) -> None:
    """In one cycle every place comes up in exact proportion to its weight."""
    counts = Counter(smooth_cycle(tuple(weights)))
    assert all(counts[place] * sum(weights) == weight * counts.total() for place, weight in enumerate(weights))


@given(st.lists(st.integers(1, 12), min_size=2, max_size=6))
def test_a_cycle_is_smooth(weights: list[int]) -> None:
    """Over every stretch of turns a place is never more than one turn away from its share, per other place."""
    cycle = smooth_cycle(tuple(weights))
    total = sum(weights)
    for place, weight in enumerate(weights):
        seen = 0
        for turn, chosen in enumerate(cycle, start=1):
            seen += chosen == place
            assert abs(seen - turn * weight / total) < len(weights)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 10_000))
def test_every_turn_asks_everybody_once(weights: list[int], turn: int) -> None:
    """A weighted order is a permutation: failover still reaches every backend."""
    entries = [Entry(f"b{place}", weight) for place, weight in enumerate(weights)]
    assert sorted(names(ordered(entries, Strategy.WEIGHTED, turn))) == sorted(names(entries))


def test_first_turns_over_a_cycle_are_exact() -> None:
    """Over one cycle of turns each backend is first exactly as often as its weight says."""
    entries = [Entry("a", 3), Entry("b", 2), Entry("c", 1)]
    firsts = Counter(ordered(entries, Strategy.WEIGHTED, turn)[0].backend for turn in range(6))
    assert firsts == {"a": 3, "b": 2, "c": 1}


@pytest.mark.parametrize("strategy", list(Strategy))
def test_lower_groups_come_first(strategy: Strategy) -> None:
    """A higher group is asked only after the whole lower one, whatever its weight."""
    entries = [Entry("spare", 100, group=1), Entry("a", 1), Entry("b", 1)]
    for turn in range(5):
        assert names(ordered(entries, strategy, turn))[-1] == "spare"


def test_priority_keeps_the_order_of_the_configuration() -> None:
    """Priority ignores turns and weights."""
    entries = [Entry("a", 1), Entry("b", 9), Entry("c", 5)]
    assert {tuple(names(ordered(entries, Strategy.PRIORITY, turn))) for turn in range(4)} == {("a", "b", "c")}


def _backend(name: str, price: str = "1", region: str = "us") -> Backend:
    return Backend(name, "openai", "m", "m", price=Price(Decimal(price), Decimal(price)), regions=frozenset({region}))


def test_wishes_sort_and_never_drop() -> None:
    """Named backends first, then wanted regions, then price; the route's order breaks ties."""
    need = needs(Request(Prompt((Message(Role.USER, (Part(Text("hi")),)),), sampling=Sampling(max_output_tokens=10))))
    a, b, c = _backend("a", "3"), _backend("b", "1"), _backend("c", "2", "eu")
    wishes = {
        Preferences(backends=("c", "nobody")): [c, a, b],
        Preferences(regions=("eu",)): [c, a, b],
        Preferences(objective=Objective.COST): [b, c, a],
        Preferences(): [a, b, c],
    }
    for wish, order in wishes.items():
        assert preferred([a, b, c], wish, need) == order
