"""Messages of a prompt as the Messages API words them.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from quickthorn_server.core.content import (
    CacheHint,
    Citation,
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
from quickthorn_server.providers.anthropic_errors import cannot
from quickthorn_server.providers.anthropic_media import media_block
from quickthorn_server.providers.failure_words import json_of
from quickthorn_server.providers.json_text import members

NAME = "anthropic"
REDACTED = "redacted_thinking"
"""The `OpaqueState.item_id` of thinking that is encrypted as a whole; that of a signature is empty."""

CONTAINER = "container"
"""Where the provider ran code, as a block of an answer: sent back with the answer to a call from in there."""

LOCATIONS = frozenset(
    {
        "char_location",
        "page_location",
        "content_block_location",
        "search_result_location",
        "web_search_result_location",
    }
)
"""The kinds of citations.  What comes under another word is not Anthropic's, and is not sent back."""

_FIVE_MINUTES = 300


def conversation(
    system: Iterable[Part], messages: Iterable[Message], *, system_turns: bool
) -> tuple[list[Any], list[dict[str, Any]]]:
    """Return the blocks of the top-level `system`, and the turns.

    An instruction in the middle stays there where the model takes it: behind the user's turns that follow it, before
    the assistant speaks ("Mid-conversation system messages", limitations).  Elsewhere it joins `system`: its authority
    is kept and its place is not.  Raises BackendError (UNSUPPORTED) for what this API cannot carry.
    """
    head, turns, waiting = _blocks(system), list[dict[str, Any]](), list[Any]()

    def place() -> None:
        if waiting and system_turns and turns and turns[-1]["role"] == "user":
            turns.append({"role": "system", "content": waiting[:]})
        else:
            head.extend(waiting)
        waiting.clear()

    for message in messages:
        content = _content(message)
        if message.role is Role.SYSTEM:
            waiting += content
        elif content:  # a turn of which nothing is left would be refused
            if message.role is Role.ASSISTANT or not turns:
                place()
            turns.append({"role": message.role.value, "content": content})
    place()
    return head, turns


def container(messages: Sequence[Message]) -> str | None:
    """Return the identifier of the container that the last answer ran code in, if it did."""
    last = next((message for message in reversed(messages) if message.role is Role.ASSISTANT), None)
    for part in last.parts if last is not None else ():
        if isinstance(part.kind, ProviderBlock) and (part.kind.provider, part.kind.type) == (NAME, CONTAINER):
            found = json_of(part.kind.json.encode())
            known = found.get("id") if isinstance(found, dict) else None
            return known if isinstance(known, str) else None
    return None


def verbatim(block: ProviderBlock, cache: CacheHint | None = None) -> Any:
    """Return a block of Anthropic's as the bytes it is, marked for the cache where that is asked.

    Raises BackendError: UNSUPPORTED for one of another provider, INVALID for one that is no JSON object.
    """
    if block.provider != NAME:
        raise cannot(f"a block of {block.provider}")
    if cache is None:
        return orjson.Fragment(block.json)
    try:
        given = members(block.json)
    except ValueError:
        raise BackendError(Failure.INVALID, "a provider block is no JSON object") from None
    return {**_fragments(given), **marked(cache)}


def marked(cache: CacheHint | None) -> dict[str, Any]:
    """Return the mark of a cache hint: the shorter of the two lifetimes that lasts as long, at most an hour."""
    if cache is None:
        return {}
    mark = {"type": "ephemeral"}
    if cache.ttl is not None:
        mark["ttl"] = "5m" if cache.ttl <= _FIVE_MINUTES else "1h"
    return {"cache_control": mark}


def _content(message: Message) -> list[Any]:
    """Return a turn's blocks; results of tools come first, as the API demands of the turn behind a call."""
    if message.role is Role.USER:
        results = [part for part in message.parts if isinstance(part.kind, ToolResult)]
        rest = (part for part in message.parts if not isinstance(part.kind, ToolResult))
        return _blocks([*results, *rest])
    return _blocks(message.parts, said=message.role is Role.ASSISTANT)


def _blocks(parts: Iterable[Part], *, said: bool = False) -> list[Any]:
    """Return the blocks of *parts*; *said*: by the assistant, so that sources belong to its words."""
    written = (_block(part, said=said) for part in parts)
    return [block for block in written if block is not None]


def _block(part: Part, *, said: bool) -> Any:
    """Return one block, None for what says nothing: the API refuses text of nothing but white space."""
    match part.kind:
        case Text(text) | Refusal(text):
            cited = _sources(part.citations) if said else {}
            return {"type": "text", "text": text, **cited, **marked(part.cache)} if text.strip() else None
        case Media() as media:
            return {**media_block(media), **marked(part.cache)}
        case ToolCall() as call:
            return {**_call(call), **_extra(part), **marked(part.cache)}
        case ToolResult() as result:
            return {**_result(result), **marked(part.cache)}
        case Reasoning(text):
            return _thinking(part, text)
        case ProviderBlock() as block:
            return None if block.type == CONTAINER and block.provider == NAME else verbatim(block, part.cache)
        case None:
            raise cannot("a part without a kind")


def _thinking(part: Part, text: str) -> dict[str, str] | None:
    """Return thinking that this API has signed; any other it would refuse.  It cannot be marked for the cache."""
    if part.opaque is None or part.opaque.provider != NAME:
        return None
    data = part.opaque.data.decode(errors="replace")
    if part.opaque.item_id == REDACTED:
        return {"type": REDACTED, "data": data}
    return {"type": "thinking", "thinking": text, "signature": data}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": _input(call)}


def _input(call: ToolCall) -> Any:
    """Return a call's arguments byte for byte; what is no object is wrapped ("Fine-grained tool streaming")."""
    if not call.arguments_json:
        return {}
    try:
        if isinstance(orjson.loads(call.arguments_json), dict):
            return orjson.Fragment(call.arguments_json)
    except orjson.JSONDecodeError:
        pass  # a model wrote it: it may have been cut short
    return {"INVALID_JSON": call.arguments_json}


def _extra(part: Part) -> dict[str, Any]:
    """Return the members of a call that we have no word for, as they came with it: `caller`, `toolset_name`."""
    if part.opaque is None or part.opaque.provider != NAME:
        return {}
    try:
        return _fragments(members(part.opaque.data.decode()))
    except ValueError:
        raise BackendError(Failure.INVALID, "the state of a tool call is not what was given out") from None


def _result(result: ToolResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.tool_call_id}
    content = _blocks(result.parts)
    if content:
        block["content"] = content
    if result.is_error:
        block["is_error"] = True
    return block


def _sources(citations: Iterable[Citation]) -> dict[str, Any]:
    """Return the sources that this API gave: it wants those of web searches back."""
    ours = [orjson.Fragment(each.provider_json) for each in citations if _is_ours(each.provider_json)]
    return {"citations": ours} if ours else {}


def _is_ours(provider_json: str) -> bool:
    try:
        source = orjson.loads(provider_json) if provider_json else None
    except orjson.JSONDecodeError:
        return False
    return isinstance(source, dict) and source.get("type") in LOCATIONS


def _fragments(given: Mapping[str, str]) -> dict[str, Any]:
    return {name: orjson.Fragment(value) for name, value in given.items()}
