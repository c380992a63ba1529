"""What is asked of an embedding model, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import Enum

from quickthorn_server.core.content import Media
from quickthorn_server.core.value import value


class InputType(Enum):
    """What the vectors are for."""

    QUERY = "query"
    DOCUMENT = "document"
    CLASSIFICATION = "classification"
    CLUSTERING = "clustering"
    SIMILARITY = "similarity"


@value
class TokenIds:
    """Text already cut into tokens of the model's own vocabulary."""

    ids: tuple[int, ...]


EmbedInput = str | Media | TokenIds


@value
class EmbedPrompt:
    """Everything that reaches an embedding model; None = the provider's default."""

    inputs: tuple[EmbedInput, ...]
    input_type: InputType | None = None
    dimensions: int | None = None
    provider_options_json: Mapping[str, str] = field(default_factory=dict)


@value
class Vector:
    """One input's vector, as the provider gave it; *truncated*: the input's end was cut off."""

    values: Sequence[float]
    truncated: bool = False
