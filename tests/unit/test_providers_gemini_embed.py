"""Embeddings of the Gemini API and of Vertex AI."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import Media, MediaKind
from quickthorn_server.core.embedding import EmbedPrompt, InputType, TokenIds, Vector
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.gemini import GeminiFormat
from quickthorn_server.providers.http_provider import Batch, Outgoing
from quickthorn_server.providers.vertex import VertexFormat

PICTURE = Media(MediaKind.IMAGE, data=b"\x00", media_type="image/png")
TWO = {"embeddings": [{"values": [1]}] * 2, "predictions": [{"embeddings": {"values": [1]}}] * 2}
SHOWN = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}


def wire(provider: str, model: str, **more: Any) -> GeminiFormat | VertexFormat:
    backend = Backend("b", provider, model, model, options={"project": "p", "location": "l"}, **more)
    return GeminiFormat(backend) if provider == "gemini" else VertexFormat(backend)


def batches(provider: str, model: str, prompt: EmbedPrompt, **more: Any) -> list[tuple[str, Any, int]]:
    found = wire(provider, model, **more).batches(prompt)
    return [(batch.outgoing.url.rpartition(":")[2], json.loads(batch.outgoing.body), batch.count) for batch in found]


def vectors(provider: str, body: Any, count: int) -> tuple[tuple[Vector, ...], Usage | None]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    embedded = wire(provider, "m").embedded(data, Batch(Outgoing("", {}, b""), count))
    return embedded.vectors, embedded.usage


def test_gemini_embeds_a_hundred_contents_at_a_time() -> None:
    """Each with its own settings: the backend's, the prompt's, the caller's, in this order."""
    prompt = EmbedPrompt(
        (PICTURE, *(str(n) for n in range(200))), InputType.QUERY, 64, {"gemini": '{"taskType":"FACT_VERIFICATION"}'}
    )
    found = batches("gemini", "gemini-embedding-2", prompt, params={"title": "t", "outputDimensionality": 9})
    assert [(method, count) for method, _, count in found] == [
        ("batchEmbedContents", 100),
        ("batchEmbedContents", 100),
        ("batchEmbedContents", 1),
    ]
    requests = [request for _, body, _ in found for request in body["requests"]]
    assert [request["content"]["parts"][0] for request in requests] == [SHOWN, *({"text": str(n)} for n in range(200))]
    assert {key: value for key, value in requests[-1].items() if key != "content"} == {
        "model": "models/gemini-embedding-2",
        "title": "t",
        "outputDimensionality": 64,
        "taskType": "FACT_VERIFICATION",
    }


def test_vertex_predicts_texts_as_many_as_a_request_holds() -> None:
    """250 texts, and no more bytes than 20,000 tokens have; the first Gemini model takes one at a time."""
    prompt = EmbedPrompt(("a",) * 251, InputType.SIMILARITY, 64)
    found = batches("vertex", "text-embedding-005", prompt, params={"autoTruncate": False})
    assert [(method, count) for method, _, count in found] == [("predict", 250), ("predict", 1)]
    assert found[1][1] == {
        "instances": [{"content": "a", "task_type": "SEMANTIC_SIMILARITY"}],
        "parameters": {"autoTruncate": False, "outputDimensionality": 64},
    }
    long = EmbedPrompt(("ü" * 15_000, "b" * 15_000, "c", "d" * 50_000))
    assert [count for _, _, count in batches("vertex", "text-embedding-005", long)] == [1, 2, 1]
    assert [count for _, _, count in batches("vertex", "gemini-embedding-001", EmbedPrompt(("a", "b")))] == [1, 1]


def test_vertex_embeds_contents_one_by_one() -> None:
    """The models that look at pictures have no batches there."""
    found = batches("vertex", "gemini-embedding-2", EmbedPrompt(("a", PICTURE), InputType.DOCUMENT))
    assert found == [
        ("embedContent", {"content": {"parts": [part]}, "taskType": "RETRIEVAL_DOCUMENT"}, 1)
        for part in ({"text": "a"}, SHOWN)
    ]


@pytest.mark.parametrize(
    ("provider", "model", "given"),
    [
        ("gemini", "gemini-embedding-001", TokenIds((1,))),
        ("vertex", "gemini-embedding-2", TokenIds((1,))),
        ("vertex", "text-embedding-005", PICTURE),
    ],
)
def test_what_cannot_be_embedded_is_refused(provider: str, model: str, given: Any) -> None:
    """Another backend of the same space may do it."""
    with pytest.raises(BackendError) as caught:
        wire(provider, model).batches(EmbedPrompt((given,)))
    assert caught.value.failure is Failure.UNSUPPORTED


def test_vectors_come_with_what_they_used_and_what_was_cut_off() -> None:
    """Tokens are told only where all of them are known."""
    stated = {"values": [1, 0.5], "statistics": {"truncated": True, "token_count": 3}}
    silent = {"values": [2.0, 0]}
    two = (Vector([1.0, 0.5], truncated=True), Vector([2.0, 0.0]))
    assert vectors("gemini", {"embeddings": [silent], "usageMetadata": {"promptTokenCount": 4}}, 1) == (
        two[1:],
        Usage(input_tokens=4, output_tokens=0),
    )
    assert vectors("vertex", {"predictions": [{"embeddings": stated}] * 2}, 2)[1] == Usage(6, 0)
    assert vectors("vertex", {"predictions": [{"embeddings": stated}, {"embeddings": silent}]}, 2) == (two, None)
    assert vectors("vertex", {"embedding": silent, "truncated": True}, 1) == (
        (Vector([2.0, 0.0], truncated=True),),
        None,
    )


@pytest.mark.parametrize("provider", ["gemini", "vertex"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        {"embeddings": [], "predictions": []},
        {"embeddings": [{"values": []}], "embedding": 3},
        TWO,
        b"null",
    ],
)
def test_anything_but_a_vector_for_each_input_is_a_fault(provider: str, body: Any) -> None:
    """Never a KeyError."""
    with pytest.raises(BackendError) as caught:
        vectors(provider, body, 1)
    assert caught.value.failure is Failure.PROTOCOL
