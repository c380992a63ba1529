"""What the router plans of hedging, carried out: exact instants of virtual time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from quickthorn_server.core.catalogue import Catalogue, Entry, HedgeRule, RetryRule, Route
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.failures import Failure
from quickthorn_server.core.plan import Knowledge
from quickthorn_server.core.prompt import Prompt, Sampling
from quickthorn_server.core.request import Request
from quickthorn_server.core.usage import Price
from quickthorn_server.providers.scripted import Scripted
from quickthorn_server.routing.router import plan
from tests.support.cast import Cast, Step, fails, says, silent
from tests.support.virtual import run_virtual

DELAY = 0.25
FIXED = HedgeRule(delay=DELAY)
CAPPED = replace(FIXED, max_extra=10**6)
PRICE = Price(Decimal(1), Decimal(2))
REQUEST = Request(Prompt((Message(Role.USER, (Part(Text("x" * 384)),)),), sampling=Sampling()))
BAD = Failure.UNAVAILABLE


def played(
    rule: HedgeRule, *scripts: list[Step], unpriced: str = "", attempts: int = 3
) -> tuple[list[tuple[str, str, str, float]], str]:
    """Return the lanes of one call, and why it did not hedge."""

    async def main() -> tuple[list[tuple[str, str, str, float]], str]:
        named = {name: Scripted(each) for name, each in zip("abcd", scripts, strict=False)}
        cast = Cast(rule=None, timeouts=None, budget=None, limits=None, heartbeat=None, **named)
        priced = {name: replace(each, price=PRICE) for name, each in cast.backends.items() if name not in unpriced}
        cast.backends |= priced
        route = Route("default", tuple(map(Entry, named)), hedge=rule, retry=RetryRule(attempts=attempts))
        await cast.streamed(plan(REQUEST, Catalogue(cast.backends, {"default": route}, "v"), Knowledge(), 0))
        return cast.lanes(), cast.told.decisions[-1].trace.no_hedge

    return run_virtual(main())


def test_silence_leads_on_after_a_failover() -> None:
    """The failover has taken whom a hedge would have asked: the hedge asks who comes next."""
    lanes, why = played(FIXED, fails(BAD, 0.05), says("B", after=5.0), says("C"))
    assert lanes == [
        ("a", "first", "failed", 0.0),
        ("b", "failover", "lost", 0.05),
        ("c", "silence", "won", 0.05 + DELAY),
    ]
    assert why == ""


@pytest.mark.parametrize(
    ("first", "third"),
    [
        (says("A", after=3.0), []),
        (fails(BAD, 3.0), [("c", "failover", "won", 3.0)]),
    ],
)
def test_a_limit_in_money_holds_for_who_replaces_a_hedge(
    first: list[Step], third: list[tuple[str, str, str, float]]
) -> None:
    """What a third backend costs nobody knows, so it is asked only once no other lane runs."""
    lanes, _ = played(CAPPED, first, fails(Failure.NOT_FOUND, 0.1), says("C"), unpriced="c")
    assert lanes == [
        ("a", "first", "failed" if third else "won", 0.0),
        ("b", "silence", "failed", DELAY),
        *third,
    ]


def test_no_more_lanes_are_hedged_than_the_bill_holds() -> None:
    """A limit that pays for one lost lane is not spent on two, though one of them has failed by then."""
    wide = replace(FIXED, max_parallel=3, max_extra=100_000)
    lanes, _ = played(wide, silent(3.0), fails(Failure.NOT_FOUND, 0.1), silent(), silent())
    assert [name for name, *_ in lanes] == ["a", "b"]


@pytest.mark.parametrize(
    ("failure", "third", "why"),
    [
        (Failure.OVERLOADED, True, ""),
        (Failure.LOST, False, "lanes that failed have cost what hedging the call may cost"),
    ],
)
def test_a_hedge_that_failed_may_have_cost_something(failure: Failure, third: bool, why: str) -> None:
    """Who refuses outright bills nothing, so another takes its place; who was lost at work has used up the limit."""
    lanes, _ = played(CAPPED, says("A", after=3.0), fails(failure, 0.5), says("C", after=9.0))
    assert [name for name, *_ in lanes] == (["a", "b", "c"] if third else ["a", "b"])
    assert lanes[0] == ("a", "first", "won", 0.0)
    after = played(CAPPED, fails(failure, 0.1), says("B", after=3.0), says("C", after=9.0))
    assert ([name for name, *_ in after[0]], after[1]) == (["a", "b", "c"] if third else ["a", "b"], why)


def test_at_once_means_all_at_once() -> None:
    """A delay of 0s asks everybody in the same instant."""
    lanes, why = played(replace(FIXED, delay=0.0, max_parallel=4), silent(), silent(), silent(), says("D"), attempts=4)
    assert [(name, cause, at) for name, cause, _, at in lanes] == [
        ("a", "first", 0.0),
        *((name, "silence", 0.0) for name in "bcd"),
    ]
    assert why == ""
