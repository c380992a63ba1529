"""The whole server before a loopback provider that replays recorded answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from quickthorn import AsyncClient
from tests.support.formats import SUPPORT
from tests.support.recorded import Case
from tests.support.served import served
from tests.support.upstream import Exchange, Upstream, upstream

KEY = "sk-replayed-and-not-to-be-told"

Cut = Callable[[Case, int], Iterable[bytes]]
"""The pieces of a case's body; the number counts the answers to that case."""


@asynccontextmanager
async def replaying(found: list[Case], cut: Cut) -> AsyncIterator[tuple[AsyncClient, Upstream]]:
    """Serve *found*, a route each (`r0`, `r1` ...), and yield a client of the server and the provider."""
    asked: Counter[int] = Counter()

    async def script(exchange: Exchange) -> None:
        place = int(exchange.path.split("/")[2])
        case = found[place]
        headers = {name: value for name, value in case.headers.items() if name.lower() != "content-type"}
        await exchange.head(case.status, case.header("content-type"), headers)
        for piece in cut(case, asked[place]):
            await exchange.chunk(piece)
            await asyncio.sleep(0)  # so that it is read by itself
        asked[place] += 1
        await exchange.finish()

    async with upstream(script) as server:
        config = "backends:\n" + "".join(_backend(case, place, server.port) for place, case in enumerate(found))
        config += "routes:\n" + "".join(
            f"  - {{name: r{place}, backends: [b{place}], retry: {{attempts: 1}},"
            f" upstream: {'stream' if case.streaming else 'whole'}}}\n"
            for place, case in enumerate(found)
        )
        async with served(config, {"KEY": KEY}) as address, AsyncClient(address) as client:
            yield client, server


def _backend(case: Case, place: int, port: int) -> str:
    """Return a backend that asks for this case and for nothing else, and that no failure keeps from being asked."""
    can = "[embeddings]" if case.expected["embeddings"] else "[text, vision, tools, reasoning]"
    keys = {
        "name": f"b{place}",
        "model": "m",
        "api_key_env": "KEY",
        "base_url": f"'http://127.0.0.1:{port}/case/{place}'",
        "capabilities": can,
        "timeouts": "{first_token: 60s, idle: 60s}",
        "breaker": "{slow_first_token: 60s, consecutive: 10000, min_calls: 1000000}",
        **SUPPORT[case.provider, case.api],
    }
    return f"  - {{{', '.join(f'{key}: {value}' for key, value in keys.items())}}}\n"
