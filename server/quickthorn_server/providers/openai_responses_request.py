"""A prompt as the body of a request to the Responses API, JSON of the caller's byte for byte.  Pure."""

from __future__ import annotations

from typing import Any

import orjson

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import Part, Text
from quickthorn_server.core.dialects import OPENAI, Dialect, cache_mark
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    Prompt,
    ReasoningOptions,
    ResponseFormat,
    Sampling,
    Tool,
    ToolChoice,
)
from quickthorn_server.providers.json_text import options
from quickthorn_server.providers.openai_content import NAME
from quickthorn_server.providers.openai_request import custom_names, function, schema
from quickthorn_server.providers.openai_responses_input import Items

_SEALED = "reasoning.encrypted_content"


class ResponseForm:
    """What every request to one backend shares.

    Nothing is stored there unless `params` say so: thinking comes back sealed, and goes with the next turn.
    """

    def __init__(self, backend: Backend, dialect: Dialect = OPENAI) -> None:
        self._model = backend.model
        self._dialect = dialect
        self._provider = backend.provider
        self._mark = cache_mark(dialect, backend.model, responses=True)
        self._thinks = "reasoning" in backend.capabilities
        self._params = dict(backend.params)

    def body(self, prompt: Prompt, *, whole: bool) -> bytes:
        """Return the request's body; see `RequestForm.body`."""
        items = Items(self._provider, self._mark)
        fields: dict[str, Any] = {"model": self._model, "store": False}
        fields |= _conversation(prompt, items)
        if not whole:
            fields["stream"] = True
        if self._thinks or prompt.reasoning != ReasoningOptions():
            fields["include"] = [_SEALED]  # refused by models that do not think
        fields |= self._params
        fields |= _tunables(prompt.sampling)
        fields |= _tools(prompt.tools, prompt.tool_choice, items)
        fields |= _format(prompt.response_format)
        fields |= self._thinking(prompt.reasoning)
        fields = {name: value for name, value in fields.items() if value is not None}
        fields |= options(prompt.provider_options_json, NAME, self._dialect.word)
        return orjson.dumps(fields)

    def _thinking(self, asked: ReasoningOptions) -> dict[str, Any]:
        if asked.budget_tokens is not None:
            raise _cannot("a thinking budget")
        fields: dict[str, Any] = {}
        if asked.effort is not None:
            fields["effort"] = self._dialect.efforts[asked.effort]
        if asked.show:
            fields["summary"] = "auto"
        return {"reasoning": {**(self._params.get("reasoning") or {}), **fields}} if fields else {}


def _conversation(prompt: Prompt, items: Items) -> dict[str, Any]:
    """Return the input, and the system text as `instructions` where it is one plain text."""
    match prompt.system:
        case ():
            return {"input": items.items(prompt.messages)}
        case (Part(kind=Text(text), cache=None),):
            return {"instructions": text, "input": items.items(prompt.messages)}
        case several:
            return {"input": [items.instruction(several), *items.items(prompt.messages)]}


def _tunables(sampling: Sampling) -> dict[str, Any]:
    refused = {
        "top_k": sampling.top_k,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "stop": sampling.stop or None,
    }
    for name, value in refused.items():
        if value is not None:
            raise _cannot(name)
    given = {
        "max_output_tokens": sampling.max_output_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    return {name: value for name, value in given.items() if value is not None}


def _tools(tools: tuple[Tool, ...], choice: ToolChoice | None, items: Items) -> dict[str, Any]:
    if not tools:
        return {}
    fields: dict[str, Any] = {"tools": [_tool(tool, items) for tool in tools]}
    if choice is not None and choice.name:
        kind = "custom" if choice.name in custom_names(tools) else "function"
        fields["tool_choice"] = {"type": kind, "name": choice.name}
    elif choice is not None and choice.mode is not None:
        fields["tool_choice"] = choice.mode.value
    if choice is not None and choice.parallel is not None:
        fields["parallel_tool_calls"] = choice.parallel
    return fields


def _tool(tool: Tool, items: Items) -> Any:
    if not isinstance(tool.kind, FunctionTool):
        return items.verbatim(tool.kind)
    return {"type": "function", "parameters": None, **function(tool.kind)}


def _format(wanted: ResponseFormat | None) -> dict[str, Any]:
    match wanted:
        case JsonObjectFormat():
            return {"text": {"format": {"type": "json_object"}}}
        case JsonSchemaFormat():
            return {"text": {"format": {"type": "json_schema", **schema(wanted)}}}
        case _:
            return {}


def _cannot(what: str) -> BackendError:
    return BackendError(Failure.UNSUPPORTED, f"the Responses API cannot carry {what}")
