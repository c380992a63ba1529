"""Embeddings as OpenAI words them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.embedding import EmbedPrompt, TokenIds
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.openai import OpenAiFormat


def bodies(provider: str, prompt: EmbedPrompt, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    backend = Backend("b", provider, "m", "m", base_url="https://x/v1", params=params or {})
    found = OpenAiFormat(backend).batches(prompt)
    read = [json.loads(batch.outgoing.body) for batch in found]
    assert [len(body["input"]) for body in read] == [batch.count for batch in found]
    return read


@pytest.mark.parametrize(
    ("provider", "inputs", "sizes"),
    [
        ("openai", ("a",) * 2048, [2048]),
        ("openai", ("a",) * 4097, [2048, 2048, 1]),
        ("openai", ("a" * 200_000,) * 7, [2, 2, 2, 1]),
        ("openai", ("a" * 2_000_000, "b"), [1, 1]),
        ("openai", (TokenIds((1,) * 200_000), TokenIds((2,) * 200_000)), [1, 1]),
        ("mistral", ("a" * 8_000,) * 5, [3, 2]),
    ],
)
def test_batches_keep_to_what_one_request_may_hold(provider: str, inputs: Any, sizes: list[int]) -> None:
    """Inputs and tokens, in their order; an input that is too long alone is for the provider to refuse."""
    found = bodies(provider, EmbedPrompt(inputs))
    assert [len(body["input"]) for body in found] == sizes
    flat = [each for body in found for each in body["input"]]
    assert flat == [list(each.ids) if isinstance(each, TokenIds) else each for each in inputs]


def test_dimensions_have_two_names() -> None:
    """Mistral's is its own; a null in `params` leaves a field out."""
    prompt = EmbedPrompt(("a",), dimensions=8)
    assert bodies("openai", prompt)[0] == {"model": "m", "input": ["a"], "encoding_format": "float", "dimensions": 8}
    found = bodies("mistral", prompt, {"encoding_format": None})
    assert found == [{"model": "m", "input": ["a"], "output_dimension": 8}]


def answer(*vectors: Any, count: int = 2, **more: Any) -> Any:
    data = [{"index": index, "embedding": vector} for index, vector in reversed(list(enumerate(vectors)))]
    wire = OpenAiFormat(Backend("b", "openai", "m", "m"))
    batch = wire.batches(EmbedPrompt(("a",) * count))[0]
    return wire.embedded(json.dumps({"data": data, **more}).encode(), batch)


def test_vectors_come_as_numbers_or_as_their_bytes() -> None:
    """Both in the order of the inputs."""
    packed = base64.b64encode(struct.pack("<2f", 0.5, -1.0)).decode()
    read = answer(packed, [1, 2.5], usage={"prompt_tokens": 3}, model="m-1")
    assert [list(vector.values) for vector in read.vectors] == [[0.5, -1.0], [1.0, 2.5]]
    assert (read.usage, read.model) == (Usage(input_tokens=3, output_tokens=0), "m-1")


@pytest.mark.parametrize("vectors", [([1.0],), ("%%%", [1.0]), ("AAAA", [1.0]), ([None], [1.0]), (7, [1.0])])
def test_what_is_no_vector_for_each_input_is_a_protocol_failure(vectors: Any) -> None:
    """One too few, bad base64, half a number, or no numbers at all."""
    with pytest.raises(BackendError) as caught:
        answer(*vectors)
    assert caught.value.failure is Failure.PROTOCOL
