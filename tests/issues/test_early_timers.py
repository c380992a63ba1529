"""uvloop rounds timers to the nearest millisecond, so one may fire before its instant; nothing armed it again."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from quickthorn_server.core.chunk import TextDelta
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from tests.support.stage import PROMPT, Player, Score, Stage

SILENT: Score = [(9.0, [TextDelta(0, "too late")])]
CUT: Score = [(0.0, [TextDelta(0, "half")]), *SILENT]


@pytest.mark.parametrize("score", [SILENT, CUT], ids=["before the first word", "between two words"])
def test_a_deadline_is_heard_wherever_it_falls_between_two_milliseconds(score: Score) -> None:
    """Two calls in five waited on for words that never came, and were cut without a reason by gRPC's own deadline."""

    async def ended(deadline: float) -> Reason:
        stage = Stage({"a": Player(score)})
        async with asyncio.timeout(1.0):
            with pytest.raises(CallError) as caught:
                await stage.executor.complete(stage.plan(attempts=1), PROMPT, stage.call(deadline))
        return caught.value.reason

    async def main() -> list[Reason]:
        return await asyncio.gather(*(ended(0.020 + place * 0.0001) for place in range(20)))

    assert uvloop.run(main()) == [Reason.DEADLINE] * 20
