"""A prompt as the body of a chat completions request, JSON of the caller's byte for byte.  Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import orjson

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    Prompt,
    ReasoningEffort,
    ResponseFormat,
    Sampling,
    Tool,
    ToolChoice,
)
from quickthorn_server.providers.json_text import options
from quickthorn_server.providers.openai_content import NAME, messages, verbatim

_LIMITS = ("max_completion_tokens", "max_tokens")
"""The two names of one limit: the first is OpenAI's own, the second everybody else's."""

_EFFORT = {effort: effort.value for effort in ReasoningEffort} | {ReasoningEffort.MAX: "xhigh"}


class RequestForm:
    """What every request to one backend shares."""

    def __init__(self, backend: Backend) -> None:
        self._model = backend.model
        self._params = dict(backend.params)
        self._limit = _limit_name(backend)
        if "max_output_tokens" in self._params:
            self._params[self._limit] = self._params.pop("max_output_tokens")

    def body(self, prompt: Prompt, *, whole: bool) -> bytes:
        """Return the request's body.

        The backend's `params` fill what the prompt leaves open (null = leave the field out); the caller's provider
        options come last and win.  Raises BackendError (UNSUPPORTED) for what this format cannot carry.
        """
        fields: dict[str, Any] = {"model": self._model, "messages": messages(prompt.system, prompt.messages)}
        if not whole:
            fields |= {"stream": True, "stream_options": {"include_usage": True}}
        fields |= self._params
        fields |= _tunables(prompt.sampling, self._limit)
        fields |= _tools(prompt.tools, prompt.tool_choice)
        fields |= _format(prompt.response_format)
        if prompt.reasoning.effort is not None:
            fields["reasoning_effort"] = _EFFORT[prompt.reasoning.effort]
        fields = {name: value for name, value in fields.items() if value is not None}
        fields |= options(prompt.provider_options_json, NAME)
        return orjson.dumps(fields)


def _limit_name(backend: Backend) -> str:
    """Return how this backend calls the output limit: as its `params` do, or else as its host is known to."""
    for name in _LIMITS:
        if name in backend.params:
            return name
    return _LIMITS[0] if urlsplit(backend.base_url).hostname in {None, "api.openai.com"} else _LIMITS[1]


def _tunables(sampling: Sampling, limit: str) -> dict[str, Any]:
    given = {
        limit: sampling.max_output_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "stop": sampling.stop or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _tools(tools: tuple[Tool, ...], choice: ToolChoice | None) -> dict[str, Any]:
    if not tools:
        return {}
    fields: dict[str, Any] = {"tools": [_tool(tool) for tool in tools]}
    if choice is not None and choice.name:
        fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice is not None and choice.mode is not None:
        fields["tool_choice"] = choice.mode.value
    if choice is not None and choice.parallel is not None:
        fields["parallel_tool_calls"] = choice.parallel
    return fields


def _tool(tool: Tool) -> Any:
    if not isinstance(tool.kind, FunctionTool):
        return verbatim(tool.kind)
    function: dict[str, Any] = {"name": tool.kind.name}
    if tool.kind.description:
        function["description"] = tool.kind.description
    if tool.kind.parameters_json_schema:
        function["parameters"] = orjson.Fragment(tool.kind.parameters_json_schema)
    if tool.kind.strict is not None:
        function["strict"] = tool.kind.strict
    return {"type": "function", "function": function}


def _format(wanted: ResponseFormat | None) -> dict[str, Any]:
    match wanted:
        case JsonObjectFormat():
            return {"response_format": {"type": "json_object"}}
        case JsonSchemaFormat(name, schema, description, strict):
            described: dict[str, Any] = {"name": name, "schema": orjson.Fragment(schema)}
            if description:
                described["description"] = description
            if strict is not None:
                described["strict"] = strict
            return {"response_format": {"type": "json_schema", "json_schema": described}}
        case _:
            return {}
