"""Read many broken answers: `python -m tests.replay.fuzz`; prints one JSON object at the end."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

from quickthorn import AsyncClient, QuickthornError
from tests.support.formats import SUPPORT, supported
from tests.support.fuzzing import broken_pieces, read_broken
from tests.support.recorded import Case, cases
from tests.support.replaying import replaying

SEED = 20261120
AT_ONCE = 16


async def through_the_server(found: list[Case], calls: int, seed: int) -> Counter[str]:
    """Make *calls* calls whose answers are broken and return how many ended with which reason ("answered" = none).

    Raises AssertionError when a connection to the provider outlives its server, TimeoutError when a call does not end.
    """
    came_to: Counter[str] = Counter()
    places = iter(range(calls))

    async with replaying(found, lambda case, number: broken_pieces(case, number, seed)) as (client, server):

        async def caller() -> None:
            for number in places:
                case = found[number % len(found)]
                async with asyncio.timeout(60):
                    came_to[await _reason(client, case, f"r{number % len(found)}")] += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(caller())
    await server.until_closed()
    return came_to


async def _reason(client: AsyncClient, case: Case, route: str) -> str:
    try:
        if case.expected["embeddings"] is not None:
            await client.embed(["hi"] * case.expected["embeddings"]["count"], route=route)
        elif case.streaming:
            async with client.stream("hi", route=route) as stream:
                async for _ in stream:
                    pass
        else:
            await client.complete("hi", route=route)
    except QuickthornError as error:
        return error.reason
    return "answered"


def main(arguments: list[str]) -> int:
    """Read broken answers with every format, then through the server; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=100_000, help="broken answers for each format to read")
    parser.add_argument("--calls", type=int, default=2_000, help="calls through the server")
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args(arguments)
    found = [case for case in cases() if supported(case)]
    if not found:
        sys.stderr.write("the recorded traffic is not beside the project: nothing to break\n")
        return 2
    began = time.monotonic()
    formats = {provider: _parsed(provider, found, given.bodies, given.seed) for provider in _providers()}
    sys.stderr.write(f"{given.calls} calls through the server\n")
    calls = asyncio.run(through_the_server(found, given.calls, given.seed))
    result: dict[str, Any] = {
        "seed": given.seed,
        "bodies": given.bodies,
        "formats": formats,
        "calls": dict(calls.most_common()),
        "seconds": round(time.monotonic() - began, 1),
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 1 if calls["INTERNAL"] else 0


def _providers() -> list[str]:
    return sorted({keys["provider"] for keys in SUPPORT.values()})


def _parsed(provider: str, found: list[Case], bodies: int, seed: int) -> dict[str, int]:
    sys.stderr.write(f"{bodies} broken answers for {provider}\n")
    mine = [case for case in found if SUPPORT[case.provider, case.api]["provider"] == provider]
    return dict(read_broken(mine, bodies, seed).most_common())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
