"""Embeddings as Cohere words them: requests' bodies, and the vectors of an answer.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import orjson

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import Media
from quickthorn_server.core.embedding import EmbedInput, EmbedPrompt, InputType, Vector
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.cohere_content import NAME
from quickthorn_server.providers.http_provider import Embedded
from quickthorn_server.providers.json_text import options
from quickthorn_server.providers.media import uri
from quickthorn_server.providers.usage import added, count

MOST_TEXTS = 96
"""Texts in one request; pictures go one by one (Cohere's page "Embed API (v2)")."""

_PURPOSES: Mapping[InputType | None, str] = {
    None: "search_document",  # Cohere wants to be told, and this is what most vectors are made for
    InputType.DOCUMENT: "search_document",
    InputType.QUERY: "search_query",
    InputType.CLASSIFICATION: "classification",
    InputType.CLUSTERING: "clustering",
    InputType.SIMILARITY: "clustering",  # its only purpose that compares equals with each other
}


def bodies(backend: Backend, prompt: EmbedPrompt) -> list[tuple[bytes, int]]:
    """Return the bodies of the requests that embed *prompt*, in order, each with the number of its inputs.

    The backend's `params` fill what the prompt leaves open; the caller's provider options come last and win.  Raises
    BackendError (UNSUPPORTED) for what this format cannot carry: tokens.
    """
    shared: dict[str, Any] = {"model": backend.model}
    settings: dict[str, Any] = {"embedding_types": ["float"], **backend.params}
    if prompt.dimensions is not None:
        settings["output_dimension"] = prompt.dimensions
    settings = {name: value for name, value in settings.items() if value is not None}
    settings |= options(prompt.provider_options_json, NAME)
    return [(orjson.dumps(shared | given | settings), number) for given, number in groups(prompt)]


def groups(prompt: EmbedPrompt, pictures: str = "image") -> Iterator[tuple[dict[str, Any], int]]:
    """Yield what differs between the requests, and how many inputs each holds.

    *pictures*: the input type of a picture, "" = that of a text.  Raises BackendError (UNSUPPORTED).
    """
    purpose = _PURPOSES[prompt.input_type]
    for kind, group in groupby(prompt.inputs, type):
        inputs: list[EmbedInput] = list(group)
        if kind is str:
            for start in range(0, len(inputs), MOST_TEXTS):
                texts = inputs[start : start + MOST_TEXTS]
                yield {"input_type": purpose, "texts": texts}, len(texts)
        else:
            for each in inputs:
                yield {"input_type": pictures or purpose, "images": [_picture(each)]}, 1


def _picture(given: EmbedInput) -> str:
    if isinstance(given, Media) and given.data is not None:
        return uri(given)
    raise BackendError(Failure.UNSUPPORTED, "Cohere embeds texts and pictures that are in the request")


def answer(reply: bytes, number: int) -> Embedded:
    """Return the vectors of *number* inputs, and the usage.  Raises BackendError (PROTOCOL)."""
    try:
        read = orjson.loads(reply)
        vectors = _vectors(read["embeddings"])
        billed = (read.get("meta") or {}).get("billed_units") or {}
        used = added(count(billed, "input_tokens"), count(billed, "image_tokens"))
    except (orjson.JSONDecodeError, LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise BackendError(Failure.PROTOCOL, "the reply holds no vectors") from None
    if len(vectors) != number:
        raise BackendError(Failure.PROTOCOL, "the reply holds no vector for each input")
    return Embedded(vectors, None if used is None else Usage(input_tokens=used, output_tokens=0))


def _vectors(embeddings: Any) -> tuple[Vector, ...]:
    """Return the vectors as floats, or as the first type there is where the caller asked for others."""
    if isinstance(embeddings, dict):
        embeddings = embeddings.get("float") or next(iter(embeddings.values()), ())
    return tuple(Vector([float(value) for value in row]) for row in embeddings)
