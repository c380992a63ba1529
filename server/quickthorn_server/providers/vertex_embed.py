"""Embeddings of Vertex AI: `predict` for models of text, `embedContent` for those that look at more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from quickthorn_server.core.embedding import EmbedInput, EmbedPrompt
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.sizes import utf8_size
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.gemini_dialect import Dialect
from quickthorn_server.providers.gemini_embed import content, read, settings, tokens
from quickthorn_server.providers.http_provider import Embedded
from quickthorn_server.providers.usage import added, count

_ONE_BY_ONE = "gemini-embedding-001"
_MOST_INPUTS, _MOST_BYTES = 250, 40_000
"""Of one request: 250 texts with 20,000 tokens (cloud.google.com, "Get text embeddings", API limits).

Two bytes a token are fewer than any tokenizer of Google's takes, so what is counted in bytes stays within.
"""

_OF_AN_INSTANCE = {"taskType": "task_type", "title": "title"}


def method(model: str) -> str:
    """Return how *model* is asked: what comes after the first Gemini embedding model takes contents."""
    return "embedContent" if "gemini-embedding" in model and _ONE_BY_ONE not in model else "predict"


def bodies(prompt: EmbedPrompt, params: Mapping[str, Any], dialect: Dialect) -> Iterator[tuple[bytes, int]]:
    """Yield the body of every request with its number of inputs.  Raises BackendError (UNSUPPORTED, INVALID)."""
    shared = settings(prompt, params, dialect.provider)
    if method(dialect.model) == "embedContent":
        for each in prompt.inputs:
            yield orjson.dumps({"content": content(each, dialect), **shared}), 1
        return
    own = {name: shared.pop(key) for key, name in _OF_AN_INSTANCE.items() if key in shared}
    rest = {"parameters": shared} if shared else {}
    for batch in _batches(prompt.inputs, 1 if _ONE_BY_ONE in dialect.model else _MOST_INPUTS):
        instances = [{"content": text, **own} for text in batch]
        yield orjson.dumps({"instances": instances, **rest}), len(batch)


def answer(body: bytes, number: int) -> Embedded:
    """Return the vectors of *number* inputs.  Raises BackendError (PROTOCOL)."""
    return read(body, number, _found)


def _found(payload: dict[str, Any]) -> tuple[list[dict[str, Any]], Usage | None]:
    if "predictions" not in payload:
        used = count(payload.get("usageMetadata") or {}, "promptTokenCount")
        return [{"truncated": payload.get("truncated"), **payload["embedding"]}], tokens(used)
    embeddings = [each["embeddings"] for each in payload["predictions"]]
    counts = [count(each.get("statistics") or {}, "token_count") for each in embeddings]
    return embeddings, tokens(None if None in counts else added(*counts))


def _batches(inputs: tuple[EmbedInput, ...], most: int) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for each in inputs:
        if not isinstance(each, str):
            raise BackendError(Failure.UNSUPPORTED, "this model embeds texts only")
        length = utf8_size(each)
        if batch and (len(batch) == most or size + length > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += length
    if batch:
        yield batch
