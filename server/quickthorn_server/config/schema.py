"""The JSON Schema of the configuration file, for editors."""

from __future__ import annotations

from typing import Any

from quickthorn_server.config.root import Config

_NULL = {"type": "null"}


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12): every key with its description, closed words, and the form of times.

    It holds form only: contradictions between keys are found by `parse`.
    """
    schema: dict[str, Any] = _tidy(Config.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _tidy(value: Any) -> Any:
    """Drop what is true of our classes and not of the file: nulls, their defaults, generated titles."""
    if isinstance(value, list):
        return [_tidy(item) for item in value if item != _NULL]
    if not isinstance(value, dict):
        return value
    kept = {key: _tidy(item) for key, item in value.items() if key != "default" and not _is_title(key, item)}
    return _flattened(kept)


def _is_title(key: str, item: Any) -> bool:
    return key == "title" and isinstance(item, str)


def _flattened(schema: dict[str, Any]) -> dict[str, Any]:
    """Return *schema* without an `anyOf` of one."""
    choices = schema.get("anyOf")
    if isinstance(choices, list) and len(choices) == 1:
        rest = {key: item for key, item in schema.items() if key != "anyOf"}
        return {**choices[0], **rest}
    return schema
