"""Embeddings through Bedrock's InvokeModel, where every family has words of its own.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from quickthorn_server.core.bedrock_models import family
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import Media
from quickthorn_server.core.embedding import EmbedInput, EmbedPrompt, Vector
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers import cohere_embed
from quickthorn_server.providers.bedrock_content import NAME
from quickthorn_server.providers.http_provider import Embedded
from quickthorn_server.providers.json_text import options
from quickthorn_server.providers.media import base64
from quickthorn_server.providers.usage import count

MOST_REQUESTS = 256
"""They run one after the other, and Titan takes one text in each: more would outlast the signatures of the first."""

Group = tuple[dict[str, Any], int]


def bodies(backend: Backend, prompt: EmbedPrompt) -> list[tuple[bytes, int]]:
    """Return the bodies of the requests that embed *prompt*, in order, each with the number of its inputs.

    The backend's `params` fill what the prompt leaves open; the caller's provider options come last and win.  Raises
    BackendError: UNSUPPORTED for what the model cannot embed, TOO_LARGE above MOST_REQUESTS.
    """
    groups = list(_family(backend)(backend, prompt))
    if len(groups) > MOST_REQUESTS:
        raise BackendError(Failure.TOO_LARGE, f"this model takes at most {MOST_REQUESTS} requests' worth of inputs")
    settings = {name: value for name, value in backend.params.items() if value is not None}
    own = options(prompt.provider_options_json, NAME)
    return [(orjson.dumps(settings | given | own), number) for given, number in groups]


def answer(backend: Backend, reply: bytes, number: int) -> Embedded:
    """Return the vectors of *number* inputs, and the usage if it is told.  Raises BackendError (PROTOCOL)."""
    if family(backend.model, backend.model_id) == "cohere":
        return cohere_embed.answer(reply, number)
    try:
        read = orjson.loads(reply)
        vector = Vector([float(value) for value in read["embedding"]])
        tokens = count(read, "inputTextTokenCount")
    except (orjson.JSONDecodeError, LookupError, TypeError, ValueError):
        raise BackendError(Failure.PROTOCOL, "the reply holds no vector") from None
    return Embedded((vector,), None if tokens is None else Usage(input_tokens=tokens, output_tokens=0))


def _family(backend: Backend) -> Callable[[Backend, EmbedPrompt], Iterator[Group]]:
    found = _FAMILIES.get(family(backend.model, backend.model_id))
    if found is None:
        raise BackendError(Failure.UNSUPPORTED, "of Bedrock's models, Titan's and Cohere's are asked for vectors")
    return found


def _titan(backend: Backend, prompt: EmbedPrompt) -> Iterator[Group]:
    """Yield a request for each input: Titan takes no list, and its vectors serve every purpose alike."""
    shared: dict[str, Any] = {}
    if prompt.dimensions is not None and "embed-image" in backend.model:
        shared["embeddingConfig"] = {"outputEmbeddingLength": prompt.dimensions}
    elif prompt.dimensions is not None:
        shared["dimensions"] = prompt.dimensions
    for each in prompt.inputs:
        yield _titan_input(each) | shared, 1


def _titan_input(given: EmbedInput) -> dict[str, Any]:
    if isinstance(given, str):
        return {"inputText": given}
    if isinstance(given, Media) and given.data is not None:
        return {"inputImage": base64(given.data)}
    raise BackendError(Failure.UNSUPPORTED, "Titan embeds texts and pictures that are in the request")


def _cohere(backend: Backend, prompt: EmbedPrompt) -> Iterator[Group]:
    """Yield requests as Cohere words them; of version 4 on, a picture has the purpose that a text would have."""
    settings: dict[str, Any] = {"embedding_types": ["float"]}
    if prompt.dimensions is not None:
        settings["output_dimension"] = prompt.dimensions
    for given, number in cohere_embed.groups(prompt, "image" if "-v3" in backend.model else ""):
        yield given | settings, number


_FAMILIES: Mapping[str, Callable[[Backend, EmbedPrompt], Iterator[Group]]] = {"titan": _titan, "cohere": _cohere}
