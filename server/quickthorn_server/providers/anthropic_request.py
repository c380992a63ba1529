"""A prompt as the body of a Messages request, JSON of the caller's byte for byte.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.claude import Claude, claude
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
from quickthorn_server.providers.anthropic_content import NAME, container, conversation, marked, verbatim
from quickthorn_server.providers.anthropic_errors import cannot
from quickthorn_server.providers.anthropic_thinking import effort, excluded, output_limit, thinking, turned_on
from quickthorn_server.providers.json_text import options

API_VERSION = "2023-06-01"
_WITHOUT_SAMPLING = "2026-10-21"  # "Migrating to API version 2026-10-21": no temperature, top_p, top_k from here on

_SAMPLING = frozenset({"temperature", "top_p", "top_k"})
_CHOICES = {ToolMode.AUTO: "auto", ToolMode.REQUIRED: "any", ToolMode.NONE: "none"}


class RequestForm:
    """What every request to one backend shares."""

    def __init__(self, backend: Backend) -> None:
        params = dict(backend.params)
        if "max_output_tokens" in params:
            params["max_tokens"] = params.pop("max_output_tokens")
        self._model = backend.model
        self._rules = claude(backend.model)
        self._sampling = self._rules.sampling and backend.options.get("api_version", API_VERSION) < _WITHOUT_SAMPLING
        self._limit: int | None = params.pop("max_tokens", None) or backend.options.get("max_output")
        self._output_config: Mapping[str, Any] = params.pop("output_config", None) or {}
        self._params = params

    def fields(self, prompt: Prompt, *, whole: bool) -> dict[str, Any]:
        """Return the members of the request's body.

        The backend's `params` fill what the prompt leaves open (null = leave the field out), except where thinking
        rules them out; the caller's provider options come last and win.  Raises BackendError: UNSUPPORTED for what this
        API, or this model, cannot carry, INVALID for options that are no JSON object.
        """
        head, turns = conversation(prompt.system, prompt.messages, system_turns=self._rules.system_turns)
        named = prompt.sampling.max_output_tokens
        limit = output_limit(self._limit if named is None else named, prompt.reasoning, self._rules)
        fields: dict[str, Any] = {"model": self._model, "max_tokens": limit, "messages": turns}
        fields["system"] = head or None
        fields["container"] = container(prompt.messages)
        if not whole:
            fields["stream"] = True
        fields |= self._params
        fields |= self._thinking(prompt, limit, fields)
        if prompt.prefill and turned_on(fields.get("thinking") or {}):
            fields["thinking"] = None  # a default: thinking stands before the answer, which has begun
        fields |= self._tunables(prompt.sampling)
        fields |= tools(prompt.tools, prompt.tool_choice)
        fields |= self._config(prompt)
        _check(fields, self._rules)
        fields = {name: value for name, value in fields.items() if value is not None}
        return fields | options(prompt.provider_options_json, NAME)

    def _thinking(self, prompt: Prompt, limit: int, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return `thinking`, and without it none of the defaults that it excludes."""
        mode = thinking(prompt.reasoning, self._rules, limit)
        if mode is None:
            return {}
        return {"thinking": mode} | (dict.fromkeys(_SAMPLING & fields.keys()) if turned_on(mode) else {})

    def _tunables(self, sampling: Sampling) -> dict[str, Any]:
        """Return the settings of the prompt; the one temperature that every model has is not worth a refusal."""
        given = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
        fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if not self._sampling and fields.pop("temperature", 1) != 1:
            raise cannot("a temperature for this model")
        if not self._sampling and fields:
            raise cannot(f"{' or '.join(fields)} for this model")
        if fields.get("temperature", 0) > 1:
            raise cannot("a temperature above 1")
        if sampling.stop:
            fields["stop_sequences"] = _stops(sampling.stop)
        for name in ("frequency_penalty", "presence_penalty", "seed"):
            if getattr(sampling, name) is not None:
                raise cannot(name)
        return fields

    def _config(self, prompt: Prompt) -> dict[str, Any]:
        config = dict(self._output_config)
        word = effort(prompt.reasoning, self._rules)
        if word is not None:
            config["effort"] = word
        config |= _format(prompt.response_format)
        return {"output_config": config} if config else {}


def tools(given: Iterable[Tool], choice: ToolChoice | None) -> dict[str, Any]:
    """Return `tools` and `tool_choice`; where there is nothing to choose from, the API takes no choice."""
    written = [_tool(tool) for tool in given]
    if not written:
        return {}
    fields: dict[str, Any] = {"tools": written}
    if choice is not None:
        fields["tool_choice"] = _choice(choice)
    return fields


def _choice(choice: ToolChoice) -> dict[str, Any] | None:
    if choice.mode is None and not choice.name and choice.parallel is None:
        return None
    chosen: dict[str, Any] = {"type": _CHOICES[choice.mode or ToolMode.AUTO]}
    if choice.name:
        chosen = {"type": "tool", "name": choice.name}
    if choice.parallel is not None and chosen["type"] != "none":
        chosen["disable_parallel_tool_use"] = not choice.parallel
    return chosen


def _tool(tool: Tool) -> Any:
    if not isinstance(tool.kind, FunctionTool):
        return verbatim(tool.kind, tool.cache)
    function: dict[str, Any] = {"name": tool.kind.name}
    if tool.kind.description:
        function["description"] = tool.kind.description
    function["input_schema"] = orjson.Fragment(tool.kind.parameters_json_schema or '{"type":"object"}')
    if tool.kind.strict is not None:
        function["strict"] = tool.kind.strict
    return {**function, **marked(tool.cache)}


def _format(wanted: ResponseFormat | None) -> dict[str, Any]:
    """Return `output_config.format`: always strict, and without a place for the schema's name and description."""
    match wanted:
        case JsonSchemaFormat(_, schema):
            return {"format": {"type": "json_schema", "schema": orjson.Fragment(schema)}}
        case JsonObjectFormat():
            raise cannot("JSON without a schema")
        case _:
            return {}


def _stops(stop: Iterable[str]) -> list[str]:
    given = list(stop)
    if any(not each.strip() for each in given):
        raise cannot("a stop sequence of nothing but white space")
    return given


def _check(fields: Mapping[str, Any], rules: Claude) -> None:
    """Refuse what the API would refuse: its answer would end the call, where another backend may do what is asked."""
    mode, choice = fields.get("thinking"), fields.get("tool_choice") or {}
    what = excluded(
        rules,
        thinks=isinstance(mode, Mapping) and turned_on(mode),
        forced=choice.get("type") in {"any", "tool"},
        temperature=fields.get("temperature"),
        top_p=fields.get("top_p"),
        top_k=fields.get("top_k"),
    )
    if what:
        raise cannot(what)
