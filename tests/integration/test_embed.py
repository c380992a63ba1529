"""Embed over real sockets: vectors in the order of the inputs, one space per route, failover inside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import grpc
import pytest

from quickthorn import AsyncClient, QuickthornError
from quickthorn.v1.embedding_pb2 import EmbeddingInput, EmbedRequest, TokenIds
from tests.support.served import served
from tests.support.upstream import Exchange, Script, replies, upstream


def config(**urls: str) -> str:
    rows = "".join(
        f"  - {{name: {name}, provider: openai, model: e1, base_url: '{url}', capabilities: [embeddings],"
        f" price: {{input: 0.02, output: 0}}, context_window: 100}}\n"
        for name, url in urls.items()
    )
    return f"backends:\n{rows}routes: [{{name: default, backends: [{', '.join(urls)}]}}]"


def embeds(shuffled: bool = False) -> Script:
    """Answer each input with a vector of its length and its place."""

    async def script(exchange: Exchange) -> None:
        inputs = exchange.json["input"]
        rows = [{"index": place, "embedding": [len(given), place, 0.5]} for place, given in enumerate(inputs)]
        body = {"data": rows[::-1] if shuffled else rows, "model": "e1-v2", "usage": {"prompt_tokens": 7}}
        await replies(200, json.dumps(body))(exchange)

    return script


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    """Whatever order the provider answers in; the space, usage and exact cost are told."""

    async def main() -> None:
        async with upstream(embeds(shuffled=True)) as up, served(config(a=up.base_url)) as address:
            async with AsyncClient(address) as client:
                answer = await client.embed(["x", "yy", "zzz"], dimensions=3)
            assert [list(each.values) for each in answer.embeddings] == [[1, 0, 0.5], [2, 1, 0.5], [3, 2, 0.5]]
            assert answer.embedding_space == "openai/e1/3"
            assert (answer.usage.input_tokens, answer.cost_nano_usd) == (7, 140)
            assert answer.trace.attempts[0].model == "e1-v2"
            exchange = up.exchanges[0]
            assert (exchange.path, exchange.json["dimensions"]) == ("/v1/embeddings", 3)

    run(main())


def test_token_ids_travel_as_numbers() -> None:
    """A batch of tokens reaches the provider as lists of numbers."""

    async def main() -> None:
        async with upstream(embeds()) as up, served(config(a=up.base_url)) as address:
            async with AsyncClient(address) as client:
                await client.embed(EmbedRequest(inputs=[EmbeddingInput(token_ids=TokenIds(ids=[5, 6]))]))
            assert up.exchanges[0].json["input"] == [[5, 6]]

    run(main())


@pytest.mark.parametrize("broken", [replies(500), replies(200, '{"data": []}'), replies(200, "<p>", "text/html")])
def test_a_failed_backend_is_replaced(broken: Script) -> None:
    """Failover works for vectors as for words: inside the route, so inside its space."""

    async def main() -> None:
        async with (
            upstream(broken) as bad,
            upstream(embeds()) as good,
            served(config(a=bad.base_url, b=good.base_url)) as address,
            AsyncClient(address) as client,
        ):
            answer = await client.embed(["x"])
            assert [attempt.backend for attempt in answer.trace.attempts] == ["a", "b"]
            assert answer.trace.served_by == 1

    run(main())


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (EmbedRequest(), "INVALID_REQUEST"),
        (EmbedRequest(inputs=[EmbeddingInput(text="")]), "INVALID_REQUEST"),
        (EmbedRequest(inputs=[EmbeddingInput()]), "INVALID_REQUEST"),
        (EmbedRequest(inputs=[EmbeddingInput(text="x")], dimensions=0), "INVALID_REQUEST"),
        (EmbedRequest(inputs=[EmbeddingInput(text="x" * 1000)]), "CONTEXT_TOO_LONG"),
        (EmbedRequest(inputs=[EmbeddingInput(text="x")], route="nowhere"), "UNKNOWN_ROUTE"),
    ],
)
def test_bad_input_is_named_and_nobody_is_asked(request_: EmbedRequest, reason: str) -> None:
    """The same reasons as for completions."""

    async def main() -> None:
        async with (
            upstream(embeds()) as up,
            served(config(a=up.base_url)) as address,
            AsyncClient(address) as client,
        ):
            with pytest.raises(QuickthornError) as caught:
                await client.embed(request_)
            assert caught.value.reason == reason
            assert up.exchanges == []

    run(main())


def test_words_and_vectors_keep_apart() -> None:
    """A backend that only embeds is not asked to complete, and one that only completes is not asked to embed."""

    async def main() -> None:
        words = """
            backends: [{name: a, provider: scripted, model: m, script: [{text: hi}]}]
            routes: [{name: default, backends: [a]}]
        """
        async with upstream(embeds()) as up, served(config(a=up.base_url)) as address, AsyncClient(address) as client:
            with pytest.raises(QuickthornError) as caught:
                await client.complete("hi")
            assert (caught.value.code, caught.value.reason) == (
                grpc.StatusCode.FAILED_PRECONDITION,
                "NO_ELIGIBLE_BACKEND",
            )
            assert (await client.list_routes()).routes[0].embedding_space == "openai/e1"
        async with served(words) as address, AsyncClient(address) as client:
            with pytest.raises(QuickthornError) as caught:
                await client.embed(["hi"])
            assert caught.value.reason == "NO_ELIGIBLE_BACKEND"

    run(main())
