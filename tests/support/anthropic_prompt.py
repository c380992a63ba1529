"""Requests of Anthropic's Messages API as prompts, and in the one form in which ours are written."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from quickthorn_server.core.content import (
    CacheHint,
    Kind,
    Media,
    MediaKind,
    Message,
    Part,
    ProviderBlock,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonSchemaFormat,
    Prompt,
    ReasoningOptions,
    ResponseFormat,
    Sampling,
    Tool,
)

_TTL = {"5m": 300.0, "1h": 3600.0}
_PIXEL = "eA=="


def plain(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return *request* in long form: text as blocks, defaults left out, schemas in their present place.

    Media that the recording has cut short are replaced.
    """
    found = {key: value for key, value in request.items() if key != "output_format" and value is not False}
    if "output_format" in request:
        found["output_config"] = {"format": request["output_format"]}
    found["messages"] = [{**turn, "content": _plain_content(turn["content"])} for turn in request["messages"]]
    if "system" in request:
        found["system"] = _plain_content(request["system"])
    if "tools" in request:
        found["tools"] = [{key: value for key, value in tool.items() if value != ""} for tool in request["tools"]]
    return found


def prompt(request: Mapping[str, Any]) -> Prompt:
    """Return the prompt that a request in long form came of."""
    names = {"max_tokens": "max_output_tokens", "temperature": "temperature", "top_p": "top_p", "top_k": "top_k"}
    sampling = {ours: request[theirs] for theirs, ours in names.items() if theirs in request}
    return Prompt(
        tuple(Message(Role(turn["role"]), _parts(turn["content"])) for turn in request["messages"]),
        system=_parts(request.get("system", ())),
        tools=tuple(_tool(tool) for tool in request.get("tools", ())),
        response_format=_format(request.get("output_config", {})),
        sampling=Sampling(**sampling, stop=tuple(request.get("stop_sequences", ()))),
        reasoning=ReasoningOptions(budget_tokens=request.get("thinking", {}).get("budget_tokens")),
    )


def _plain_content(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_plain_block(block) for block in content]


def _plain_block(block: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in block.items() if value is not False}
    if block["type"] == "tool_result":
        found["content"] = _plain_content(block["content"])
    if "<trimmed" in block.get("source", {}).get("data", ""):
        found["source"] = {**block["source"], "data": _PIXEL}
    return found


def _parts(blocks: list[dict[str, Any]]) -> tuple[Part, ...]:
    return tuple(Part(_kind(block), _cache(block)) for block in blocks)


def _kind(block: Mapping[str, Any]) -> Kind:
    match block["type"]:
        case "text":
            return Text(block["text"])
        case "image" | "document" as kind:
            source = block["source"]
            return Media(MediaKind(kind), b64decode(source["data"]), media_type=source["media_type"])
        case "tool_use":
            return ToolCall(block["id"], block["name"], json.dumps(block["input"]))
        case "tool_result":
            return ToolResult(block["tool_use_id"], _parts(block["content"]), block.get("is_error", False))
        case kind:
            return ProviderBlock("anthropic", kind, json.dumps(block))


def _cache(block: Mapping[str, Any]) -> CacheHint | None:
    mark = block.get("cache_control")
    return None if mark is None else CacheHint(_TTL[mark["ttl"]] if "ttl" in mark else None)


def _tool(tool: Mapping[str, Any]) -> Tool:
    if "input_schema" not in tool:
        return Tool(ProviderBlock("anthropic", tool["type"], json.dumps(tool)))
    schema = json.dumps(tool["input_schema"])
    return Tool(FunctionTool(tool["name"], tool.get("description", ""), schema, tool.get("strict")), _cache(tool))


def _format(config: Mapping[str, Any]) -> ResponseFormat | None:
    return JsonSchemaFormat("n", json.dumps(config["format"]["schema"])) if "format" in config else None
