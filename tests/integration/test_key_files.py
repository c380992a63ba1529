"""A key that is refused and then replaced in its file, through the whole server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from quickthorn.v1.routing_service_pb2_grpc import RoutingStub
from quickthorn_server import main
from tests.support.served import ask, channel, served
from tests.support.upstream import Exchange, replies, says, upstream

GOOD, BAD = "Bearer key-2", "Bearer key-1"


async def _locked(exchange: Exchange) -> None:
    """Answer whoever has the good key."""
    good = exchange.headers["authorization"] == GOOD
    await (says("hello") if good else replies(401, '{"error": {"code": "invalid_api_key"}}'))(exchange)


def test_a_key_that_is_replaced_in_its_file_is_used_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request with the bad key, none while it is refused, and the next one with the new key."""
    monkeypatch.setattr(main, "_KEYS", 0.01)
    key = tmp_path / "key"
    key.write_text("key-1\n")

    async def run() -> None:
        async with upstream(_locked) as server:
            config = f"""
            backends: [{{name: a, provider: openai, model: m, base_url: {server.base_url}, api_key_file: {key}}}]
            routes: [{{name: default, backends: [a]}}]
            """
            async with served(config) as address, channel(address) as opened:
                stub: Any = RoutingStub(opened)
                for _ in range(3):
                    with pytest.raises(grpc.aio.AioRpcError) as failed:
                        await stub.Complete(ask())
                    assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
                explained = await stub.Explain(ask())
                assert [candidate.reason for candidate in explained.candidates] == ["key_refused"]
                assert [each.headers["authorization"] for each in server.exchanges] == [BAD]
                key.write_text("key-2\n")
                async with asyncio.timeout(5):
                    while (await stub.Explain(ask())).candidates[0].reason:
                        pass  # a question over a socket each time: the server goes on
                answer = await stub.Complete(ask())
                assert answer.message.parts[0].text == "hello"
                assert [each.headers["authorization"] for each in server.exchanges] == [BAD, GOOD]

    asyncio.run(run())
