"""Bedrock over a real socket: what arrives is signed as it arrives, and answers come out of frames."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Chunk, End, FinishReason, TextDelta, UsageReport, Vectors
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import AnyPrompt, Ask
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.registry import Providers
from tests.support.frames import converse, event
from tests.support.sigv4 import signature_of
from tests.support.upstream import Exchange, Script, upstream

HI = Prompt((Message(Role.USER, (Part(Text("hi")),)),))
ANSWER = converse(
    event("contentBlockDelta", contentBlockIndex=0, delta={"text": "Hel"}),
    event("contentBlockDelta", contentBlockIndex=0, delta={"text": "lo"}),
    usage={"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give the default chain one key, and nothing else to find."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    found = {"ACCESS_KEY_ID": "AKID", "SECRET_ACCESS_KEY": "secret", "SESSION_TOKEN": "token", "REGION": "eu-west-1"}
    for name, value in found.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


async def asked(
    script: Script, model: str, prompt: AnyPrompt, *, whole: bool = False
) -> tuple[list[Chunk], list[Exchange]]:
    """Ask once and return what came back, and what had arrived."""
    async with upstream(script) as server, HttpClient() as http:
        backend = Backend("b", "bedrock", model, "m", base_url=f"http://127.0.0.1:{server.port}")
        async with Providers([backend], http) as providers:
            bursts = [burst async for burst in providers["b"].stream(Ask(prompt, "request-1", 2.0, whole))]
        return [chunk for burst in bursts for chunk in burst], server.exchanges


async def streams(exchange: Exchange) -> None:
    await exchange.head(content_type="application/vnd.amazon.eventstream")
    for start in range(0, len(ANSWER), 7):
        await exchange.chunk(ANSWER[start : start + 7])
    await exchange.finish()


async def embeds(exchange: Exchange) -> None:
    text = exchange.json["inputText"]
    await exchange.head(content_type="application/json")
    await exchange.chunk(json.dumps({"embedding": [float(text)], "inputTextTokenCount": 2}).encode())
    await exchange.finish()


@pytest.mark.parametrize(
    "model",
    [
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123",
        "odd $&+,;=@~ é%2F model",
    ],
)
def test_a_request_is_signed_as_it_arrives(model: str) -> None:
    """Whatever the client library makes of the address, the signature is that of the path on the wire."""
    chunks, [exchange] = asyncio.run(asked(streams, model, HI))
    authorization = exchange.headers["authorization"]
    assert authorization.endswith(signature_of(exchange.path, exchange.headers, exchange.body, "secret"))
    assert "/eu-west-1/bedrock/aws4_request" in authorization
    assert exchange.headers["x-amz-security-token"] == "token"
    assert exchange.headers["x-client-request-id"] == "request-1"
    assert exchange.path.count("/") == 3
    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta)) == "Hello"
    assert chunks[-2:] == [UsageReport(Usage(3, 2)), End(FinishReason.STOP)]


def test_vectors_come_in_the_order_of_their_inputs() -> None:
    """A request each, one after the other, and all of what they used."""
    chunks, exchanges = asyncio.run(asked(embeds, "amazon.titan-embed-text-v2:0", EmbedPrompt(("3", "1", "2"))))
    [vectors] = [chunk.vectors for chunk in chunks if isinstance(chunk, Vectors)]
    assert [list(vector.values) for vector in vectors] == [[3.0], [1.0], [2.0]]
    assert len(exchanges) == 3
    assert UsageReport(Usage(6, 0)) in chunks


def test_without_credentials_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt fails with a word for it, and no connection is made."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    arrived: list[Exchange] = []

    async def script(exchange: Exchange) -> None:
        arrived.append(exchange)

    with pytest.raises(BackendError) as error:
        asyncio.run(asked(script, "m", HI))
    assert error.value.failure is Failure.UNAUTHENTICATED
    assert not arrived
