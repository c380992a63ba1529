"""A prompt as the body of a generateContent request, JSON of the caller's byte for byte.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    Prompt,
    ResponseFormat,
    Sampling,
    Tool,
    ToolChoice,
    ToolMode,
)
from quickthorn_server.providers.gemini_content import Contents, instruction, split, verbatim
from quickthorn_server.providers.gemini_dialect import Dialect
from quickthorn_server.providers.json_text import members, option_texts

_BESIDE = frozenset(
    {
        "cachedContent",
        "generationConfig",
        "labels",
        "modelArmorConfig",
        "safetySettings",
        "serviceTier",
        "store",
        "systemInstruction",
        "toolConfig",
        "tools",
    }
)
"""Members of a request; every other default of a backend is one of its `generationConfig`."""

_NESTED = ("generationConfig", "toolConfig")
_HOW_MUCH = ("thinkingBudget", "thinkingLevel")
_MODES = {ToolMode.AUTO: "AUTO", ToolMode.REQUIRED: "ANY", ToolMode.NONE: "NONE"}
_JSON = {"responseMimeType": "application/json"}


class RequestForm:
    """What every request to one backend shares."""

    def __init__(self, backend: Backend, dialect: Dialect) -> None:
        self._dialect = dialect
        params = {_camel(name): value for name, value in backend.params.items() if value is not None}
        self._beside = {name: value for name, value in params.items() if name in _BESIDE}
        self._settings = dict(self._beside.pop("generationConfig", {}))
        self._settings |= {name: value for name, value in params.items() if name not in _BESIDE}

    def body(self, prompt: Prompt) -> bytes:
        """Return the request's body.

        The backend's `params` fill what the prompt leaves open; the caller's provider options come last and win,
        inside `generationConfig` and `toolConfig` member by member.  Raises BackendError (UNSUPPORTED, INVALID).
        """
        instructions, messages = split(prompt.system, prompt.messages)
        fields: dict[str, Any] = {**self._beside, "contents": Contents(self._dialect).of(messages)}
        if instructions:
            fields["systemInstruction"] = instruction(instructions)
        if prompt.tools:
            fields["tools"] = _tools(prompt.tools, self._dialect)
        if calling := _calling(prompt.tools, prompt.tool_choice, self._dialect):
            fields["toolConfig"] = {**self._beside.get("toolConfig", {}), "functionCallingConfig": calling}
        if settings := self._generation(prompt):
            fields["generationConfig"] = settings
        _overlay(fields, option_texts(prompt.provider_options_json, self._dialect.provider))
        return orjson.dumps(fields)

    def _generation(self, prompt: Prompt) -> dict[str, Any]:
        settings = {**self._settings, **_tunables(prompt.sampling), **_format(prompt.response_format)}
        if wanted := self._dialect.thinking(prompt.reasoning):
            kept = dict(self._settings.get("thinkingConfig") or {})
            if any(name in wanted for name in _HOW_MUCH):
                kept = {name: value for name, value in kept.items() if name not in _HOW_MUCH}
            settings["thinkingConfig"] = {**kept, **wanted}
        return settings


def _camel(name: str) -> str:
    """Return the name as JSON has it: protobuf's JSON takes `top_p` and `topP`, but not both at once."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _overlay(fields: dict[str, Any], own: Mapping[str, str]) -> None:
    for name, text in own.items():
        inside = fields.get(name)
        if name in _NESTED and isinstance(inside, dict) and text.startswith("{"):
            fields[name] = inside | {inner: orjson.Fragment(value) for inner, value in members(text).items()}
        else:
            fields[name] = orjson.Fragment(text)


def _tunables(sampling: Sampling) -> dict[str, Any]:
    given = {
        "maxOutputTokens": sampling.max_output_tokens,
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "frequencyPenalty": sampling.frequency_penalty,
        "presencePenalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "stopSequences": sampling.stop or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _tools(tools: tuple[Tool, ...], dialect: Dialect) -> list[Any]:
    """Return all functions as one tool, then the provider's own, one each."""
    functions = [_function(tool.kind) for tool in tools if isinstance(tool.kind, FunctionTool)]
    own = [verbatim(tool.kind, dialect) for tool in tools if not isinstance(tool.kind, FunctionTool)]
    return [{"functionDeclarations": functions}, *own] if functions else list(own)


def _function(tool: FunctionTool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters_json_schema:
        function["parametersJsonSchema"] = orjson.Fragment(tool.parameters_json_schema)
    return function


def _calling(tools: tuple[Tool, ...], choice: ToolChoice | None, dialect: Dialect) -> dict[str, Any]:
    """Return `functionCallingConfig`.

    There is no strictness of one tool: VALIDATED is AUTO that keeps to the schemas of all (ai.google.dev, "Function
    calling", modes), ANY keeps to them as it is.
    """
    if choice is not None and choice.parallel is False:
        raise BackendError(Failure.UNSUPPORTED, "generateContent cannot forbid parallel calls")
    if choice is not None and choice.name:
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    mode = None if choice is None else choice.mode
    strict = any(isinstance(tool.kind, FunctionTool) and tool.kind.strict for tool in tools)
    if strict and mode in {None, ToolMode.AUTO} and dialect.validates:
        return {"mode": "VALIDATED"}
    return {} if mode is None or not tools else {"mode": _MODES[mode]}


def _format(wanted: ResponseFormat | None) -> dict[str, Any]:
    """Return the format: a schema here is always kept to, and has no name."""
    match wanted:
        case JsonObjectFormat():
            return dict(_JSON)
        case JsonSchemaFormat(schema=schema):
            return {**_JSON, "responseJsonSchema": orjson.Fragment(schema)}
        case _:
            return {}
