"""Every planned call has exactly one record, and what records cost is what responses said, to the nano-USD."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from quickthorn.v1.record_pb2 import DecisionRecord
from quickthorn_server.core.attempt import Outcome
from quickthorn_server.core.call import Call, Rpc
from quickthorn_server.core.catalogue import Backend, BreakerRule, OnBreak, RetryRule
from quickthorn_server.core.chunk import End, FinishReason, TextDelta, UsageReport, Vectors
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.embedding import EmbedPrompt, Vector
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.plan import Hedging, Plan, Verdict
from quickthorn_server.core.usage import Price, Usage, cost_nano_usd
from quickthorn_server.edge import wire_answer, wire_embed, wire_record
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.carried import Estate
from quickthorn_server.execution.events import Finished
from quickthorn_server.execution.executor import Executor
from quickthorn_server.execution.latency import Latency
from quickthorn_server.execution.limits import Limiters
from quickthorn_server.execution.purses import Purses
from quickthorn_server.execution.reaper import Reaper
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import PROMPT, Step, Told
from tests.support.decisions import NEEDS, PLAN
from tests.support.virtual import run_virtual

NAMES = ("a", "b", "c")
SICK = [Failure.OVERLOADED, Failure.LOST, Failure.RATE_LIMITED, Failure.INVALID, Failure.TIMEOUT]
EMBED = EmbedPrompt(("hi",))


def reply(dice: random.Random, rpc: Rpc) -> list[Step]:
    """Return what a backend does: answer, fail at once, fail inside, with and without telling its usage."""
    wait = dice.choice([0.0, 0.01, 0.2, 0.6, 3.0])
    steps: list[Step] = []
    if dice.random() < 0.2:
        return [(wait, BackendError(dice.choice(SICK)))]
    said = Vectors((Vector((1.0,)),)) if rpc is Rpc.EMBED else TextDelta(0, "word ")
    steps.append((wait, said))
    if dice.random() < 0.8:
        steps.append((0.0, UsageReport(Usage(dice.randrange(10**6), dice.randrange(10**6)))))
    if dice.random() < 0.25:
        return [*steps, (0.1, BackendError(dice.choice(SICK)))]
    return [*steps, (0.1, End(FinishReason.STOP))]


def priced(name: str, dice: random.Random) -> Backend:
    price = Price(Decimal(dice.randrange(10**9)) / 10**9, Decimal(dice.randrange(10**11)) / 10**9)
    rule = BreakerRule(consecutive=dice.choice([2, 1000]))
    return Backend(name, "scripted", "m", "m", price=price if dice.random() < 0.9 else None, breaker=rule)


def estate(dice: random.Random, told: Told, backends: list[Backend], rpc: Rpc) -> Estate:
    scripts = {each.name: Scripted(*(reply(dice, rpc) for _ in range(3))) for each in backends}
    clock = asyncio.get_running_loop().time
    breakers = Breakers(backends, clock, told.circuit_changed)
    limiters = Limiters(backends, clock)
    return Estate(scripts, breakers, limiters, Purses([PLAN.route]), Latency([]), told, Reaper(), dice)


def planned(backends: list[Backend], delay: float | None) -> Plan:
    hedging = None if delay is None else Hedging(delay, 2)
    return replace(PLAN, order=tuple(backends), verdicts=tuple(map(Verdict, backends)), hedging=hedging, panic=())


async def answered(executor: Executor, plan: Plan, call: Call, leaves_after: float) -> tuple[int | None, bool]:
    """Return what the response to *call* said it cost, None = nothing, and whether there was one."""
    try:
        async with asyncio.timeout(leaves_after):
            if call.rpc is Rpc.COMPLETE:
                whole = wire_answer.completion(await executor.complete(plan, PROMPT, call), call)
                return (whole.cost_nano_usd if whole.HasField("cost_nano_usd") else None), True
            if call.rpc is Rpc.EMBED:
                vectors = wire_embed.response(await executor.embed(plan, EMBED, call), call)
                return (vectors.cost_nano_usd if vectors.HasField("cost_nano_usd") else None), True
            async with aclosing(executor.stream(plan, PROMPT, call)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        end = wire_answer.finished(event).finished
                        return (end.cost_nano_usd if end.HasField("cost_nano_usd") else None), True
    except CallError as error:
        failure = wire_answer.failure(error, call.request_id)
        return (failure.cost_nano_usd if failure.HasField("cost_nano_usd") else None), True
    except TimeoutError:
        pass
    return None, False


def _read(decision: Decision) -> DecisionRecord:
    return json_format.Parse(wire_record.line(decision), DecisionRecord())


async def _played(seed: int) -> None:
    dice = random.Random(seed)
    told, costs = Told(), []
    for number in range(dice.randrange(1, 12)):
        rpc = dice.choice(list(Rpc))
        backends = [priced(name, dice) for name in NAMES[: dice.randrange(1, 4)]]
        here = estate(dice, told, backends, rpc)
        delay = dice.choice([None, 0.0, 0.15])
        plan = replace(
            planned(backends, delay),
            retry=RetryRule(dice.randrange(1, 5)),
            whole=rpc is Rpc.EMBED or dice.random() < 0.3,
            failover=dice.random() < 0.9,
            max_first_token=dice.choice([None, None, 0.1, 1.0]),
            on_break=dice.choice(list(OnBreak)),
            outline=NEEDS._replace(provider_tools=False),
        )
        now = asyncio.get_running_loop().time()
        call = Call(str(number), "r", now, dice.choice([None, None, now + 0.5]), rpc)
        leaves_after = dice.choice([1000.0, 1000.0, 1000.0, 0.05, 0.25])
        costs.append(await answered(Executor(here), plan, call, leaves_after))
        await here.reaper.idle(100)
    records = [_read(decision) for decision in told.decisions]
    assert [record.id for record in records] == [str(number) for number in range(len(costs))]
    for record, (cost, responded) in zip(records, costs, strict=True):
        assert (record.outcome == "cancelled") is not responded
        assert (record.cost_nano_usd if record.HasField("cost_nano_usd") else None) == cost
    assert sum(record.cost_nano_usd for record in records) == sum(cost or 0 for cost, _ in costs)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_records_add_up_to_responses(seed: int) -> None:
    """Whatever happens to a call, it has one record, and its cost is what the response said, or absent as there.

    Complete, StreamComplete and Embed, with hedges, failovers, breaks, deadlines and callers who leave.
    """
    run_virtual(_played(seed))


def test_the_sum_is_about_something() -> None:
    """Among the random calls are hedges, failovers, broken streams, failures with a cost and answers with one."""
    told = Told()

    async def main() -> None:
        for seed in range(200):
            dice = random.Random(seed)
            rpc = dice.choice(list(Rpc))
            backends = [priced(name, dice) for name in NAMES]
            here = estate(dice, told, backends, rpc)
            plan = planned(backends, 0.15)
            now = asyncio.get_running_loop().time()
            await answered(Executor(here), plan, Call("1", "r", now, now + 1, rpc), 1000)
            await here.reaper.idle(100)

    run_virtual(main())
    outcomes = {attempt.outcome for decision in told.decisions for attempt in decision.trace.attempts}
    assert outcomes >= {Outcome.WON, Outcome.LOST, Outcome.FAILED, Outcome.BROKE}
    assert {decision.call.rpc for decision in told.decisions} == set(Rpc)
    paid = [decision.ended == "answered" for decision in told.decisions if decision.cost_nano_usd]
    assert set(paid) == {True, False}
    for decision in told.decisions:
        for attempt in decision.trace.attempts:
            price = next(each.price for each in decision.plan.order if each.name == attempt.backend)
            assert attempt.cost_nano_usd == cost_nano_usd(attempt.usage, price)
