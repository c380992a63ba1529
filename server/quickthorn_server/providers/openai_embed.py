"""Embeddings as OpenAI words them: requests, and an answer's vectors in the order of the inputs.  Pure."""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.dialects import OPENAI, Dialect
from quickthorn_server.core.embedding import EmbedInput, EmbedPrompt, TokenIds, Vector
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.http_provider import Batch, Embedded, Outgoing
from quickthorn_server.providers.json_text import options
from quickthorn_server.providers.openai_content import NAME
from quickthorn_server.providers.usage import count

PATH = "/embeddings"

_BYTES_PER_TOKEN = 2
"""Fewer than any text has: a batch that is too small costs a request, one that is too large the call."""


def batches(outgoing: Outgoing, backend: Backend, prompt: EmbedPrompt, dialect: Dialect = OPENAI) -> list[Batch]:
    """Return the requests that together embed *prompt*, each like *outgoing* but for its body.

    The backend's `params` fill what the prompt leaves open; the caller's provider options come last and win.  Raises
    BackendError (UNSUPPORTED) for what this format cannot carry: pictures, and texts and tokens in one prompt.
    """
    fields: dict[str, Any] = {"model": backend.model, "input": [], "encoding_format": "float"}
    fields |= backend.params
    fields = {name: value for name, value in fields.items() if value is not None}
    if prompt.dimensions is not None:
        fields[dialect.names.get("dimensions", "dimensions")] = prompt.dimensions
    given = options(prompt.provider_options_json, NAME, dialect.word)
    return [
        Batch(outgoing._replace(body=orjson.dumps(fields | {"input": inputs} | given)), len(inputs))
        for inputs in _cut(_inputs(prompt.inputs), dialect)
    ]


def answer(reply: bytes, expected: int) -> Embedded:
    """Return the vectors of *expected* inputs, the usage and the model.  Raises BackendError (PROTOCOL)."""
    try:
        read = orjson.loads(reply)
        by_place = {item["index"]: Vector(_numbers(item["embedding"])) for item in read["data"]}
        vectors = tuple(by_place[place] for place in range(expected))
        tokens = count(read.get("usage") or {}, "prompt_tokens")
        model = str(read.get("model") or "")
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise BackendError(Failure.PROTOCOL, "the reply holds no vector for each input") from None
    return Embedded(vectors, None if tokens is None else Usage(input_tokens=tokens, output_tokens=0), model)


def _numbers(given: list[float] | str) -> Sequence[float]:
    """Return a vector's numbers; as text they are little-endian floats of four bytes in base64."""
    if not isinstance(given, str):
        return [float(number) for number in given]
    numbers = array("f", b64decode(given, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _cut(inputs: Sequence[str] | Sequence[list[int]], dialect: Dialect) -> Iterator[list[str] | list[list[int]]]:
    """Yield *inputs* in batches that one request may hold, in their order."""
    batch: list[Any] = []
    size = 0
    for each in inputs:
        tokens = len(each.encode()) // _BYTES_PER_TOKEN + 1 if isinstance(each, str) else len(each)
        if batch and (len(batch) == dialect.embed_inputs or size + tokens > dialect.embed_tokens):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += tokens
    if batch:
        yield batch


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
