"""What bears on hedging, read off those who know it."""

from __future__ import annotations

from quickthorn_server.core.catalogue import Backend, BreakerRule, Limits, Route
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.plan import Advice, Forced
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.hedge_facts import hedge_facts
from quickthorn_server.execution.latency import Latency
from quickthorn_server.execution.limits import Limiters
from quickthorn_server.execution.spending import Spending

SICK = BackendError(Failure.UNAVAILABLE, http_status=500)
BUSY = BackendError(Failure.RATE_LIMITED, http_status=429, retry_after=7.0)


class House:
    """Two backends, and a clock that stands until it is set."""

    now = 0.0

    def __init__(self) -> None:
        rule = BreakerRule(consecutive=1, open_for=5.0)
        a = Backend("a", "p", "m", "m", breaker=rule, limits=Limits(in_flight=5))
        b = Backend("b", "p", "m", "m", breaker=rule)
        self.breakers = Breakers([a, b], self.time, lambda *_: None)
        self.limiters = Limiters([a, b], self.time)
        self.latency = Latency([])
        self.advice = Advice(0.5, 1.0, 2, "", "", None, None, 0)
        spending = Spending([Route("r", ())], self.time)
        self.facts = hedge_facts(self.breakers, self.limiters, spending, self.latency, lambda *_: self.advice)

    def time(self) -> float:
        """Return the instant."""
        return self.now


def test_a_limit_and_a_named_wait_are_near_limits() -> None:
    """Four fifths of what the file allows, and what a 429 said; until the wait is over."""
    house = House()
    assert not house.facts.near_limit("a")
    leaves = [house.limiters.take("a", 1) for _ in range(4)]
    assert (house.facts.near_limit("a"), house.facts.near_limit("b")) == (True, False)
    leaves[0](None)
    house.breakers["b"].admit().failed(BUSY)
    assert (house.facts.near_limit("a"), house.facts.near_limit("b")) == (False, True)
    house.now = 7.0
    assert not house.facts.near_limit("b")


def test_an_open_circuit_is_shut_until_it_may_be_probed() -> None:
    """And one that an operator holds open is shut for as long as that."""
    house = House()
    house.breakers["a"].admit().failed(SICK)
    assert house.facts.shut("a")
    house.now = 6.0  # 5 s and their jitter
    assert not house.facts.shut("a")
    house.breakers["a"].force(Forced.OPEN)
    assert house.facts.shut("a")


def test_what_is_typical_is_the_median_of_late_and_advice_is_passed_on() -> None:
    """For inputs of that size, once twenty are known."""
    house = House()
    for _ in range(19):
        house.latency.spoke("a", 0.5, 100)
    assert house.facts.typical("a", 100) is None
    house.latency.spoke("a", 0.5, 100)
    assert round(house.facts.typical("a", 100) or 0.0, 2) == 0.5
    assert house.facts.typical("a", 100_000) is None
    assert house.facts.advise is not None
    assert house.facts.advise("r", ("a", "b"), 1) is house.advice
    assert house.facts.spent("r") == 0
