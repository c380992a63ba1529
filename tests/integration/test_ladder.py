"""The README's ladder over real sockets, rung by rung, down to the webhook that tells a human."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from quickthorn import fold
from quickthorn.v1.completion_pb2 import FINISH_REASON_OTHER
from quickthorn.v1.routing_service_pb2_grpc import RoutingStub
from tests.support.served import ask, backends, channel, served
from tests.support.upstream import Exchange, Upstream, upstream

EXAMPLE = (Path(__file__).parents[2] / "examples" / "ladder.yaml").read_text()
SORRY = "We cannot answer right now. Please try again in a minute."
ENV = {"OPENAI_API_KEY": "k", "OPS_KEY": "ops-key"}


@dataclass
class Estate:
    """A served ladder: which models are up, what the webhook hears and does, and how to ask."""

    stub: Any
    up: set[str]
    hook: Upstream


def _model(up: set[str], name: str) -> Callable[[Exchange], Awaitable[None]]:
    async def script(exchange: Exchange) -> None:
        model = exchange.json["model"]
        if f"{name}/{model}" not in up:
            await exchange.head(503, "application/json")
            await exchange.chunk(b"{}")
        else:
            await exchange.head()
            chunk = {"id": "1", "model": model, "choices": [{"index": 0, "delta": {"content": f"{name}/{model}"}}]}
            await exchange.event(chunk)
            await exchange.event({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            await exchange.event("[DONE]")
        await exchange.finish()

    return script


@asynccontextmanager
async def estate(*up: str, hook: Callable[[Exchange], Awaitable[None]] | None = None) -> AsyncIterator[Estate]:
    models = set(up)

    async def takes(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with (
        upstream(_model(models, "one")) as one,
        upstream(_model(models, "two")) as two,
        upstream(hook or takes) as ops,
    ):
        urls = {"one.example.com/v1": one, "two.example.com/v1": two, "ops.example.com": ops}
        config = EXAMPLE
        for place, server in urls.items():
            config = config.replace(f"https://{place}", server.base_url.removesuffix("" if "/v1" in place else "/v1"))
        async with served(config, ENV) as address, channel(address) as opened:
            yield Estate(RoutingStub(opened), models, ops)


@pytest.mark.parametrize(
    ("up", "text", "rung"),
    [
        (("one/large", "two/large", "two/small"), "one/large", ""),
        (("two/large", "two/small"), "two/large", "same_model"),
        (("two/small",), "two/small", "lower_tier"),
        ((), SORRY, "canned"),
    ],
)
def test_the_readmes_ladder_rung_by_rung(up: tuple[str, ...], text: str, rung: str) -> None:
    """Unary and streamed alike; the trace says which rung, and only the canned text is told to a human."""

    async def main() -> None:
        async with estate(*up) as house:
            answer = await house.stub.Complete(ask())
            events = [event async for event in house.stub.StreamComplete(ask())]
            folded = fold(events)
            for found in (answer, folded):
                assert found.message.parts[0].text == text
                assert found.trace.rung == rung
                assert bool(found.trace.degraded) is bool(rung)
                assert bool(found.trace.escalation) is (rung == "canned")
                assert found.trace.HasField("served_by") is (rung != "canned")
            kinds = [event.WhichOneof("event") for event in events]
            if rung == "canned":
                assert answer.finish_reason == FINISH_REASON_OTHER
                assert (kinds, events[0].started.backend) == (["started", "text", "escalated", "finished"], "")
                assert events[2].escalated.id == folded.trace.escalation
                assert events[2].escalated.reason == "ALL_FAILED"
                await _heard(house.hook, 2)
                told = {exchange.json["escalation"] for exchange in house.hook.exchanges}
                assert told == {answer.trace.escalation, folded.trace.escalation}
                assert house.hook.exchanges[0].headers["authorization"] == "Bearer ops-key"
                assert house.hook.exchanges[0].path == "/quickthorn"
            else:
                assert "escalated" not in kinds
                assert not house.hook.exchanges

    asyncio.run(main())


async def _heard(hook: Upstream, number: int) -> None:
    async with asyncio.timeout(5):
        while len(hook.exchanges) < number:  # noqa: ASYNC110 - the upstream has no event for it
            await asyncio.sleep(0.01)


def test_a_call_for_json_gets_a_status_and_a_human_hears_of_it() -> None:
    """The canned rung is skipped; the failure names the escalation."""

    async def main() -> None:
        async with estate() as house:
            request = ask()
            request.provider_options_json["openai"] = '{"response_format": {"type": "json_object"}}'
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await house.stub.Complete(request)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            await _heard(house.hook, 1)
            said = house.hook.exchanges[0].json
            assert (said["reason"], said["rung"]) == ("ALL_FAILED", "")
            details = dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
            assert said["escalation"].encode() in details

    asyncio.run(main())


def test_a_webhook_that_hangs_or_is_down_is_not_felt() -> None:
    """Calls are answered at their own pace while it holds its connection for ever."""

    async def hangs(_: Exchange) -> None:
        await asyncio.sleep(3600)

    async def main() -> None:
        async with estate(hook=hangs) as house:
            answers = await asyncio.gather(*(house.stub.Complete(ask()) for _ in range(20)))
            assert {answer.trace.rung for answer in answers} == {"canned"}
            await _heard(house.hook, 1)
            began = time.monotonic()
            assert (await house.stub.Complete(ask())).trace.rung == "canned"
            assert time.monotonic() - began < 5  # less than the webhook is waited for

    asyncio.run(main())


def test_a_key_refused_is_stood_in_for_every_time() -> None:
    """By the call that finds out, and by those after it, which ask nobody."""

    async def refuses(exchange: Exchange) -> None:
        await exchange.head(401, "application/json")
        await exchange.chunk(b"{}")
        await exchange.finish()

    async def main() -> None:
        async with upstream(refuses) as server:
            route = "routes: [{name: default, backends: [only], degrade: {canned: Sorry.}}]"
            config = f"{backends(only=server.base_url)[:-1]}, api_key_env: OPS_KEY}}\n{route}"
            async with served(config, ENV) as address, channel(address) as opened:
                stub: Any = RoutingStub(opened)
                answers = [await stub.Complete(ask()) for _ in range(3)]
        assert [len(answer.trace.attempts) for answer in answers] == [1, 0, 0]
        assert {answer.message.parts[0].text for answer in answers} == {"Sorry."}

    asyncio.run(main())


def test_explain_lists_the_rungs() -> None:
    """Highest first; and that a human is told."""

    async def main() -> None:
        async with estate() as house:
            found = await house.stub.Explain(ask())
            assert list(found.ladder) == ["same_model", "lower_tier", "canned"]
            assert "a human is told where nobody can answer" in found.notes

    asyncio.run(main())
