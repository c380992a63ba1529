"""Broken bodies of Google's: whatever comes, it ends in an answer or in a failure of ours."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Opened
from quickthorn_server.core.completion import Fold
from quickthorn_server.core.failures import BackendError
from quickthorn_server.providers.gemini import GeminiFormat
from quickthorn_server.providers.http_provider import Batch, Outgoing
from quickthorn_server.providers.vertex import VertexFormat
from tests.support.mutations import mutated

TIMES = 3_000
GEMINI, VERTEX = (make(Backend("b", "gemini", "gemini-3-pro", "m")) for make in (GeminiFormat, VertexFormat))
OPENED = Opened(http_status=200)

PARTS = [
    {"text": "thinking", "thought": True},
    {"text": "Grüße", "thoughtSignature": "c2ln"},
    {"functionCall": {"name": "f", "args": {"a": [1.0, {"b": "\n"}]}}, "thoughtSignature": "c2ln"},
    {"executableCode": {"code": "1"}},
    {"inlineData": {"mimeType": "image/png", "data": "AAEC"}},
    {"fileData": {"mimeType": "audio/wav", "fileUri": "gs://b/a"}},
]
SOURCES = {
    "citationMetadata": {"citationSources": [{"startIndex": 0, "endIndex": 3, "uri": "u"}]},
    "groundingMetadata": {
        "webSearchQueries": ["q"],
        "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
        "groundingSupports": [{"segment": {"endIndex": 2, "text": "Gr"}, "groundingChunkIndices": [0]}],
    },
}
WHOLE = {
    "candidates": [{"content": {"parts": PARTS}, "finishReason": "STOP", "index": 0, **SOURCES}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "thoughtsTokenCount": 3},
    "modelVersion": "m",
    "responseId": "r",
}
ERROR = {
    "error": {"code": 429, "status": "X", "details": [{"retryDelay": "3s", "violations": [{"quotaId": "PerDay"}]}]}
}
VECTORS = {"embeddings": [{"values": [0.5, 1]}], "predictions": [{"embeddings": {"values": [0.5]}}]}


def answers(body: bytes) -> None:
    fold = Fold()
    fold.add(GEMINI.whole(body, OPENED))
    assert fold.end is not None
    fold.parts()


def streams(body: bytes) -> None:
    reading, fold = VERTEX.reading(OPENED), Fold()
    for piece in filter(None, (body[: len(body) // 2], body[len(body) // 2 :])):
        fold.add(reading.take(piece))
        reading.check()
    fold.add(reading.take(b""))
    reading.check()
    assert fold.end is not None
    fold.parts()


def fails(body: bytes) -> None:
    raise GEMINI.failure(429, lambda _: "", body)


def embeds(body: bytes) -> None:
    batch = Batch(Outgoing("", {}, b""), 1)
    for wire in (GEMINI, VERTEX):
        assert len(wire.embedded(body, batch).vectors) == 1


def bodies() -> list[tuple[Callable[[bytes], None], bytes]]:
    """Return what is read, and how; `tests/replay` breaks what was recorded."""
    whole, error = json.dumps(WHOLE, indent=1).encode(), json.dumps(ERROR).encode()
    stream = b"data: " + json.dumps(WHOLE).encode() + b"\r\n\r\n"
    return [
        (answers, whole),
        (answers, b"[" + whole + b"," + whole + b"]"),
        (streams, stream + stream + error),
        (fails, error),
        (embeds, json.dumps(VECTORS).encode()),
    ]


def fuzzed(times: int, seed: int = 20261120) -> int:
    """Read *times* broken bodies; return how many were understood all the same.  Raises what no body may raise."""
    draw, understood, known = random.Random(seed), 0, bodies()
    for _ in range(times):
        read, body = draw.choice(known)
        try:
            read(mutated(body, draw))
        except BackendError:
            continue
        understood += 1
    return understood


def test_broken_bodies_end_in_an_answer_or_in_a_failure_of_ours() -> None:
    """No KeyError, no crash, no answer without an end; and the mutator leaves something to understand."""
    assert 0 < fuzzed(TIMES) < TIMES
