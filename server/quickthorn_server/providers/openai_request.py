"""A prompt as the body of a chat completions request, JSON of the caller's byte for byte.  Pure."""

from __future__ import annotations

from typing import Any

import orjson

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import ProviderBlock
from quickthorn_server.core.dialects import Dialect, dialect_of
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.features import Feature
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
)
from quickthorn_server.providers.json_text import options
from quickthorn_server.providers.openai_content import NAME, Turns, cache_end

_LIMITS = ("max_completion_tokens", "max_tokens")
"""The two names of one limit: the first is OpenAI's own, the second everybody else's."""


class RequestForm:
    """What every request to one backend shares."""

    def __init__(self, backend: Backend, dialect: Dialect | None = None) -> None:
        self._model = backend.model
        self._dialect = dialect or dialect_of(backend.provider, backend.base_url)
        self._turns = Turns(self._dialect, backend.model)
        self._params = dict(backend.params)
        self._limit = _limit_name(backend, self._dialect)
        if "max_output_tokens" in self._params:
            self._params[self._limit] = self._params.pop("max_output_tokens")

    def body(self, prompt: Prompt, *, whole: bool) -> bytes:
        """Return the request's body.

        The backend's `params` fill what the prompt leaves open (null = leave the field out); the caller's provider
        options come last and win.  Raises BackendError (UNSUPPORTED) for what this format cannot carry.
        """
        fields: dict[str, Any] = {
            "model": self._model,
            "messages": self._turns.messages(prompt.system, prompt.messages),
        }
        if prompt.prefill:
            fields["messages"][-1] |= {"prefix": True} if self._dialect.prefix else {}
            fields |= self._dialect.begins
        if not whole:
            fields["stream"] = True
            if self._dialect.asks_usage:
                fields["stream_options"] = {"include_usage": True}
        fields |= self._params
        fields |= self._tunables(prompt.sampling)
        if prompt.tools:
            fields |= self._tools(prompt.tools, prompt.tool_choice)
        if prompt.response_format is not None:
            fields |= _format(prompt.response_format, self._dialect)
        if prompt.reasoning.effort is not None or prompt.reasoning.budget_tokens is not None:
            fields |= thinking(prompt.reasoning, self._dialect)
        fields = {name: value for name, value in fields.items() if value is not None}
        if prompt.provider_options_json:
            fields |= options(prompt.provider_options_json, NAME, self._dialect.word)
        return orjson.dumps(fields)

    def _tunables(self, sampling: Sampling) -> dict[str, Any]:
        given = {
            self._limit: sampling.max_output_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "frequency_penalty": sampling.frequency_penalty,
            "presence_penalty": sampling.presence_penalty,
            "seed": sampling.seed,
            "stop": sampling.stop or None,
        }
        names = self._dialect.names
        return {names.get(name, name): value for name, value in given.items() if value is not None}

    def _tools(self, tools: tuple[Tool, ...], choice: ToolChoice | None) -> dict[str, Any]:
        fields: dict[str, Any] = {"tools": [self._tool(tool) for tool in tools]}
        if choice is not None and choice.name:
            kind = "custom" if choice.name in custom_names(tools) else "function"
            fields["tool_choice"] = {"type": kind, kind: {"name": choice.name}}
        elif choice is not None and choice.mode is not None:
            fields["tool_choice"] = choice.mode.value
        if choice is not None and choice.parallel is not None:
            fields["parallel_tool_calls"] = choice.parallel
        return fields

    def _tool(self, tool: Tool) -> Any:
        if not isinstance(tool.kind, FunctionTool):
            return self._turns.verbatim(tool.kind)
        written = {"type": "function", "function": function(tool.kind)}
        if tool.cache is not None and Feature.CACHE_HINTS in self._dialect.has:
            written |= cache_end("cache_control", tool.cache)
        return written


def function(tool: FunctionTool) -> dict[str, Any]:
    """Return what describes a function, its schema byte for byte."""
    described: dict[str, Any] = {"name": tool.name}
    if tool.description:
        described["description"] = tool.description
    if tool.parameters_json_schema:
        described["parameters"] = orjson.Fragment(tool.parameters_json_schema)
    if tool.strict is not None:
        described["strict"] = tool.strict
    return described


def schema(form: JsonSchemaFormat) -> dict[str, Any]:
    """Return what describes an answer's form, its schema byte for byte."""
    described: dict[str, Any] = {"name": form.name, "schema": orjson.Fragment(form.schema)}
    if form.description:
        described["description"] = form.description
    if form.strict is not None:
        described["strict"] = form.strict
    return described


def custom_names(tools: tuple[Tool, ...]) -> set[str]:
    """Return the names of custom tools, as chat completions and the Responses API hold them."""
    names = set()
    for tool in tools:
        if isinstance(tool.kind, ProviderBlock) and tool.kind.type == "custom":
            try:
                block = orjson.loads(tool.kind.json)
                names.add(str(block.get("custom", block)["name"]))
            except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
                raise BackendError(Failure.INVALID, "a custom tool without a name") from None
    return names


def thinking(asked: ReasoningOptions, dialect: Dialect) -> dict[str, Any]:
    """Return how much is to be thought, where the dialect keeps it.

    Servers that have both words and numbers take one of them only: the number says more.
    """
    if asked.budget_tokens is not None:
        if not dialect.budget:
            raise BackendError(Failure.UNSUPPORTED, f"{dialect.word} has no thinking budget")
        return _placed(dialect.budget, asked.budget_tokens)
    if asked.effort is ReasoningEffort.NONE and dialect.off is not None:
        return dict(dialect.off)
    return _placed(dialect.effort, dialect.efforts[asked.effort]) if asked.effort is not None else {}


def _placed(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    found: dict[str, Any] = value
    return found


def _limit_name(backend: Backend, dialect: Dialect) -> str:
    """Return how this backend calls the output limit: as its `params` do, or else as its dialect does."""
    return next((name for name in _LIMITS if name in backend.params), dialect.limit)


def _format(wanted: ResponseFormat | None, dialect: Dialect) -> dict[str, Any]:
    match wanted:
        case JsonObjectFormat():
            return {"response_format": {"type": "json_object"}}
        case JsonSchemaFormat() if not dialect.schemas:
            raise BackendError(Failure.UNSUPPORTED, f"{dialect.word} takes no JSON schema")
        case JsonSchemaFormat():
            return {"response_format": {"type": "json_schema", "json_schema": schema(wanted)}}
        case _:
            return {}
