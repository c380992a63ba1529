"""Cohere's answers, broken at random: a clean failure or an answer, and never anything else."""

from __future__ import annotations

import json
import random

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Opened
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError
from quickthorn_server.providers.cohere import CohereFormat
from tests.support.mutations import mutated

ROUNDS = 1_000
WIRE = CohereFormat(Backend("b", "cohere", "m", "m"))
OPENED = Opened(http_status=200)

_CITED = {"start": 0, "end": 2, "type": "TEXT_CONTENT", "content_index": 1, "sources": [{"document": {"title": "t"}}]}
_MESSAGE = {
    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "äö"}, {"type": "new"}],
    "tool_plan": "look",
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
    "citations": [_CITED],
}
_END = {"finish_reason": "TOOL_CALL", "usage": {"tokens": {"input_tokens": 9, "output_tokens": 2}, "cached_tokens": 4}}
_EVENTS = [
    *({"type": "content-delta", "index": 1, "delta": {"message": {"content": {"text": word}}}} for word in "äö"),
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"thinking": "hm"}}}},
    {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "look"}}},
    {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": _MESSAGE["tool_calls"][0]}}},
    {"type": "citation-start", "index": 0, "delta": {"message": {"citations": _CITED}}},
    {"type": "message-end", "delta": _END},
]
WHOLE = json.dumps({"message": _MESSAGE, **_END}, ensure_ascii=False).encode()
STREAM = b"".join(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode() for event in _EVENTS)
VECTORS = b'{"embeddings":{"float":[[0.25,1e-3],[1,2]]},"meta":{"billed_units":{"input_tokens":7}}}'


@pytest.mark.parametrize("seed", range(4))
def test_a_broken_answer_fails_cleanly(seed: int) -> None:
    """Whatever comes is an answer or a BackendError: whole, streamed, vectors and errors."""
    draw = random.Random(seed)
    for _ in range(ROUNDS):
        for attempt in (whole, streamed, embedded, refused):
            try:
                attempt(draw)
            except BackendError:
                continue


def whole(draw: random.Random) -> None:
    WIRE.whole(mutated(WHOLE, draw), OPENED)


def streamed(draw: random.Random) -> None:
    body, reading = mutated(STREAM, draw), WIRE.reading(OPENED)
    cut = draw.randrange(len(body) + 1)
    for piece in (body[:cut], body[cut:], b""):
        if not reading.done:
            reading.take(piece)
            reading.check()


def embedded(draw: random.Random) -> None:
    [batch] = WIRE.batches(EmbedPrompt(("a", "b")))
    WIRE.embedded(mutated(VECTORS, draw), batch)


def refused(draw: random.Random) -> None:
    raise WIRE.failure(draw.choice((200, 400, 429, 503)), lambda _: "", mutated(b'{"message":"no","id":"x"}', draw))
