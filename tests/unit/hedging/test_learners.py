"""What learners advise: nothing at first, a percentile, then the best rule, and nothing where it gains nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from quickthorn_server.core.catalogue import BudgetRule, Entry, HedgeRule, Route
from quickthorn_server.core.plan import Advice
from quickthorn_server.execution.hedging.learners import Heard, Learners
from quickthorn_server.execution.purses import Purses

Draw = Callable[[random.Random], float]
LANES = ("a", "b")


class School:
    """Learners of one route, and calls that are told to them one after the other, each at once."""

    def __init__(self, budget: float = 0.05, target: float = 0.99, lanes: int = 2) -> None:
        rule = HedgeRule(target=target, max_parallel=lanes)
        route = Route("r", tuple(map(Entry, "abc")), hedge=rule, budget=BudgetRule(hedges=budget))
        plain = Route("plain", (Entry("a"),), hedge=HedgeRule(delay=0.3))
        self.purses = Purses([route, plain])
        self.learners = Learners([route, plain], self.purses)
        self.dice = random.Random(11)
        self.now = 0.0

    def call(self, seconds: float, other: float, tokens: int = 100) -> int:
        """Let a call be hedged as advised, with such times of its lanes; return how many lanes were hedges."""
        self.now += 1.0
        self.purses["r"].feed()
        self.learners.started("r", "a", tokens, self.now)
        advice = self.learners.advice("r", LANES, tokens)
        heard = [Heard("a", 0.0, seconds, spoke=True)]
        hedged = advice.delay is not None and seconds > advice.delay and self.dice.random() < advice.probability
        if hedged and advice.delay is not None:
            ends = min(seconds, advice.delay + other)
            heard = [
                Heard("a", 0.0, ends, seconds == ends),
                Heard("b", advice.delay, ends - advice.delay, seconds != ends),
            ]
        self.now += heard[0].seconds
        if self.learners.settled("r", tokens, heard, self.now):
            while self.learners.recompute("r", self.now):
                pass
        return int(hedged)

    def calls(self, count: int, first: Draw, other: Draw | None = None) -> int:
        """Let *count* calls be; return how many hedges they had."""
        return sum(self.call(first(self.dice), (other or first)(self.dice)) for _ in range(count))

    def advice(self, tokens: int = 100) -> Advice:
        return self.learners.advice("r", LANES, tokens)


def body(dice: random.Random) -> float:
    return dice.lognormvariate(math.log(0.25), 0.35)


def stalling(dice: random.Random) -> float:
    return dice.uniform(5, 60) if dice.random() < 0.02 else body(dice)


def test_below_twenty_lanes_nothing_is_done() -> None:
    """And it is said why."""
    school = School()
    assert school.calls(19, stalling) == 0
    assert school.advice().delay is None
    assert school.advice().why == "0 lanes heard, 20 tell something"


def test_below_five_hundred_a_fixed_percentile() -> None:
    """p95 at a budget of 5 %, p90 at 10 %, and it is called warm-up."""
    school = School(budget=0.10)
    school.advice()
    school.calls(300, body)
    advice = school.advice()
    assert advice.basis == "auto p99: warm-up, p90 of 300 lanes"
    assert advice.delay == pytest.approx(0.25 * math.exp(0.35 * 1.28), rel=0.15)
    assert (advice.probability, advice.lanes, advice.why) == (1.0, 2, "")


def test_then_the_best_rule() -> None:
    """Of 2 % that hang 5 % of hedges rescue enough: within a second instead of half a minute."""
    school = School()
    school.calls(6_000, stalling)
    advice = school.advice()
    assert advice.delay == pytest.approx(0.47, rel=0.2)
    assert advice.probability > 0.8
    assert advice.expected == pytest.approx(0.74, rel=0.1)
    assert advice.expected_without is not None
    assert advice.expected_without > 20
    assert advice.learned_from == pytest.approx(6_000, abs=600)
    assert advice.basis.startswith("auto p99: ")
    assert "s instead of " in advice.basis


def test_a_light_tail_is_not_hedged() -> None:
    """Where the best rule gains less than `min_gain` none is planned, and the gain is named."""
    school = School(budget=0.10)
    school.calls(2_000, body)
    assert school.calls(8_000, body) == 0
    advice = school.advice()
    assert advice.delay is None
    assert advice.why.startswith("hedging gains ")
    assert advice.expected == advice.expected_without == pytest.approx(0.565, rel=0.1)


def test_a_backend_that_hangs_with_the_first_is_not_asked_for_long() -> None:
    """Hedges to a backend that is slow whenever it is asked stop after some dozens, and are tried again but seldom."""
    school = School()
    school.calls(2_000, stalling, lambda _: 100.0)
    assert school.calls(20_000, stalling, lambda _: 100.0) < 120
    assert school.advice().delay is None


def test_a_quick_second_backend_is_learned() -> None:
    """What silence leads to is learned from hedges: a backend that always takes 0.1 s allows a shorter percentile."""
    alike, quick = School(), School()
    alike.calls(10_000, stalling)
    quick.calls(10_000, stalling, lambda _: 0.1)
    assert quick.advice().expected == pytest.approx(0.58, rel=0.1)
    assert (alike.advice().expected or 0) > (quick.advice().expected or 9) + 0.1


def test_delays_follow_the_size_of_the_input() -> None:
    """Where reading takes the time, a large input is given longer before it counts as silent."""
    school = School()
    for _ in range(5_000):
        tokens = school.dice.choice([200, 800, 3_200])
        hangs = school.dice.random() < 0.02
        usual = 0.1 + 0.0005 * tokens
        school.call(30.0 if hangs else usual * school.dice.lognormvariate(0, 0.2), usual, tokens)
    small, large = school.advice(200).delay, school.advice(3_200).delay
    assert small is not None
    assert large is not None
    assert large / small == pytest.approx(1.7 / 0.2, rel=0.2)
    assert (school.advice(3_200).expected or 0) > 5 * (school.advice(200).expected or 0)


def test_a_change_is_learned_anew() -> None:
    """Four times slower from one call to the next: 700 calls later the delay fits, learned from those calls only."""
    school = School()
    school.calls(4_000, stalling)
    before = school.advice().delay
    school.calls(700, lambda dice: 4 * body(dice))
    after = school.advice()
    assert before is not None
    assert after.learned_from <= 700
    assert after.delay is None or after.delay > 2 * before


def test_each_first_backend_is_learned_apart() -> None:
    """What is known of one first backend says nothing of another."""
    school = School()
    school.calls(600, stalling)
    other = school.learners.advice("r", ("b", "a"), 100)
    assert (other.delay, other.learned_from) == (None, 0)


def test_only_routes_with_auto_learn() -> None:
    """Calls of other routes are nobody's business."""
    school = School()
    school.learners.started("plain", "a", 1, 0.0)
    school.learners.left("plain", "a", 1, 0.0)
    assert school.learners.settled("plain", 1, [Heard("a", 0.0, 1.0, spoke=True)], 1.0) is False


def test_calls_that_hang_are_known_before_they_are_heard_of() -> None:
    """A thousand calls a second, 2 % of them hanging for a minute: after three seconds hedging is known to pay."""
    school = School()
    school.advice()
    started = 0.0
    for number in range(3_000):
        started = number / 1_000
        school.purses["r"].feed()
        school.learners.started("r", "a", 100, started)
        hangs = number % 50 == 0
        if not hangs:
            seconds = body(school.dice)
            heard = [Heard("a", 0.0, seconds, spoke=True)]
            if school.learners.settled("r", 100, heard, started + seconds):
                while school.learners.recompute("r", started + seconds):
                    pass
    advice = school.advice()
    assert advice.delay is not None
    assert advice.expected_without is None  # nobody knows yet how long they hang
    assert "instead of over " in advice.basis


def test_who_left_teaches_nothing() -> None:
    """A call whose lane failed is neither silent nor quick."""
    school = School()
    for number in range(40):
        school.learners.started("r", "a", 100, float(number))
        school.learners.left("r", "a", 100, float(number))
    school.calls(2_000, body)
    assert school.advice().delay is None
    assert school.advice().why.startswith("hedging gains ")


def test_a_third_lane_is_used_where_it_pays() -> None:
    """With `max_parallel: 3` and 10 % slow the advice says three lanes for p99.5."""
    school = School(budget=0.13, target=0.995, lanes=3)
    lanes = ("a", "b", "c")
    school.learners.advice("r", lanes, 100)
    school.calls(5_000, lambda dice: 2.0 if dice.random() < 0.1 else 0.004)
    advice = school.learners.advice("r", lanes, 100)
    assert advice.lanes == 3
    assert advice.delay == pytest.approx(0.004, rel=0.2)
