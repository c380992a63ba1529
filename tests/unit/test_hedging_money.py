"""What hedges cost: apart from the answer's cost, by what each provider bills of a cancelled lane, hour by hour."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.attempt import Trace
from quickthorn_server.core.catalogue import Cancelled, Entry, HedgeRule, Route, Timeouts
from quickthorn_server.core.chunk import ReasoningDelta, UsageReport
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.failures import Failure
from quickthorn_server.core.plan import Hedging
from quickthorn_server.core.usage import Price, Usage, UsageSource, added
from quickthorn_server.execution.executor import Executor
from quickthorn_server.execution.spending import Hour, Spending
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import Cast, Step, fails, says, silent
from tests.support.virtual import run_virtual

SENT = 1000  # the estimate of the prompt
PRICE = Price(Decimal(1), Decimal(2))
TOLD = UsageReport(Usage(900, 50))
ANSWER: list[Step] = [*says("X")[:-1], (0.0, TOLD), says("X")[-1]]


class House:
    """A hedged route of two priced backends, with its limits on what hedges may cost."""

    def __init__(self, *scripts: list[Step], bills: Cancelled = Cancelled.SO_FAR, limit: int | None = None) -> None:
        self.cast = Cast(
            rule=None,
            timeouts=None,
            budget=None,
            limits=None,
            heartbeat=None,
            **{name: Scripted(each) for name, each in zip("abc", scripts, strict=False)},
        )
        priced = {name: replace(each, price=PRICE, cancelled=bills) for name, each in self.cast.backends.items()}
        self.cast.backends = priced
        self.route = Route("default", tuple(map(Entry, priced)), hedge=HedgeRule(delay=0.5, max_extra_hour=limit))
        self.spending = Spending([self.route], asyncio.get_running_loop().time)
        self.cast.executor = Executor(replace(self.cast.executor._estate, spending=self.spending))

    async def play(self, worst: int | None = None) -> Decision:
        """Carry out one call; *worst*: what its plan thinks hedging may cost."""
        hedging = Hedging(0.5, 2, tuple(self.cast.backends.values())[1:], worst)
        await self.cast.streamed(self.cast.plan(input_tokens=SENT, route=self.route, hedging=hedging))
        return self.cast.told.decisions[-1]


def told(*scripts: list[Step], bills: Cancelled = Cancelled.SO_FAR) -> tuple[Trace, int]:
    """Return the trace of one call, and what the hour has cost then."""

    async def main() -> tuple[Trace, int]:
        house = House(*scripts, bills=bills)
        decision = await house.play()
        return decision.trace, house.spending.of("default")

    return run_virtual(main())


THOUGHT: list[Step] = [(0.1, ReasoningDelta(0, "x" * 40)), *silent()]


@pytest.mark.parametrize(
    ("bills", "usage", "cost"),
    [
        (Cancelled.FREE, Usage(SENT, 10, source=UsageSource.ESTIMATED), 0),
        (Cancelled.SO_FAR, Usage(SENT, 10, source=UsageSource.ESTIMATED), 1_020_000),
        (Cancelled.FULL, Usage(SENT, 50, source=UsageSource.ESTIMATED), 1_100_000),
    ],
)
def test_a_loser_costs_what_its_provider_bills(bills: Cancelled, usage: Usage, cost: int) -> None:
    """Nothing, what it had written unseen, or a reply as long as the one that served; apart from the answer's own."""
    trace, hour = told(THOUGHT, ANSWER, bills=bills)
    assert (trace.extra_usage, trace.extra_cost_nano_usd, hour) == (usage, cost, cost)
    assert trace.served_by == 1
    assert (trace.attempts[1].usage, trace.attempts[1].cost_nano_usd) == (TOLD.usage, 1_000_000)


@pytest.mark.parametrize(
    ("bills", "cost"), [(Cancelled.FREE, 0), (Cancelled.SO_FAR, 1_000_000), (Cancelled.FULL, 1_100_000)]
)
def test_a_lane_that_was_silent_too_long_was_cancelled_by_us(bills: Cancelled, cost: int) -> None:
    """Its provider bills it as one that was cancelled for another."""

    async def main() -> Trace:
        house = House(silent(), [(9.0, TOLD), *ANSWER], bills=bills)
        house.cast.backends["a"] = replace(house.cast.backends["a"], timeouts=Timeouts(first_token=2.0))
        return (await house.play()).trace

    trace = run_virtual(main())
    assert trace.served_by == 1
    assert (trace.attempts[0].failure, trace.attempts[0].cost_nano_usd) == (Failure.TIMEOUT, cost)


def test_a_whole_reply_that_nobody_saw_has_no_known_cost() -> None:
    """A call that was given up had lanes that are billed in full; how long those replies were nobody can say."""

    async def main() -> Trace:
        house = House(silent(), silent(), bills=Cancelled.FULL)
        call = asyncio.create_task(house.play())
        await asyncio.sleep(1.0)
        call.cancel()
        await asyncio.wait([call])
        return house.cast.told.decisions[-1].trace

    assert [each.cost_nano_usd for each in run_virtual(main()).attempts] == [None, None]


def test_a_call_without_a_second_lane_has_no_extra() -> None:
    """Absent, not zero."""
    trace, hour = told(ANSWER, ANSWER)
    assert (len(trace.attempts), trace.extra_usage, trace.extra_cost_nano_usd, hour) == (1, None, None, 0)


def test_a_failover_is_extra_and_no_hedge() -> None:
    """What a failed lane used is said, and does not count against what hedges may cost."""
    trace, hour = told([(0.1, TOLD), *fails(Failure.LOST, 0.1)], ANSWER)
    assert (trace.extra_cost_nano_usd, hour) == (1_000_000, 0)


def test_who_fails_while_it_is_hedged_is_not_the_hedge_s_cost() -> None:
    """It would have failed without; its usage is said all the same."""
    trace, hour = told([(0.6, TOLD), *fails(Failure.PROTOCOL, 0.1)], says("X", after=2.0))
    assert [attempt.outcome.word for attempt in trace.attempts] == ["failed", "won"]
    assert (trace.extra_cost_nano_usd, hour) == (1_000_000, 0)


def test_a_lane_that_was_never_reached_costs_nothing() -> None:
    """A hedge that cannot connect leaves the other's cost known, and nothing beside it."""
    trace, hour = told(says("A", after=2.0), fails(Failure.CONNECT))
    assert (trace.extra_usage, trace.extra_cost_nano_usd, hour) == (None, 0, 0)


def test_a_cost_that_nobody_knows_is_not_zero() -> None:
    """Without a price the extra cost is unknown; the hour counts the worst case where the plan knew one."""

    async def main() -> tuple[int | None, int]:
        house = House(silent(), ANSWER)
        house.cast.backends["a"] = replace(house.cast.backends["a"], price=None)
        decision = await house.play(worst=777)
        return decision.trace.extra_cost_nano_usd, decision.hedges_cost

    assert run_virtual(main()) == (None, 777)


def test_an_hour_is_never_overspent_by_calls_at_the_same_time() -> None:
    """Ten calls at once, room for three: three hedge, the others say why not, and what was set aside comes back."""

    async def main() -> tuple[list[str], int, int]:
        house = House(silent(3.0), ANSWER, bills=Cancelled.SO_FAR, limit=3_100_000)
        await asyncio.gather(*(house.play(worst=1_000_000) for _ in range(10)))
        reasons = sorted(each.trace.no_hedge for each in house.cast.told.decisions)
        spent = house.spending.of("default")
        await asyncio.sleep(3900)
        return reasons, spent, house.spending.of("default")

    reasons, spent, later = run_virtual(main())
    assert reasons == [""] * 3 + ["hedges of the route have cost enough in the running hour"] * 7
    assert (spent, later) == (3_000_000, 0)


def test_an_unknown_worst_case_under_a_limit_hedges_nobody() -> None:
    """Whoever made the plan could not say what might be lost."""

    async def main() -> str:
        return (await House(silent(3.0), ANSWER, limit=10**12).play()).trace.no_hedge

    assert run_virtual(main()) == "hedges of the route have cost enough in the running hour"


def test_all_lanes_of_a_call_are_set_aside_at_once() -> None:
    """The worst case is that of the whole call, so its third lane asks for nothing more."""

    async def main() -> tuple[int, int]:
        house = House(silent(3.0), silent(3.0), ANSWER, limit=1_500_000)
        backends = tuple(house.cast.backends.values())
        hedging = Hedging(0.5, 3, backends[1:], 1_000_000)
        calling = asyncio.create_task(house.cast.streamed(house.cast.plan(route=house.route, hedging=hedging)))
        await asyncio.sleep(1.05)
        reserved = house.spending.of("default")
        await calling
        return len(house.cast.trace.attempts), reserved

    assert run_virtual(main()) == (3, 1_000_000)


@pytest.mark.parametrize(("at", "now", "counted"), [(0.0, 3599.0, 1), (299.0, 3899.0, 1), (0.0, 3900.0, 0)])
def test_an_hour_is_no_shorter(at: float, now: float, counted: int) -> None:
    """What was spent within it counts, however the parts fall."""
    hour = Hour()
    hour.add(1, at)
    assert hour.total(now) == counted


@given(st.lists(st.tuples(st.floats(0, 900), st.integers(0, 1000)), max_size=60))
def test_an_hour_counts_every_minute_of_it(spent: list[tuple[float, int]]) -> None:
    """What was spent in the last 60 minutes counts; what is older than 65 does not."""
    hour, now, log = Hour(), 0.0, list[tuple[float, int]]()
    for wait, amount in spent:
        now += wait
        hour.add(amount, now)
        log.append((now, amount))
        surely = sum(amount for at, amount in log if at > now - 3600)
        perhaps = sum(amount for at, amount in log if at > now - 3900)
        assert surely <= hour.total(now) <= perhaps


@pytest.mark.parametrize(
    ("usages", "sum_"),
    [
        ([], None),
        ([None], None),
        ([Usage(1, 2)], Usage(1, 2)),
        ([Usage(1, 2, 3, units={"a": 1}), Usage(4, None, 5, units={"a": 2})], Usage(5, 2, 8, units={"a": 3})),
        ([Usage(1, 2), None], Usage(1, 2, source=UsageSource.ESTIMATED)),
        ([Usage(1, 2), Usage(1, 2, source=UsageSource.ESTIMATED)], Usage(2, 4, source=UsageSource.ESTIMATED)),
        ([Usage(2**63 - 1, 2)] * 2, Usage(2**63 - 1, 4)),
    ],
)
def test_usages_add_up_as_far_as_they_are_known(usages: list[Usage | None], sum_: Usage | None) -> None:
    """One estimate among them makes an estimate of the sum, and so does one that nobody told."""
    assert added(usages) == sum_
