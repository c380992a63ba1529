"""Why a call is not hedged, and whom it is hedged to: decided by the router, in words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend, Cancelled, Catalogue, Entry, HedgeRule, HedgeTo, Route, Upstream
from quickthorn_server.core.coin import planned
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.plan import Advice, Circuit, HedgeFacts, Knowledge, Plan
from quickthorn_server.core.prompt import Prompt, Sampling
from quickthorn_server.core.request import Directives, Priority, Request, Requirements
from quickthorn_server.core.usage import Price
from quickthorn_server.routing.notes import hedging_costs
from quickthorn_server.routing.router import plan
from quickthorn_server.routing.slow_start import dice

PRICE = Price(Decimal(1), Decimal(2))  # 1,000 nano-USD a token read, 2,000 a token written
A, B, C, D = (Backend(name, "openai", f"m-{name}", f"m-{name}", price=PRICE) for name in "abcd")
AUTO = HedgeRule(target=0.99)
GAIN = Advice(0.5, 1.0, 2, "", "auto p99: 900 lanes", 1.0, 9.0, 900)


def asked(*, most: int | None = None, text: str = "x" * 384, **given: Any) -> Request:
    """Return a request of 100 input tokens, by the estimate."""
    return Request(
        Prompt((Message(Role.USER, (Part(Text(text)),)),), sampling=Sampling(max_output_tokens=most)), **given
    )


def made(
    request: Request, rule: HedgeRule, *backends: Backend, turn: int = 0, facts: HedgeFacts | None = None, **given: Any
) -> Plan:
    route = Route("default", tuple(Entry(each.name) for each in backends), hedge=rule, **given.pop("route", {}))
    catalogue = Catalogue({each.name: each for each in backends}, {"default": route}, "v")
    return plan(request, catalogue, Knowledge(hedging=facts or HedgeFacts(), **given), turn)


def advising(advice: Advice) -> HedgeFacts:
    return HedgeFacts(advise=lambda *_: advice)


def targets(planned_: Plan) -> list[str]:
    assert planned_.hedging is not None, planned_.no_hedge
    assert planned_.hedging.targets is not None
    return [each.name for each in planned_.hedging.targets[: planned_.hedging.max_parallel - 1]]


FIXED = HedgeRule(delay=0.3)
EAST, EAST_TOO, WEST = replace(B, shares="east"), replace(C, shares="east"), replace(D, shares="west")


def test_a_shared_failure_domain_is_passed_by() -> None:
    """Who is slow together helps nobody: the next of another domain is asked, and where there is none nobody is."""
    assert targets(made(asked(), FIXED, EAST, EAST_TOO, WEST)) == ["d"]
    alone = made(asked(), FIXED, EAST, EAST_TOO)
    assert (alone.hedging, alone.no_hedge) == (None, "nobody to hedge to: c: it shares the failure domain east")
    assert [each.name for each in alone.order] == ["b", "c"]


def test_two_hedges_do_not_share_a_domain_either() -> None:
    """The third lane goes where neither of the first two is."""
    wide = replace(FIXED, max_parallel=3)
    assert targets(made(asked(), wide, A, EAST, EAST_TOO, WEST)) == ["b", "d"]


def test_a_domain_that_nobody_wrote_down_does_not_count() -> None:
    """One provider's models live on one host, and are hedged all the same."""
    host = "api.openai.com"
    assert targets(made(asked(), FIXED, replace(A, failure_domain=host), replace(B, failure_domain=host))) == ["b"]


@pytest.mark.parametrize("circuit", [Circuit.OPEN, Circuit.HALF_OPEN])
def test_an_open_circuit_is_no_target_until_it_may_be_probed(circuit: Circuit) -> None:
    """A hedge may be the probe of a backend whose time is over, or a circuit that only hedges ask never closes."""
    shut = made(asked(), FIXED, A, B, circuits={"b": circuit}, facts=HedgeFacts(shut=lambda _: True))
    probed = made(asked(), FIXED, A, B, circuits={"b": circuit}, facts=HedgeFacts(shut=lambda _: False))
    assert shut.no_hedge == ("nobody to hedge to: b: its circuit is open" if circuit is Circuit.OPEN else "")
    assert targets(probed) == ["b"]


def test_the_first_who_may_be_asked_counts_as_the_first() -> None:
    """With the primary's circuit open the second is asked first, and hedged to the third."""
    rule = HedgeRule(percentile=0.95)
    known = {("a", 0.95): 9.0, ("b", 0.95): 0.5}
    shifted = made(asked(), rule, A, B, C, circuits={"a": Circuit.OPEN}, first_content=known)
    assert shifted.hedging is not None
    assert (shifted.hedging.delay, targets(shifted)) == (0.5, ["c"])
    kept = asked(directives=Directives(failover=False))
    assert made(kept, rule, A, B, C, circuits={"a": Circuit.OPEN}, first_content=known).hedging.delay == 9.0  # type: ignore[union-attr]


def test_who_is_near_a_limit_is_passed_by() -> None:
    """What it has left is for first attempts."""
    facts = HedgeFacts(near_limit=lambda name: name in {"b", "d"})
    assert targets(made(asked(), FIXED, A, B, C, facts=facts)) == ["c"]
    assert made(asked(), FIXED, A, B, D, facts=facts).no_hedge == (
        "nobody to hedge to: b: it is near a limit; d: it is near a limit"
    )


def test_whom_to_ask_is_a_choice_of_the_route() -> None:
    """`next` as the plan has it, `cheapest` by price, `fastest` by what was seen; who is not known comes last."""
    cheap, free = replace(C, price=Price(Decimal("0.1"), Decimal("0.1"))), replace(D, price=None)
    facts = HedgeFacts(typical=lambda name, _: {"b": 0.9, "d": 0.2}.get(name))
    chosen = {
        to: targets(made(asked(), replace(FIXED, to=to, max_parallel=4), A, B, cheap, free, facts=facts))
        for to in HedgeTo
    }
    assert chosen == {
        HedgeTo.NEXT: ["b", "c", "d"],
        HedgeTo.CHEAPEST: ["c", "b", "d"],
        HedgeTo.FASTEST: ["d", "b", "c"],
    }


@pytest.mark.parametrize(
    ("backends", "limit", "why"),
    [
        ((A, B), 100_000, ""),
        ((A, B), 99_999, "b: it may cost 0.0001 USD more, and the limit is 0.000099999"),
        ((A, replace(B, price=None)), 10**9, "b: its cost has no known bound, and hedges have a limit"),
        ((replace(A, price=None), B), 10**9, "a: its cost has no known bound, and hedges have a limit"),
        ((A, replace(B, price=None, cancelled=Cancelled.FREE)), 100_000, ""),
        ((replace(A, cancelled=Cancelled.FREE), replace(B, cancelled=Cancelled.FREE)), 0, ""),
        (
            (A, replace(B, cancelled=Cancelled.FULL)),
            299_999,
            "b: it may cost 0.0003 USD more, and the limit is 0.000299999",
        ),
        ((A, replace(B, cancelled=Cancelled.FULL)), 300_000, ""),
        ((A, replace(B, price=replace(PRICE, cache_write=Decimal(4)))), 399_999, "b: it may cost 0.0004 USD more"),
    ],
)
@pytest.mark.parametrize("whose", ["route", "request", "hour"])
def test_what_a_hedge_may_cost_is_held_against_the_worst_case(
    backends: tuple[Backend, ...], limit: int, why: str, whose: str
) -> None:
    """100 tokens read and 100 written: whoever loses, by what is billed of it then; unknown is too much."""
    rule = replace(
        FIXED, max_extra=limit if whose == "route" else None, max_extra_hour=limit if whose == "hour" else None
    )
    directives = Directives(max_extra_cost_nano_usd=limit if whose == "request" else None)
    found = made(asked(most=100, directives=directives), rule, *backends)
    if whose == "hour" and "may cost" in why:
        assert found.no_hedge.startswith("hedges of the route have cost 0 of ")
    else:
        assert why in found.no_hedge
        assert (found.hedging is not None) == (not why)


@pytest.mark.parametrize(("capabilities", "hedges"), [({"text"}, True), ({"text", "reasoning"}, False)])
def test_a_model_that_is_asked_to_think_may_write_all_of_it_unseen(capabilities: set[str], hedges: bool) -> None:
    """A silent loser has cost its input; where the request asks for thinking, up to the longest answer."""
    a, b = (replace(each, capabilities=frozenset({"text", "reasoning"})) for each in (A, B))
    thinking = asked(most=100, requirements=Requirements(capabilities=frozenset(capabilities)))
    assert (made(thinking, replace(FIXED, max_extra=100_000), a, b).hedging is not None) == hedges


def test_the_smaller_of_both_limits_holds() -> None:
    """A request may be stricter than its route, not looser."""
    strict = asked(directives=Directives(max_extra_cost_nano_usd=99_999))
    assert made(strict, replace(FIXED, max_extra=10**9), A, B).hedging is None
    loose = asked(directives=Directives(max_extra_cost_nano_usd=10**9))
    assert made(loose, replace(FIXED, max_extra=99_999), A, B).hedging is None


@pytest.mark.parametrize(("most", "hedges"), [(400_000, True), (399_999, False)])
def test_max_cost_covers_both_lanes(most: int, hedges: bool) -> None:
    """The answer in full, and what the loser was billed: 300,000 and 100,000."""
    found = made(asked(most=100, requirements=Requirements(max_cost_nano_usd=most)), FIXED, A, B)
    assert (found.hedging is not None) == hedges
    assert len(found.order) == 2
    if not hedges:
        assert found.no_hedge == "nobody to hedge to: b: max_cost_nano_usd does not cover 2 lanes"


def test_there_are_targets_to_spare() -> None:
    """Should a failure lead to the first of them, or a circuit refuse: as many as the call may have lanes."""
    found = made(asked(), FIXED, A, B, C, D)
    assert found.hedging is not None
    assert found.hedging.max_parallel == 2
    assert found.hedging.targets == (B, C)


@pytest.mark.parametrize(("price", "spare"), [(PRICE, True), (Price(Decimal(1), Decimal(3)), False), (None, False)])
def test_who_stands_in_is_no_dearer(price: Price | None, spare: bool) -> None:
    """What hedging may cost was counted without it."""
    other = replace(C, price=price)
    for rule in replace(FIXED, max_extra=100_000), replace(FIXED, max_extra_hour=100_000):
        found = made(asked(most=100), rule, A, B, other)
        assert found.hedging is not None
        assert found.hedging.targets == ((B, other) if spare else (B,))
        assert found.hedging.worst_extra == 100_000


def test_a_limit_takes_lanes_away_one_by_one() -> None:
    """Of four lanes as many run as may."""
    wide = replace(FIXED, max_parallel=4, max_extra=200_000)
    assert targets(made(asked(most=100), wide, A, B, C, D)) == ["b", "c"]


def test_an_hour_that_is_spent_hedges_no_more() -> None:
    """What was spent, and what this call may add, stay under the limit; Explain's notes say how it stands."""
    rule = replace(FIXED, max_extra_hour=1_000_000)
    below, above = (HedgeFacts(spent=lambda _, spent=spent: spent) for spent in (900_000, 900_001))  # type: ignore[misc]
    fits = made(asked(), rule, A, B, facts=below)
    assert fits.hedging is not None
    assert fits.hedging.worst_extra == 100_000
    over = made(asked(), rule, A, B, facts=above)
    assert over.no_hedge == "hedges of the route have cost 0.000900001 of 0.001 USD in the running hour"
    assert hedging_costs(over) == [over.no_hedge]


def test_a_learned_delay_is_planned_for_its_share_of_calls() -> None:
    """The coin falls the same for the same turn; who is not drawn says so, and the trace tells the share, too."""
    often = replace(GAIN, probability=0.25)
    plans = [made(asked(), AUTO, A, B, turn=turn, facts=advising(often)) for turn in range(1000)]
    assert [each.hedging is not None for each in plans] == [planned(turn, 0.25) for turn in range(1000)]
    assert abs(sum(each.hedging is not None for each in plans) - 250) <= 2
    assert {each.no_hedge for each in plans if each.hedging is None} == {"not drawn: 25.0% of such calls may hedge"}
    assert {each.trace((), None).hedge_probability for each in plans} == {0.25}
    assert {each.trace((), None).hedge_basis for each in plans} == {"auto p99: 900 lanes"}


def test_critical_calls_are_not_drawn_for() -> None:
    """The coin spares what matters most; that hedging gains nothing holds for it, too."""
    urgent = asked(directives=Directives(priority=Priority.CRITICAL))
    never = advising(replace(GAIN, probability=0.0))
    assert made(urgent, AUTO, A, B, turn=1, facts=never).hedging is not None
    assert made(asked(), AUTO, A, B, turn=1, facts=never).hedging is None
    useless = advising(Advice(None, 0.0, 0, "it would gain 3%, under min_gain", "auto p99: 900 lanes", 8.7, 9.0, 900))
    assert made(urgent, AUTO, A, B, facts=useless).no_hedge == "it would gain 3%, under min_gain"


def test_advice_is_asked_about_the_lanes_that_would_run() -> None:
    """The route, first lane and targets in order, and the estimate of the input."""
    seen: list[object] = []

    def advise(*of: object) -> Advice:
        seen.append(of)
        return replace(GAIN, lanes=2)

    found = made(asked(), replace(AUTO, max_parallel=3), A, EAST, EAST_TOO, WEST, facts=HedgeFacts(advise=advise))
    assert seen == [("default", ("a", "b", "d"), 100)]
    assert found.hedging is not None
    assert (found.hedging.delay, found.hedging.max_parallel) == (0.5, 2)
    made(asked(), AUTO, A, B, C, circuits={"d": Circuit.OPEN}, facts=HedgeFacts(advise=advise))
    assert seen[1:] == [("default", ("a", "b"), 100)]  # and nobody who is a target to spare


@pytest.mark.parametrize(
    ("request_", "route"),
    [
        (asked(), {"upstream": Upstream.WHOLE}),
        (Request(EmbedPrompt(("x",))), {}),
    ],
)
def test_whole_replies_are_not_hedged_by_what_streams_taught(request_: Request, route: dict[str, Any]) -> None:
    """A time to first content says nothing of a reply that comes in one piece."""
    embeds = frozenset({"text", "embeddings"})
    a, b = (replace(each, capabilities=embeds, embedding_space="s") for each in (A, B))
    found = made(request_, AUTO, a, b, facts=advising(GAIN), route=route)
    assert found.no_hedge == "auto learns from streamed answers, and this one comes whole"


def test_nothing_learned_is_said() -> None:
    """A server that has no learner does not guess."""
    assert made(asked(), AUTO, A, B).no_hedge == "auto p99: nothing was learned yet"


def test_turns_are_drawn_evenly() -> None:
    """Over any run of turns, and over every n-th one, the share is met to a few turns; 0 is never, 1 is always."""
    for share in (0.01, 0.34, 0.9):
        for step in (1, 2, 3, 7):
            drawn = [planned(turn * step, share) for turn in range(3000)]
            for begin in range(0, 2000, 250):
                assert abs(sum(drawn[begin : begin + 1000]) - 1000 * share) <= 6
    slow_start = [turn for turn in range(3000) if dice(turn) < 0.1]
    assert abs(sum(planned(turn, 0.5) for turn in slow_start) - 150) <= 15  # whoever else draws by the same turns
    assert not any(planned(turn, 0.0) for turn in range(100))
    assert all(planned(turn, 1.0) for turn in range(100))
