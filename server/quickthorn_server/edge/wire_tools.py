"""Tools and answer formats read into values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from quickthorn.v1 import options_pb2, tool_pb2
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    ResponseFormat,
    TextFormat,
    Tool,
    ToolChoice,
    ToolMode,
)
from quickthorn_server.edge import wire_content
from quickthorn_server.edge.violations import Violations

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MODES = {
    tool_pb2.TOOL_MODE_UNSPECIFIED: None,
    tool_pb2.TOOL_MODE_AUTO: ToolMode.AUTO,
    tool_pb2.TOOL_MODE_NONE: ToolMode.NONE,
    tool_pb2.TOOL_MODE_REQUIRED: ToolMode.REQUIRED,
}
_TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}


def tools(given: Iterable[tool_pb2.Tool], violations: Violations) -> tuple[Tool, ...]:
    """Read the tools; function names must be distinct."""
    read = tuple(_tool(tool, f"tools[{place}]", violations) for place, tool in enumerate(given))
    names = [tool.kind.name for tool in read if isinstance(tool.kind, FunctionTool)]
    violations.check(len(set(names)) == len(names), "tools", "names must be distinct")
    return read


def tool_choice(given: tool_pb2.ToolChoice, known: Sequence[Tool], violations: Violations) -> ToolChoice:
    """Read which tools may be called; what is named or required must be there."""
    mode = _MODES.get(given.mode)
    violations.check(given.mode in _MODES, "tool_choice.mode", "must be AUTO, NONE or REQUIRED")
    if mode is ToolMode.REQUIRED:
        violations.check(bool(known), "tool_choice.mode", "is REQUIRED, but there are no tools")
    if given.WhichOneof("choice") == "name":
        names = {tool.kind.name if isinstance(tool.kind, FunctionTool) else tool.kind.type for tool in known}
        violations.check(given.name in names - {""}, "tool_choice.name", "names none of the tools")
    return ToolChoice(mode, given.name, given.parallel if given.HasField("parallel") else None)


def response_format(given: options_pb2.ResponseFormat, violations: Violations) -> ResponseFormat | None:
    """Read the form of the answer."""
    match given.WhichOneof("format"):
        case "json_schema":
            schema = given.json_schema
            fault = _schema_fault(schema.schema) if schema.schema else "is required"
            violations.check(not fault, "response_format.json_schema.schema", fault)
            strict = schema.strict if schema.HasField("strict") else None
            return JsonSchemaFormat(schema.name or "response", schema.schema, schema.description, strict)
        case "json_object":
            return JsonObjectFormat()
        case "text":
            return TextFormat()
        case _:
            return None


def _tool(given: tool_pb2.Tool, field: str, violations: Violations) -> Tool:
    cache = wire_content.cache_hint(given.cache, f"{field}.cache", violations) if given.HasField("cache") else None
    if given.WhichOneof("kind") == "provider_tool":
        return Tool(wire_content.provider_block(given.provider_tool, f"{field}.provider_tool", violations), cache)
    if not given.HasField("function"):
        violations.add(field, "must be a function or a provider_tool")
        return Tool(FunctionTool(""), cache)
    function, field = given.function, f"{field}.function"
    name_fits = _NAME.fullmatch(function.name) is not None
    violations.check(name_fits, f"{field}.name", "must be 1 to 64 letters, digits, '_', '-' or '.'")
    fault = _schema_fault(function.parameters_json_schema) if function.parameters_json_schema else ""
    violations.check(not fault, f"{field}.parameters_json_schema", fault)
    strict = function.strict if function.HasField("strict") else None
    return Tool(FunctionTool(function.name, function.description, function.parameters_json_schema, strict), cache)


def _schema_fault(text: str) -> str:
    """Return what is wrong with a JSON Schema, "" = nothing that can be seen without a provider."""
    try:
        schema = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"is not JSON: line {error.lineno}, column {error.colno}"
    return _malformed(schema)


def _malformed(schema: Any) -> str:
    """Check the keywords that every provider reads: type, properties, required, items.

    A walk, not a recursion: a schema may be nested deeper than Python's stack.
    """
    if not isinstance(schema, dict):
        return "must be a JSON object"
    waiting: list[tuple[str, Any]] = [("it", schema)]
    for what, inner in waiting:
        if isinstance(inner, bool):
            continue  # true and false are schemas inside of others
        fault = _fault_of(inner)
        if fault:
            return f"{what} {fault}"
        waiting.extend((f"property {name!r}", each) for name, each in inner.get("properties", {}).items())
        items = inner.get("items", [])
        waiting.extend(("the schema of its items", each) for each in (items if isinstance(items, list) else [items]))
    return ""


def _fault_of(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "must be a JSON object"
    if not _are_types(schema.get("type", [])):
        return "has a type that JSON Schema does not know"
    if not isinstance(schema.get("properties", {}), dict):
        return "has properties that are not an object"
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        return "has a required that is not a list of names"
    return ""


def _are_types(given: Any) -> bool:
    kinds = [given] if isinstance(given, str) else given
    return isinstance(kinds, list) and all(isinstance(kind, str) and kind in _TYPES for kind in kinds)
