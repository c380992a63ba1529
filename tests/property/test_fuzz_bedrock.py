"""Bedrock's answers, broken at random: a clean failure or an answer, and never anything else."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Opened
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError
from quickthorn_server.providers.bedrock import BedrockFormat
from tests.support.frames import converse, event, exception, framed
from tests.support.mutations import mutated

ROUNDS = 800
WIRE = BedrockFormat(Backend("b", "bedrock", "amazon.titan-embed-text-v2:0", "m", options={"aws_region": "us-east-1"}))
OPENED = Opened(http_status=200)

_CITATION = {"title": "T", "sourceContent": [{"text": "q"}], "location": {"web": {"url": "https://x"}}}
_BLOCKS: list[dict[str, Any]] = [
    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
    {"reasoningContent": {"redactedContent": "AP8="}},
    {"citationsContent": {"content": [{"text": "äö"}], "citations": [_CITATION]}},
    {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1.5}}},
    {"image": {"format": "png", "source": {"bytes": "cG5n"}}},
    {"unknown": {"a": 1}},
]
_USAGE = {"inputTokens": 9, "outputTokens": 2, "totalTokens": 15, "cacheReadInputTokens": 4}
WHOLE = json.dumps(
    {"output": {"message": {"content": _BLOCKS}}, "stopReason": "tool_use", "usage": _USAGE}, ensure_ascii=False
).encode()
_EVENTS: list[dict[str, Any]] = [
    {"delta": {"reasoningContent": {"text": "hm"}}},
    {"delta": {"reasoningContent": {"signature": "sig"}}},
    {"delta": {"text": "äö"}},
    {"delta": {"citation": _CITATION}},
    {"start": {"toolUse": {"toolUseId": "c", "name": "f"}}},
    {"delta": {"toolUse": {"input": '{"a":1}'}}},
    {"start": {"toolResult": {"toolUseId": "s", "type": "x"}}},
    {"delta": {"toolResult": [{"text": "t"}]}},
    {"start": {"image": {"format": "png"}}},
    {"delta": {"image": {"source": {"bytes": "cG5n"}}}},
]


def payloads(draw: random.Random) -> bytes:
    """Return a stream whose frames are whole and whose payloads are broken: what checksums let through."""
    frames = []
    for place, said in enumerate(_EVENTS):
        name = "contentBlockStart" if "start" in said else "contentBlockDelta"
        payload = json.dumps({"contentBlockIndex": place // 2, **said}).encode()
        frames.append(framed({":event-type": name}, mutated(payload, draw) if draw.random() < 0.3 else payload))
    return converse(*frames, event("contentBlockStop", contentBlockIndex=3), usage=_USAGE)


@pytest.mark.parametrize("seed", range(4))
def test_a_broken_answer_fails_cleanly(seed: int) -> None:
    """Whatever comes is an answer or a BackendError: whole, streamed, vectors and errors."""
    draw = random.Random(seed)
    for _ in range(ROUNDS):
        for attempt in (whole, frames, events, embedded, refused):
            try:
                attempt(draw)
            except BackendError:
                continue


def whole(draw: random.Random) -> None:
    WIRE.whole(mutated(WHOLE, draw), OPENED)


def frames(draw: random.Random) -> None:
    read(mutated(payloads(random.Random(0)) + exception("throttlingException", "no"), draw), draw)


def events(draw: random.Random) -> None:
    read(payloads(draw), draw)


def read(body: bytes, draw: random.Random) -> None:
    reading = WIRE.reading(OPENED)
    cut = draw.randrange(len(body) + 1)
    for piece in (body[:cut], body[cut:], b""):
        if not reading.done:
            reading.take(piece)
            reading.check()
    assert reading.done


def embedded(draw: random.Random) -> None:
    [batch] = WIRE.batches(EmbedPrompt(("a",)))
    WIRE.embedded(mutated(b'{"embedding":[0.25,1e-3],"inputTextTokenCount":7}', draw), batch)


def refused(draw: random.Random) -> None:
    header = mutated(b"ThrottlingException:http://x", draw).decode(errors="replace")
    raise WIRE.failure(draw.choice((200, 400, 429, 503)), lambda _: header, mutated(b'{"message":"no"}', draw))
