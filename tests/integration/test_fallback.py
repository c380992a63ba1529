"""The README's primary, codes and backup over real sockets: who is asked, at which path, after which status."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from quickthorn.v1.completion_pb2 import Completion
from quickthorn.v1.routing_service_pb2_grpc import RoutingStub
from tests.support.served import ask, channel, served
from tests.support.upstream import Exchange, upstream

EXAMPLE = (Path(__file__).parents[2] / "examples" / "fallback.yaml").read_text()
PRIMARY, BACKUP = "/v1/chat/completions", "/backup/v1/chat/completions"


async def asked(*statuses: int, explain: bool = False) -> tuple[list[str], Any]:
    """Ask once while the primary answers with *statuses*, the last one from then on; return the paths asked."""
    left = list(statuses)

    async def script(exchange: Exchange) -> None:
        status = (left.pop(0) if len(left) > 1 else left[0]) if exchange.path == PRIMARY else 200
        await exchange.head(status, "application/json" if status != 200 else "text/event-stream")
        if status != 200:
            await exchange.chunk(b"{}")
        else:
            chunk = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": exchange.path}}]}
            await exchange.event(chunk)
            await exchange.event({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            await exchange.event("[DONE]")
        await exchange.finish()

    async with upstream(script) as server:
        url = server.base_url.removesuffix("/v1")
        config = EXAMPLE.replace("https://llm.example.com", url)
        async with served(config, {"OPENAI_API_KEY": "k"}) as address, channel(address) as opened:
            stub: Any = RoutingStub(opened)
            try:
                answer = await stub.Explain(ask()) if explain else await stub.Complete(ask())
            except grpc.aio.AioRpcError:
                answer = None
        return [exchange.path for exchange in server.exchanges], answer


@pytest.mark.parametrize(
    ("statuses", "paths"),
    [
        ((200,), [PRIMARY]),
        ((503,), [PRIMARY, BACKUP]),
        ((429,), [PRIMARY, BACKUP]),
        ((502,), [PRIMARY, PRIMARY, PRIMARY]),
        ((404,), [PRIMARY]),
        ((402,), [PRIMARY]),
        ((409, 200), [PRIMARY, PRIMARY]),
    ],
)
def test_the_readmes_fallback_does_what_it_says(statuses: tuple[int, ...], paths: list[str]) -> None:
    """The backup after its codes; a 502 is retried where it came from; 409 is asked again, 402 and 404 end it."""
    found, answer = asyncio.run(asked(*statuses))
    assert found == paths
    if isinstance(answer, Completion):
        assert answer.message.parts[0].text == paths[-1]
    assert (answer is None) is (statuses[-1] in {502, 404, 402})


def test_explain_shows_who_waits_and_what_statuses_mean() -> None:
    """Nothing is sent; the candidate and the notes say it."""
    found, answer = asyncio.run(asked(200, explain=True))
    assert found == []
    assert list(answer.order) == ["primary", "backup"]
    assert answer.candidates[1].detail == "asked only after 429, 500, 503, connect or timeout"
    assert "the route takes 402 as terminal, 409 as retry" in answer.notes
