"""A prompt as the body of a chat request to Cohere, JSON of the caller's byte for byte.  Pure."""

from __future__ import annotations

from typing import Any

import orjson

from quickthorn_server.core.catalogue import Backend
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
from quickthorn_server.providers.cohere_content import NAME, cannot, documents, messages, verbatim
from quickthorn_server.providers.json_text import options

_LIMIT = "max_tokens"


class RequestForm:
    """What every request to one backend shares."""

    def __init__(self, backend: Backend) -> None:
        self._model = backend.model
        self._params = dict(backend.params)
        if "max_output_tokens" in self._params:
            self._params[_LIMIT] = self._params.pop("max_output_tokens")

    def body(self, prompt: Prompt, *, whole: bool) -> bytes:
        """Return the request's body.

        The backend's `params` fill what the prompt leaves open (null = leave the field out); the caller's provider
        options (`documents`, `citation_options`, `safety_mode` ...) come last and win.  Raises BackendError
        (UNSUPPORTED) for what this format cannot carry.
        """
        fields: dict[str, Any] = {"model": self._model, "messages": messages(prompt.system, prompt.messages)}
        fields["stream"] = not whole
        fields |= self._params
        fields |= {"documents": documents(prompt.messages) or self._params.get("documents")}
        fields |= _tunables(prompt.sampling)
        fields |= _tools(prompt.tools, prompt.tool_choice)
        fields |= _format(prompt.response_format)
        fields |= _thinking(prompt.reasoning)
        fields = {name: value for name, value in fields.items() if value is not None}
        fields |= options(prompt.provider_options_json, NAME)
        return orjson.dumps(fields)


def _tunables(sampling: Sampling) -> dict[str, Any]:
    given = {
        _LIMIT: sampling.max_output_tokens,
        "temperature": sampling.temperature,
        "p": sampling.top_p,
        "k": sampling.top_k,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "stop_sequences": sampling.stop or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _tools(tools: tuple[Tool, ...], choice: ToolChoice | None) -> dict[str, Any]:
    """Return the tools; one that must be called is the only one, for Cohere can require no tool by name."""
    if not tools:
        return {}
    if choice is not None and choice.parallel is False:
        raise cannot("one tool call at a time")
    if choice is not None and choice.name:
        tools = tuple(tool for tool in tools if isinstance(tool.kind, FunctionTool) and tool.kind.name == choice.name)
        choice = ToolChoice(ToolMode.REQUIRED)
    fields: dict[str, Any] = {"tools": [_tool(tool) for tool in tools]}
    if choice is not None and choice.mode in {ToolMode.REQUIRED, ToolMode.NONE}:
        fields["tool_choice"] = choice.mode.name
    return fields | _strictness(tools)


def _strictness(tools: tuple[Tool, ...]) -> dict[str, bool]:
    """Return what the tools say of strictness, which Cohere asks once for all of them."""
    said = {tool.kind.strict for tool in tools if isinstance(tool.kind, FunctionTool)} - {None}
    if len(said) > 1:
        raise cannot("tools of which some are strict and some are not")
    return {"strict_tools": True in said} if said else {}


def _tool(tool: Tool) -> Any:
    if not isinstance(tool.kind, FunctionTool):
        return verbatim(tool.kind)
    function: dict[str, Any] = {"name": tool.kind.name}
    if tool.kind.description:
        function["description"] = tool.kind.description
    # `parameters` must be there, also for a tool that takes none
    function["parameters"] = orjson.Fragment(tool.kind.parameters_json_schema or '{"type":"object","properties":{}}')
    return {"type": "function", "function": function}


def _format(wanted: ResponseFormat | None) -> dict[str, Any]:
    match wanted:
        case JsonObjectFormat():
            return {"response_format": {"type": "json_object"}}
        case JsonSchemaFormat(schema=schema):  # always held to, so always strict; it has no name
            return {"response_format": {"type": "json_object", "json_schema": orjson.Fragment(schema)}}
        case _:
            return {}


def _thinking(reasoning: ReasoningOptions) -> dict[str, Any]:
    """Return how much to think: a budget, or not at all (Cohere's page "Reasoning"); it knows no degrees."""
    if reasoning.effort is ReasoningEffort.NONE or reasoning.budget_tokens == 0:
        return {"thinking": {"type": "disabled"}}
    if reasoning.effort is not None:
        raise cannot("a degree of effort")
    if reasoning.budget_tokens is not None:
        return {"thinking": {"type": "enabled", "token_budget": reasoning.budget_tokens}}
    return {}
