"""Recorded requests of Google's as the prompts that they came from."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

from quickthorn_server.core.content import (
    Media,
    MediaKind,
    Message,
    OpaqueState,
    Part,
    ProviderBlock,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    Prompt,
    ReasoningEffort,
    ReasoningOptions,
    ResponseFormat,
    Sampling,
    Tool,
    ToolChoice,
    ToolMode,
)

_FREE = frozenset({"args", "response", "parameters", "responseSchema", "responseJsonSchema"})
_SETTINGS = {
    "maxOutputTokens": "max_output_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "seed": "seed",
}
_READ = frozenset({*_SETTINGS, "responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig"})
_MODES = {"AUTO": ToolMode.AUTO, "ANY": ToolMode.REQUIRED, "NONE": ToolMode.NONE}


def plain(given: Any) -> Any:
    """Return recorded JSON with one spelling of each name, whole base64, and nothing that says nothing."""
    if isinstance(given, list):
        return [plain(each) for each in given]
    if not isinstance(given, dict):
        return given
    named = {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): value for name, value in given.items()}
    found = {name: value if name in _FREE else plain(value) for name, value in named.items()}
    if isinstance(found.get("data"), str):
        whole = found["data"].partition("...<")[0].replace("-", "+").replace("_", "/")
        found["data"] = b64encode(b64decode(whole[: len(whole) // 4 * 4])).decode()
    for name, other in (("parametersJsonSchema", "parameters"), ("responseJsonSchema", "responseSchema")):
        if name in found:
            found[other] = found.pop(name)
    if "systemInstruction" in found:
        found["systemInstruction"].pop("role", None)
    return {name: value for name, value in found.items() if name != "generationConfig" or value}


def prompt(provider: str, request: dict[str, Any]) -> Prompt:
    """Return the prompt that a `plain` *request* carries."""
    settings = request.get("generationConfig", {})
    thinking = settings.get("thinkingConfig", {})
    level = thinking.get("thinkingLevel")
    calling = request.get("toolConfig", {}).get("functionCallingConfig")
    return Prompt(
        messages=tuple(_messages(provider, request["contents"])),
        system=tuple(Part(Text(part["text"])) for part in request.get("systemInstruction", {}).get("parts", ())),
        tools=tuple(Tool(kind) for kind in _tools(provider, request.get("tools", ()))),
        tool_choice=None if calling is None else ToolChoice(_MODES[calling["mode"]]),
        response_format=_format(settings),
        sampling=Sampling(**{own: settings[name] for name, own in _SETTINGS.items() if name in settings}),
        reasoning=ReasoningOptions(
            None if level is None else ReasoningEffort(level),
            thinking.get("thinkingBudget"),
            show=thinking.get("includeThoughts", False),
        ),
        provider_options_json={provider: json.dumps(_rest(request))},
    )


def _rest(request: dict[str, Any]) -> dict[str, Any]:
    rest = {name: request[name] for name in ("safetySettings",) if name in request}
    settings = {name: value for name, value in request.get("generationConfig", {}).items() if name not in _READ}
    beside = {name: value for name, value in request.get("toolConfig", {}).items() if name != "functionCallingConfig"}
    return rest | ({"generationConfig": settings} if settings else {}) | ({"toolConfig": beside} if beside else {})


def _messages(provider: str, contents: list[dict[str, Any]]) -> Iterator[Message]:
    calls: list[ToolCall] = []
    for content in contents:
        role = Role.ASSISTANT if content.get("role") == "model" else Role.USER
        yield Message(role, tuple(_part(provider, part, calls) for part in content["parts"]))


def _part(provider: str, part: dict[str, Any], calls: list[ToolCall]) -> Part:
    signature = part.get("thoughtSignature")
    opaque = OpaqueState(provider, "", "", signature.encode()) if signature else None
    if "functionCall" in part:
        call = part["functionCall"]
        calls.append(ToolCall(call.get("id") or f"call_{len(calls)}", call["name"], json.dumps(call["args"])))
        return Part(calls[-1], opaque=opaque)
    if "functionResponse" in part:
        given = part["functionResponse"]
        answered = next(call.id for call in reversed(calls) if call.name == given["name"])
        media = tuple(_part(provider, each, calls) for each in given.get("parts", ()))
        return Part(ToolResult(answered, (Part(Text(json.dumps(given["response"]))), *media)))
    if "inlineData" in part:
        data = part["inlineData"]
        return Part(Media(MediaKind.IMAGE, data=b64decode(data["data"]), media_type=data["mimeType"]), opaque=opaque)
    return Part(Reasoning(part["text"]) if part.get("thought") else Text(part["text"]), opaque=opaque)


def _tools(provider: str, tools: list[dict[str, Any]]) -> Iterator[FunctionTool | ProviderBlock]:
    for tool in tools:
        for function in tool.get("functionDeclarations", ()):
            schema = json.dumps(function["parameters"]) if "parameters" in function else ""
            yield FunctionTool(function["name"], function.get("description", ""), schema)
        if "functionDeclarations" not in tool:
            yield ProviderBlock(provider, next(iter(tool)), json.dumps(tool))


def _format(settings: dict[str, Any]) -> ResponseFormat | None:
    if "responseSchema" in settings:
        return JsonSchemaFormat("answer", json.dumps(settings["responseSchema"]))
    return JsonObjectFormat() if settings.get("responseMimeType") == "application/json" else None
