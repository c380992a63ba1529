"""Messages as JSON, for people and for other tools."""

from __future__ import annotations

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message


def to_json(message: Message, *, indent: int | None = None) -> str:
    """Return *message* as proto3 JSON: camelCase names, 64-bit numbers as strings, what is absent left out.

    *indent*: None = all on one line.
    """
    return str(MessageToJson(message, indent=indent, ensure_ascii=False))
