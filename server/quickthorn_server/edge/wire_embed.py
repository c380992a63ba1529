"""Embed between protobuf and values: a request read, or every fault in it named; an answer written."""

from __future__ import annotations

from collections.abc import Iterable

from quickthorn.v1 import embedding_pb2
from quickthorn_server.core.call import Call
from quickthorn_server.core.completion import Embeddings
from quickthorn_server.core.content import MediaKind
from quickthorn_server.core.embedding import EmbedInput, EmbedPrompt, InputType, TokenIds
from quickthorn_server.core.request import Request
from quickthorn_server.edge import wire_answer, wire_content, wire_rules
from quickthorn_server.edge.violations import Violations

_TYPES = {
    embedding_pb2.EMBEDDING_INPUT_TYPE_UNSPECIFIED: None,
    embedding_pb2.EMBEDDING_INPUT_TYPE_QUERY: InputType.QUERY,
    embedding_pb2.EMBEDDING_INPUT_TYPE_DOCUMENT: InputType.DOCUMENT,
    embedding_pb2.EMBEDDING_INPUT_TYPE_CLASSIFICATION: InputType.CLASSIFICATION,
    embedding_pb2.EMBEDDING_INPUT_TYPE_CLUSTERING: InputType.CLUSTERING,
    embedding_pb2.EMBEDDING_INPUT_TYPE_SIMILARITY: InputType.SIMILARITY,
}


def request(given: embedding_pb2.EmbedRequest, request_id: str) -> Request:
    """Return *given* as a value; *request_id* counts where the request names none.

    Raises CallError INVALID_REQUEST that names every field at fault.
    """
    violations = Violations()
    dimensions = given.dimensions if given.HasField("dimensions") else None
    violations.check(dimensions is None or dimensions > 0, "dimensions", "must be 1 or more")
    violations.check(given.input_type in _TYPES, "input_type", "is not a known type of input")
    read = Request(
        prompt=EmbedPrompt(
            inputs=_inputs(given.inputs, violations),
            input_type=_TYPES.get(given.input_type),
            dimensions=dimensions,
            provider_options_json=wire_rules.provider_options(given.provider_options_json, violations),
        ),
        route=given.route,
        requirements=wire_rules.requirements(given.requirements, violations),
        directives=wire_rules.directives(given.directives, violations),
        labels=wire_rules.labels(given.labels, violations),
        request_id=wire_rules.identifier(given.request_id or request_id, violations),
    )
    violations.settle()
    return read


def response(answer: Embeddings, call: Call) -> embedding_pb2.EmbedResponse:
    """Write the vectors of a batch."""
    return embedding_pb2.EmbedResponse(
        id=call.id,
        request_id=call.request_id,
        embeddings=[
            embedding_pb2.Embedding(values=vector.values, truncated=vector.truncated) for vector in answer.vectors
        ],
        embedding_space=answer.space,
        usage=wire_answer.usage_fields(answer.usage),
        cost_nano_usd=answer.cost_nano_usd,
        trace=wire_answer.trace_fields(answer.trace),
    )


def _inputs(given: Iterable[embedding_pb2.EmbeddingInput], violations: Violations) -> tuple[EmbedInput, ...]:
    read = tuple(_input(each, f"inputs[{place}]", violations) for place, each in enumerate(given))
    violations.check(bool(read), "inputs", "must not be empty")
    return read


def _input(given: embedding_pb2.EmbeddingInput, field: str, violations: Violations) -> EmbedInput:
    match given.WhichOneof("kind"):
        case "text":
            violations.check(bool(given.text), f"{field}.text", "must not be empty")
            return given.text
        case "token_ids":
            violations.check(bool(given.token_ids.ids), f"{field}.token_ids.ids", "must not be empty")
            return TokenIds(tuple(given.token_ids.ids))
        case "image":
            return wire_content.media(MediaKind.IMAGE, given.image, f"{field}.image", violations)
        case _:
            violations.add(field, "must be text, token_ids or an image")
            return ""
