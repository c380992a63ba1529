"""Learners stay small and quick, whatever callers ask for and whatever backends do."""

from __future__ import annotations

from itertools import permutations

from quickthorn_server.core.catalogue import BudgetRule, Entry, HedgeRule, Route
from quickthorn_server.execution.hedging.in_flight import InFlight
from quickthorn_server.execution.hedging.learners import Heard, Learners
from quickthorn_server.execution.purses import Purses

TOKENS = 5


def learners(lanes: int = 4) -> Learners:
    """Return learners of a route of ten backends."""
    names = [f"b{number}" for number in range(10)]
    rule = HedgeRule(target=0.99, max_parallel=lanes)
    route = Route("r", tuple(map(Entry, names)), hedge=rule, budget=BudgetRule())
    return Learners([route], Purses([route]))


def teach(school: Learners, count: int, seconds: float = 0.2) -> list[bool]:
    """Let *count* calls of b0 take about *seconds*; returns when conclusions were due."""
    due = []
    for number in range(count):
        now = number * 0.01
        school.started("r", "b0", TOKENS, now)
        took = seconds * (1.0 + number % 10 / 10) if number % 50 else 100 * seconds
        due.append(school.settled("r", TOKENS, [Heard("b0", 0.0, took, spoke=True)], now + took))
    return due


def test_each_step_of_a_conclusion_decides_one_order_of_backends() -> None:
    """However many orders callers ask for by their directives: the loop is held up by one at a time."""
    school = learners()
    orders = [("b0", *rest) for rest in permutations([f"b{number}" for number in range(1, 7)], 3)]
    teach(school, 600)
    for order in orders:
        school.advice("r", order, TOKENS)
    assert any(teach(school, 1))
    steps = 1
    while school.recompute("r", 20.0):
        steps += 1
    assert 10 <= steps <= 20
    assert school.advice("r", orders[-1], TOKENS).delay is not None


def test_orders_that_are_asked_for_rarely_push_out_only_each_other() -> None:
    """What a route's usual calls are told stays, while a caller tries all the orders there are."""
    school, usual = learners(), ("b0", "b1")
    school.advice("r", usual, TOKENS)
    teach(school, 600)
    while school.recompute("r", 10.0):
        pass
    told = school.advice("r", usual, TOKENS)
    for number, rest in enumerate(permutations([f"b{number}" for number in range(2, 8)], 3)):
        school.advice("r", ("b0", *rest), TOKENS)
        if number % 8 == 0:
            assert school.advice("r", usual, TOKENS) == told


def test_lanes_that_take_no_time_are_learned_from() -> None:
    """Two events of one step of the loop: a time of zero, of which there is no logarithm."""
    school = learners(2)
    school.advice("r", ("b0", "b1"), TOKENS)
    for number in range(400):
        size = 10 if number % 2 else 1000
        now = number * 0.01
        school.started("r", "b0", size, now)
        if school.settled("r", size, [Heard("b0", 0.0, 0.0 if number % 2 else 0.5, spoke=True)], now + 0.5):
            while school.recompute("r", now + 0.5):
                pass
    assert school.advice("r", ("b0", "b1"), 10).learned_from > 100


def test_a_backend_that_only_fails_is_not_remembered_call_by_call() -> None:
    """Its calls teach nothing, and nobody is there to look at them: they must not add up."""
    calls = InFlight(0.003)
    for number in range(50_000):
        now = number * 0.01
        calls.start(now, 3, 0)
        calls.end(now, 3)
        while calls.passed(now) is not None:
            pass
    assert len(calls._batches) < 10_000


def test_a_first_backend_that_only_fails_leaves_nothing_behind() -> None:
    """The same through the learners: failures are told as calls that left."""
    school = learners(2)
    for number in range(30_000):
        school.started("r", "b0", TOKENS, number * 0.01)
        school.left("r", "b0", TOKENS, number * 0.01)
    batches = school._learner("r", "b0").first._in_flight._batches
    assert len(batches) < 10_000
