"""A prompt as the body of a Converse request to Bedrock, JSON of the caller's byte for byte.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from quickthorn_server.core.bedrock_models import CLAUDE, family
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.claude import claude
from quickthorn_server.core.content import Message, ToolCall, ToolResult
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
    ToolMode,
)
from quickthorn_server.providers.anthropic_thinking import effort, excluded, output_limit, thinking, turned_on
from quickthorn_server.providers.bedrock_content import NAME, cache_point, cannot, conversation, verbatim
from quickthorn_server.providers.json_text import options

_INFERENCE = ("maxTokens", "temperature", "topP", "stopSequences")
_SAMPLING = frozenset({"temperature", "topP"})
_EFFORT: Mapping[ReasoningEffort | None, str] = {
    ReasoningEffort.MINIMAL: "low",
    ReasoningEffort.LOW: "low",
    ReasoningEffort.MEDIUM: "medium",
    ReasoningEffort.HIGH: "high",
    ReasoningEffort.MAX: "max",
}
"""Converse's words are low, medium, high, xhigh and max (its OutputConfig)."""

_OFF = {"type": "disabled"}
_NO_PARAMETERS = '{"type":"object","properties":{}}'
_MORE = "additionalModelRequestFields"


class RequestForm:
    """What every request to one backend shares."""

    def __init__(self, backend: Backend) -> None:
        names = (backend.model, backend.model_id)
        self._family = family(*names)
        self._rules = claude(" ".join(names)) if self._family == CLAUDE else None
        params = dict(backend.params)
        if "max_output_tokens" in params:
            params["maxTokens"] = params.pop("max_output_tokens")
        own = {name: params.pop(name) for name in _INFERENCE if name in params}
        self._inference = {**(params.pop("inferenceConfig", None) or {}), **own}
        self._more = dict(params.pop(_MORE, None) or {})
        self._params = params

    def body(self, prompt: Prompt) -> bytes:
        """Return the request's body.

        The backend's `params` fill what the prompt leaves open (null = leave the field out), except where thinking
        rules them out; the caller's provider options (`guardrailConfig`, `performanceConfig` ...) come last and win.
        Raises BackendError (UNSUPPORTED) for what this format, or this model, cannot carry.
        """
        system_turns = self._rules is not None and self._rules.system_turns
        head, turns = conversation(prompt.system, prompt.messages, system_turns=system_turns)
        special = self._special(prompt)
        self._check(prompt, special)
        fields: dict[str, Any] = {
            "messages": turns,
            "system": head or None,
            **self._params,
            "inferenceConfig": _known({**self._defaults(special), **_inference(prompt.sampling)}) or None,
            "toolConfig": _tools(prompt),
            "outputConfig": {**(self._params.get("outputConfig") or {}), **self._output(prompt)} or None,
            _MORE: _known({**self._more, **special}) or None,
        }
        if prompt.sampling.stop and self._rules is not None:
            fields["additionalModelResponseFieldPaths"] = ["/stop_sequence"]  # else it does not say which one it met
        return orjson.dumps(_known(fields) | options(prompt.provider_options_json, NAME))

    def _check(self, prompt: Prompt, special: Mapping[str, Any]) -> None:
        """Refuse what a Claude would refuse, so that another backend may do what is asked."""
        if self._rules is None:
            return
        sampling, choice = prompt.sampling, prompt.tool_choice if prompt.tools else None
        what = excluded(
            self._rules,
            thinks=turned_on({**self._more, **special}.get("thinking") or _OFF),
            forced=choice is not None and (bool(choice.name) or choice.mode is ToolMode.REQUIRED),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
        )
        if what:
            raise cannot(what)

    def _defaults(self, special: Mapping[str, Any]) -> dict[str, Any]:
        """Return the backend's settings, without those that a Claude which thinks refuses."""
        thinks = (special.get("thinking") or _OFF)["type"] != _OFF["type"]
        return {name: value for name, value in self._inference.items() if not (thinks and name in _SAMPLING)}

    def _special(self, prompt: Prompt) -> dict[str, Any]:
        """Return what Converse has no name for and hands on to the model in the model's own words."""
        top_k, reasoning = prompt.sampling.top_k, prompt.reasoning
        fields = {} if top_k is None else self._top_k(top_k)
        if self._rules is None:
            if reasoning.budget_tokens is not None:
                raise cannot("a thinking budget to this model")
            return fields
        named = prompt.sampling.max_output_tokens or self._inference.get("maxTokens")
        limit = output_limit(named, reasoning, self._rules)
        mode = thinking(reasoning, self._rules, limit)
        if mode is None and prompt.prefill:
            return {**fields, "thinking": None}  # not even as a default: it stands before the answer, which has begun
        return fields if mode is None else {**fields, "thinking": mode}

    def _top_k(self, top_k: int) -> dict[str, Any]:
        match self._family:
            case "claude" | "mistral":
                return {"top_k": top_k}
            case "nova":
                return {"inferenceConfig": {"topK": top_k}}
            case "cohere":
                return {"k": top_k}
            case _:
                raise cannot("top_k to this model")

    def _output(self, prompt: Prompt) -> dict[str, Any]:
        """Return the schema of the answer and the degree of effort, in Claude's words or in Converse's own."""
        asked = prompt.reasoning
        word = _EFFORT.get(asked.effort) if self._rules is None else effort(asked, self._rules)
        return _format(prompt.response_format) | ({} if word is None else {"effort": word})


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _inference(sampling: Sampling) -> dict[str, Any]:
    return _known(
        {
            "maxTokens": sampling.max_output_tokens,
            "temperature": sampling.temperature,
            "topP": sampling.top_p,
            "stopSequences": sampling.stop or None,
        }
    )


def _tools(prompt: Prompt) -> dict[str, Any] | None:
    """Return the tools, or None.

    Converse has no word for "call none".  Tools that are not there are not called; but it demands them where the
    conversation has used some, and then nothing of ours can keep the model from calling them.
    """
    if not prompt.tools:
        return None
    choice = prompt.tool_choice
    if choice is not None and choice.parallel is False:
        raise cannot("one tool call at a time")
    if choice is not None and choice.mode is ToolMode.NONE:
        if any(_used_tools(message) for message in prompt.messages):
            raise cannot("tools that must not be called, once some were")
        return None
    config: dict[str, Any] = {"tools": [block for tool in prompt.tools for block in _tool(tool)]}
    return config | _choice(choice)


def _used_tools(message: Message) -> bool:
    return any(isinstance(part.kind, ToolCall | ToolResult) for part in message.parts)


def _choice(choice: ToolChoice | None) -> dict[str, Any]:
    match choice:
        case ToolChoice(name=name) if name:
            return {"toolChoice": {"tool": {"name": name}}}
        case ToolChoice(mode=ToolMode.REQUIRED):
            return {"toolChoice": {"any": {}}}
        case ToolChoice(mode=ToolMode.AUTO):
            return {"toolChoice": {"auto": {}}}
        case _:
            return {}


def _tool(tool: Tool) -> Iterator[Any]:
    if isinstance(tool.kind, FunctionTool):
        described: dict[str, Any] = {"name": tool.kind.name}
        if tool.kind.description:
            described["description"] = tool.kind.description
        described["inputSchema"] = {"json": orjson.Fragment(tool.kind.parameters_json_schema or _NO_PARAMETERS)}
        if tool.kind.strict is not None:
            described["strict"] = tool.kind.strict
        yield {"toolSpec": described}
    else:
        yield verbatim(tool.kind)
    yield from cache_point(tool.cache)


def _format(wanted: ResponseFormat | None) -> dict[str, Any]:
    """Return the schema the answer is held to; Converse takes it as a string, and has no "any object"."""
    match wanted:
        case JsonObjectFormat():
            raise cannot("JSON without a schema")
        case JsonSchemaFormat(name, schema, description):
            described = {"name": name, "schema": schema}
            if description:
                described["description"] = description
            return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": described}}}
        case _:
            return {}
