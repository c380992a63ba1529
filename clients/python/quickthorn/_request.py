"""Requests from keyword fields: a plain prompt is enough, and nothing of the contract is out of reach."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from quickthorn._fields import (
    CallOptions,
    CompletionFields,
    Content,
    EmbeddingInputs,
    EmbedFields,
    Json,
    MessageLike,
    Messages,
    SamplingFields,
    ToolLike,
)
from quickthorn.v1.completion_pb2 import CompletionRequest
from quickthorn.v1.content_pb2 import Message, Part, Role, ToolCall, ToolResult
from quickthorn.v1.embedding_pb2 import EmbeddingInput, EmbedRequest
from quickthorn.v1.options_pb2 import JsonSchemaFormat, ReasoningOptions, ResponseFormat, Sampling
from quickthorn.v1.tool_pb2 import FunctionTool, Tool, ToolChoice

_CALL = CallOptions.__optional_keys__
_FLAT = SamplingFields.__optional_keys__
_ROLES = {"user": Role.ROLE_USER, "assistant": Role.ROLE_ASSISTANT, "system": Role.ROLE_SYSTEM}
_MODES = {"auto": "TOOL_MODE_AUTO", "none": "TOOL_MODE_NONE", "required": "TOOL_MODE_REQUIRED"}


def completion_request(messages: Messages | CompletionRequest, fields: CompletionFields) -> CompletionRequest:
    """Return the request.  Raises TypeError or ValueError for what cannot be one; the server checks the rest."""
    given = _given(fields, CompletionFields.__optional_keys__)
    if isinstance(messages, CompletionRequest):
        _refuse_beside_whole(given)
        return messages
    if flat := {name: given.pop(name) for name in sorted(given.keys() & _FLAT)}:
        given["sampling"] = _sampling(given.get("sampling"), flat)
    if "json_schema" in given:
        if "response_format" in given:
            raise TypeError("json_schema is short for response_format; give one of them")
        given["response_format"] = _schema_format(given.pop("json_schema"))
    return CompletionRequest(messages=_messages(messages), **_written(given))


def embed_request(inputs: EmbeddingInputs | EmbedRequest, fields: EmbedFields) -> EmbedRequest:
    """Return the request.  Raises TypeError or ValueError for what cannot be one; the server checks the rest."""
    given = _given(fields, EmbedFields.__optional_keys__)
    if isinstance(inputs, EmbedRequest):
        _refuse_beside_whole(given)
        return inputs
    several = [inputs] if isinstance(inputs, str) else inputs
    texts = [EmbeddingInput(text=each) if isinstance(each, str) else each for each in several]
    return EmbedRequest(inputs=texts, **_written(given))


def tool_result(call: ToolCall | str, content: Content, *, is_error: bool = False) -> Part:
    """Return what a tool gave back, as a part of the next USER message.

    *call* is the ToolCall that it answers, or its id.  Answer several calls by several parts of one message.
    """
    call_id = call if isinstance(call, str) else call.id
    return Part(tool_result=ToolResult(tool_call_id=call_id, parts=_parts(content), is_error=is_error))


def _given(fields: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Return the request's own fields that are not left out.  Raises TypeError for a name that does not exist."""
    for name in fields.keys() - set(known):
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise TypeError(f"there is no field {name}{hint}")
    return {name: value for name, value in fields.items() if value is not None and name not in _CALL}


def _refuse_beside_whole(given: dict[str, Any]) -> None:
    if given:
        raise TypeError(f"a whole request takes no fields beside it: {', '.join(sorted(given))}")


def _written(given: dict[str, Any]) -> dict[str, Any]:
    """Return *given* with plain values turned into messages where protobuf would not do it."""
    return {name: _WRITERS[name](value) if name in _WRITERS else value for name, value in given.items()}


def _messages(given: Messages) -> list[Message]:
    if isinstance(given, str):
        return [Message(role=Role.ROLE_USER, parts=_parts(given))]
    return [given] if isinstance(given, Message) else [_message(each) for each in given]


def _message(given: MessageLike) -> Message:
    match given:
        case Message():
            return given
        case (str(role), content):
            return _turn(role, content)
        case {"role": str(role), "content": content} if len(given) == 2:  # noqa: PLR2004 - those two and nothing else
            return _turn(role, content)
        case _:
            raise TypeError(
                'a message is a Message, a pair such as ("user", "Hello"), or a mapping of role and content'
            )


def _turn(role: str, content: Content) -> Message:
    if role not in _ROLES:
        raise ValueError(f'there is no role "{role}"; use user, assistant or system')
    return Message(role=_ROLES[role], parts=_parts(content))


def _parts(content: Content) -> list[Part]:
    several = [content] if isinstance(content, str | Part) else content
    return [Part(text=each) if isinstance(each, str) else each for each in several]


def _sampling(given: Sampling | Mapping[str, Any] | None, flat: dict[str, Any]) -> Sampling:
    """Return *given* with the *flat* fields put over it."""
    sampling = Sampling(**given) if isinstance(given, Mapping) else Sampling()
    if isinstance(given, Sampling):
        sampling.CopyFrom(given)
    if "stop" in flat:
        sampling.ClearField("stop")
        flat["stop"] = [flat["stop"]] if isinstance(flat["stop"], str) else flat["stop"]
    sampling.MergeFrom(Sampling(**flat))
    return sampling


def _tools(given: Sequence[ToolLike]) -> list[Tool]:
    return [_tool(each) for each in given]


def _tool(given: ToolLike) -> Tool:
    if isinstance(given, Tool):
        return given
    return Tool(function=given if isinstance(given, FunctionTool) else _function_tool(**given))


def _function_tool(
    *, name: str, description: str = "", parameters: Json | None = None, strict: bool | None = None
) -> FunctionTool:
    tool = FunctionTool(name=name, description=description)
    if parameters is not None:
        tool.parameters_json_schema = _json_text(parameters)
    if strict is not None:
        tool.strict = strict
    return tool


def _tool_choice(given: ToolChoice | str) -> ToolChoice:
    if isinstance(given, ToolChoice):
        return given
    return ToolChoice(mode=_MODES[given]) if given in _MODES else ToolChoice(name=given)


def _schema_format(schema: Json) -> ResponseFormat:
    return ResponseFormat(json_schema=JsonSchemaFormat(schema=_json_text(schema)))


def _reasoning(given: ReasoningOptions | str) -> ReasoningOptions:
    return ReasoningOptions(effort=f"REASONING_EFFORT_{given.upper()}") if isinstance(given, str) else given


def _options_json(given: Mapping[str, Json]) -> dict[str, str]:
    return {provider: _json_text(options) for provider, options in given.items()}


def _json_text(given: Json) -> str:
    if isinstance(given, str):
        return given
    return json.dumps(given, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


_WRITERS: dict[str, Callable[[Any], Any]] = {
    "system": _parts,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "reasoning": _reasoning,
    "provider_options_json": _options_json,
}
