"""Messages of a prompt as Bedrock's Converse messages.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from quickthorn_server.core.content import (
    CacheHint,
    Media,
    Message,
    Part,
    ProviderBlock,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.bedrock_media import Documents, media_block
from quickthorn_server.providers.json_text import members
from quickthorn_server.providers.media import base64

NAME = "bedrock"

SIGNATURE, REDACTED = "signature", "redacted"
"""What the opaque state of a piece of thinking is: the signature of its words, or the thinking itself, encrypted."""

_CITATION = {"title", "source", "sourceContent", "location"}
_LONG = "1h"
_SHORT_SECONDS = 300


def conversation(
    system: Iterable[Part], messages: Iterable[Message], *, system_turns: bool
) -> tuple[list[Any], list[dict[str, Any]]]:
    """Return the blocks of the top-level `system`, and the turns.

    Neighbours of one role become one turn, because Bedrock wants them to alternate.  A system message between turns
    stays where it is if the model takes *system_turns*, and stands between a user's turn and the assistant's.
    Elsewhere it joins `system`: its authority matters more than its place.
    Raises BackendError (UNSUPPORTED) for what this format cannot carry; another provider may.
    """
    documents = Documents()
    head, turns, waiting = _system(system), list[dict[str, Any]](), list[Any]()
    for message in messages:
        if message.role is Role.SYSTEM:
            waiting += _system(message.parts)
            continue
        if message.role is Role.ASSISTANT:
            _place(waiting, head, turns, system_turns=system_turns)
        blocks = _blocks(message, documents)
        if turns and turns[-1]["role"] == message.role.value:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": message.role.value, "content": blocks})
    _place(waiting, head, turns, system_turns=system_turns)
    return head, turns


def _place(waiting: list[Any], head: list[Any], turns: list[dict[str, Any]], *, system_turns: bool) -> None:
    if waiting and system_turns and turns and turns[-1]["role"] == Role.USER.value:
        turns.append({"role": Role.SYSTEM.value, "content": waiting[:]})
    else:
        head += waiting
    waiting.clear()


def _system(parts: Iterable[Part]) -> list[Any]:
    """Return a system prompt.  Raises BackendError (UNSUPPORTED) for anything but text and blocks of Bedrock's."""
    written: list[Any] = []
    for part in parts:
        match part.kind:
            case Text(text):
                written.append({"text": text})
            case ProviderBlock() as block:
                written.append(verbatim(block))
            case other:
                raise cannot(f"{type(other).__name__} in a system prompt")
        written += cache_point(part.cache)
    return written


def verbatim(block: ProviderBlock) -> orjson.Fragment:
    """Return a block of ours as the bytes it is.  Raises BackendError (UNSUPPORTED) for one of another provider."""
    if block.provider != NAME:
        raise cannot(f"a block of {block.provider}")
    return orjson.Fragment(block.json)


def cache_point(hint: CacheHint | None) -> list[dict[str, Any]]:
    """Return the mark behind what is worth keeping, its time rounded up to one that Bedrock sells, or its longest."""
    if hint is None:
        return []
    point = {"type": "default"}
    if hint.ttl is not None:
        point["ttl"] = "5m" if hint.ttl <= _SHORT_SECONDS else _LONG
    return [{"cachePoint": point}]


def cannot(what: str) -> BackendError:
    """Return the error of a prompt with something in it that this format does not carry."""
    return BackendError(Failure.UNSUPPORTED, f"Bedrock's Converse cannot carry {what}")


def _blocks(message: Message, documents: Documents) -> list[Any]:
    written: list[Any] = []
    for part in message.parts:
        written += _thought(part) if isinstance(part.kind, Reasoning) else [_block(part, documents)]
        written += cache_point(part.cache)
    return written


def _block(part: Part, documents: Documents) -> Any:
    match part.kind:
        case Text(text) if cited := _cited(part):
            return {"citationsContent": {"content": [{"text": text}], "citations": cited}}
        case Text(text) | Refusal(text):
            return {"text": text}
        case Media() as media:
            return media_block(media, documents)
        case ToolCall() as call:
            return {"toolUse": {"toolUseId": call.id, "name": call.name, "input": _input(call)}}
        case ToolResult() as result:
            return _result(result, documents)
        case ProviderBlock() as block:
            return verbatim(block)
        case other:
            raise cannot(type(other).__name__)


def _thought(part: Part) -> list[dict[str, Any]]:
    """Return thinking that Bedrock can tell for its own: what is not signed stays here, because models refuse it."""
    state = part.opaque
    if state is None or state.provider != NAME or not isinstance(part.kind, Reasoning):
        return []
    if state.item_id == REDACTED:
        return [{"reasoningContent": {"redactedContent": base64(state.data)}}]
    words = {"text": part.kind.text, "signature": state.data.decode(errors="replace")}
    return [{"reasoningContent": {"reasoningText": words}}]


def _result(result: ToolResult, documents: Documents) -> dict[str, Any]:
    """Return a tool's result; only a failed one says how it went, because not every model takes a status."""
    written: dict[str, Any] = {"toolUseId": result.tool_call_id}
    written["content"] = [_block(part, documents) for part in result.parts]
    if result.is_error:
        written["status"] = "error"
    return {"toolResult": written}


def _input(call: ToolCall) -> Any:
    """Return a call's arguments byte for byte; what is no object, which is all that Bedrock takes, stands in one."""
    arguments = call.arguments_json or "{}"
    try:
        if isinstance(orjson.loads(arguments), dict):
            return orjson.Fragment(arguments)
    except orjson.JSONDecodeError:
        pass  # a model wrote it: it may have been cut short
    return {"INVALID_JSON": arguments}


def _cited(part: Part) -> list[orjson.Fragment]:
    """Return a text's citations as Bedrock gave them; those of others are not for its eyes."""
    return [orjson.Fragment(each.provider_json) for each in part.citations if _is_ours(each.provider_json)]


def _is_ours(json: str) -> bool:
    try:
        return bool(json) and members(json).keys() <= _CITATION
    except ValueError:
        return False
