"""Embeddings as OpenAI words them: a request's body, and an answer's vectors in the order of the inputs.  Pure."""

from __future__ import annotations

from typing import Any

import orjson

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.embedding import EmbedInput, EmbedPrompt, TokenIds, Vector
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.http_provider import Embedded
from quickthorn_server.providers.json_text import options
from quickthorn_server.providers.openai_content import NAME

PATH = "/embeddings"


def body(backend: Backend, prompt: EmbedPrompt) -> bytes:
    """Return the request's body.

    The backend's `params` fill what the prompt leaves open; the caller's provider options come last and win.  Raises
    BackendError (UNSUPPORTED) for what this format cannot carry: pictures, and texts and tokens in one batch.
    """
    fields: dict[str, Any] = {"model": backend.model, "input": _inputs(prompt.inputs), "encoding_format": "float"}
    fields |= {name: value for name, value in backend.params.items() if value is not None}
    if prompt.dimensions is not None:
        fields["dimensions"] = prompt.dimensions
    fields |= options(prompt.provider_options_json, NAME)
    return orjson.dumps(fields)


def answer(reply: bytes, count: int) -> Embedded:
    """Return the vectors of *count* inputs, the usage and the model.  Raises BackendError (PROTOCOL)."""
    try:
        read = orjson.loads(reply)
        by_place = {item["index"]: Vector([float(number) for number in item["embedding"]]) for item in read["data"]}
        vectors = tuple(by_place[place] for place in range(count))
        usage = read.get("usage") or {}
        tokens = usage.get("prompt_tokens")
        model = str(read.get("model") or "")
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise BackendError(Failure.PROTOCOL, "the reply holds no vector for each input") from None
    known = isinstance(tokens, int) and tokens >= 0
    return Embedded(vectors, Usage(input_tokens=tokens, output_tokens=0) if known else None, model)


def _inputs(inputs: tuple[EmbedInput, ...]) -> list[str] | list[list[int]]:
    texts = [each for each in inputs if isinstance(each, str)]
    if len(texts) == len(inputs):
        return texts
    tokens = [list(each.ids) for each in inputs if isinstance(each, TokenIds)]
    if len(tokens) == len(inputs):
        return tokens
    raise BackendError(
        Failure.UNSUPPORTED, "this format carries texts or token ids, not pictures and not both in one batch"
    )
