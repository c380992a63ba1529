"""A whole server that learns when to hedge, over real sockets: what callers, records and explanations say of it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from quickthorn.v1.completion_pb2 import Completion
from quickthorn.v1.directives_pb2 import PRIORITY_BULK, Directives
from quickthorn.v1.explanation_pb2 import Explanation
from quickthorn.v1.routing_service_pb2_grpc import RoutingStub
from quickthorn.v1.trace_pb2 import LANE_CAUSE_SILENCE
from quickthorn_server.config import parse
from quickthorn_server.edge.wire_replay import replayed
from tests.support.served import ask, channel, served

CALLS, AT_ONCE, BURST = 800, 20, 20


def replies(seed: int) -> str:
    """Return as many replies of about 10 ms, one of 25 of which stalls for two seconds."""
    dice = random.Random(seed)
    waits = [2000 if dice.random() < 0.04 else int(dice.lognormvariate(2.3, 0.3)) for _ in range(CALLS)]
    said = "{{steps: [{{text: hi, after: {}ms}}, {{usage: {{input: 100, output: 20}}}}]}}"
    return ", ".join(said.format(wait) for wait in waits)


def config(file: Path) -> str:
    """Return a route of two priced backends that hedges within 10 %."""
    price = "price: {input: 1, output: 2}, cancelled: so_far"
    return f"""
records: {{file: '{file}'}}
backends:
  - {{name: one, provider: scripted, {price}, script: [{replies(1)}]}}
  - {{name: two, provider: scripted, {price}, script: [{replies(2)}]}}
routes:
  - name: default
    backends: [one, two]
    hedge: {{delay: auto, target: p99, max_extra_cost: {{request: 0.01, hour: 2.00}}}}
    budget: {{hedges: 10%, burst: {BURST}}}
"""


async def called(text: str) -> tuple[list[Completion], Completion, Completion, Explanation]:
    """Return all answers, a bulk call's, one that may cost nothing more, and the explanation at the end."""
    async with served(text) as address, channel(address) as opened:
        stub: Any = RoutingStub(opened)
        room = asyncio.Semaphore(AT_ONCE)

        async def one() -> Completion:
            async with room:
                answer: Completion = await stub.Complete(ask())
                return answer

        answers = await asyncio.gather(*(one() for _ in range(CALLS)))
        bulk, free = ask(), ask()
        bulk.directives.CopyFrom(Directives(priority=PRIORITY_BULK))
        free.directives.CopyFrom(Directives(max_extra_cost_nano_usd=0))
        return answers, await stub.Complete(bulk), await stub.Complete(free), await stub.Explain(ask())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hedging") / "d.jsonl"


def test_a_server_learns_to_hedge_and_says_so(file: Path) -> None:
    """Stalls are overtaken within the budget; cost, basis and reasons are told; each record is planned alike again."""
    text = config(file)
    answers, bulk, free, explained = asyncio.run(called(text))
    hedged = [each for each in answers if any(lane.cause == LANE_CAUSE_SILENCE for lane in each.trace.attempts)]
    assert 5 <= len(hedged) <= 0.1 * CALLS + BURST
    rescued = [each for each in hedged if each.trace.attempts[each.trace.served_by].cause == LANE_CAUSE_SILENCE]
    assert rescued
    for each in hedged:
        loser = next(lane for place, lane in enumerate(each.trace.attempts) if place != each.trace.served_by)
        assert each.cost_nano_usd == 140_000
        assert each.trace.extra_cost_nano_usd == loser.cost_nano_usd > 0
        assert each.trace.extra_usage == loser.usage
        assert each.trace.hedge_basis.startswith("auto p99: ")
        assert each.trace.hedge_delay.ToTimedelta().total_seconds() < 2.0
    assert bulk.trace.no_hedge == "bulk calls do not hedge"
    assert "USD more, and the limit is 0" in free.trace.no_hedge
    assert (explained.hedge.target, list(explained.hedge.to)) == ("p99", ["two"])
    assert explained.hedge.learned_from > 500
    assert any("USD in the running hour" in note for note in explained.notes)
    catalogue = parse(f"server: {{}}\n{text}", "test.yaml", {})
    lines = file.read_bytes().splitlines()
    assert len(lines) == CALLS + 2
    for found in (replayed(line, catalogue) for line in lines):
        assert (found.now, found.assumed) == (found.then, ())
