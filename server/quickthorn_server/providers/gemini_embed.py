"""Embeddings of the Gemini API (batchEmbedContents): requests, and an answer's vectors in the order of the inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from quickthorn_server.core.content import Media
from quickthorn_server.core.embedding import EmbedInput, EmbedPrompt, InputType, Vector
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.gemini_content import Contents
from quickthorn_server.providers.gemini_dialect import Dialect
from quickthorn_server.providers.http_provider import Embedded
from quickthorn_server.providers.json_text import options
from quickthorn_server.providers.usage import count

METHOD = "batchEmbedContents"
_MOST_INPUTS = 100  # of one request (ai.google.dev, "Embeddings", batchEmbedContents)

_TASKS = {
    InputType.QUERY: "RETRIEVAL_QUERY",
    InputType.DOCUMENT: "RETRIEVAL_DOCUMENT",
    InputType.CLASSIFICATION: "CLASSIFICATION",
    InputType.CLUSTERING: "CLUSTERING",
    InputType.SIMILARITY: "SEMANTIC_SIMILARITY",
}


def settings(prompt: EmbedPrompt, params: Mapping[str, Any], provider: str) -> dict[str, Any]:
    """Return what every input is embedded with; the caller's provider options come last and win.

    Raises BackendError (INVALID).
    """
    fields = {name: value for name, value in params.items() if value is not None}
    if prompt.input_type is not None:
        fields["taskType"] = _TASKS[prompt.input_type]
    if prompt.dimensions is not None:
        fields["outputDimensionality"] = prompt.dimensions
    return fields | options(prompt.provider_options_json, provider)


def content(given: EmbedInput, dialect: Dialect) -> dict[str, Any]:
    """Return one input as content.  Raises BackendError (UNSUPPORTED) for token ids."""
    if isinstance(given, str):
        return {"parts": [{"text": given}]}
    if isinstance(given, Media):
        return {"parts": [Contents(dialect).media(given)]}
    raise BackendError(Failure.UNSUPPORTED, "this format carries texts and media, not token ids")


def bodies(prompt: EmbedPrompt, params: Mapping[str, Any], dialect: Dialect) -> Iterator[tuple[bytes, int]]:
    """Yield the body of every request with its number of inputs.  Raises BackendError (UNSUPPORTED, INVALID)."""
    shared = {"model": dialect.resource, **settings(prompt, params, dialect.provider)}
    inputs = iter(prompt.inputs)
    while batch := list(islice(inputs, _MOST_INPUTS)):
        requests = [{"content": content(each, dialect), **shared} for each in batch]
        yield orjson.dumps({"requests": requests}), len(batch)


def answer(body: bytes, number: int) -> Embedded:
    """Return the vectors of *number* inputs.  Raises BackendError (PROTOCOL)."""
    return read(body, number, lambda payload: (payload["embeddings"], _used(payload)))


def read(body: bytes, number: int, find: Callable[[Any], tuple[Sequence[dict[str, Any]], Usage | None]]) -> Embedded:
    """Return the vectors of *number* inputs that *find* finds in an answer.  Raises BackendError (PROTOCOL)."""
    try:
        embeddings, used = find(orjson.loads(body))
        vectors = tuple(_vector(each) for each in embeddings)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise BackendError(Failure.PROTOCOL, "the reply holds no vectors") from None
    if len(vectors) != number:
        raise BackendError(Failure.PROTOCOL, "the reply holds no vector for each input")
    return Embedded(vectors, used)


def tokens(number: int | None) -> Usage | None:
    """Return the usage of an embedding: nothing is written."""
    return None if number is None else Usage(input_tokens=number, output_tokens=0)


def _used(payload: dict[str, Any]) -> Usage | None:
    return tokens(count(payload.get("usageMetadata") or {}, "promptTokenCount"))


def _vector(embedding: dict[str, Any]) -> Vector:
    values = [float(number) for number in embedding["values"]]
    if not values:
        raise ValueError
    return Vector(values, truncated=(embedding.get("statistics") or embedding).get("truncated") is True)
