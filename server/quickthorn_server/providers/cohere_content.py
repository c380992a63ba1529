"""Messages of a prompt as Cohere's messages.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from quickthorn_server.core.content import (
    Media,
    MediaKind,
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
from quickthorn_server.providers.json_text import members
from quickthorn_server.providers.media import uri

NAME = "cohere"

PLAN = "tool_plan"
"""Why the model calls tools: a member of its message, and neither text nor thinking.  A block of this type is that
member: `{"tool_plan": "..."}`."""

_TEXTS = ("text/", "application/json")
_CITATION = frozenset({"start", "end", "text", "sources", "content_index", "type"})


def messages(system: Iterable[Part], conversation: Iterable[Message]) -> list[dict[str, Any]]:
    """Return the whole conversation, *system* first, without its documents.

    Raises BackendError (UNSUPPORTED) for what this format cannot carry; another provider may.
    """
    parts = tuple(system)
    written = [{"role": "system", "content": _content(parts)}] if parts else []
    for message in conversation:
        match message.role:
            case Role.SYSTEM:
                written.append({"role": "system", "content": _content(message.parts)})
            case Role.USER:
                written += _user(message.parts)
            case Role.ASSISTANT:
                written.append(_assistant(message.parts))
    return written


def documents(conversation: Iterable[Message]) -> list[dict[str, Any]]:
    """Return the documents in users' messages: Cohere takes them beside the messages, to cite from."""
    given = (part.kind for message in conversation for part in message.parts if _is_document(part))
    return [{"id": f"doc:{place}", **_document(media)} for place, media in enumerate(given) if isinstance(media, Media)]


def cannot(what: str) -> BackendError:
    """Return the error of a prompt with something in it that this format does not carry."""
    return BackendError(Failure.UNSUPPORTED, f"Cohere's chat cannot carry {what}")


def _user(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Return a tool message for each tool result, then one user message with the rest."""
    results: list[dict[str, Any]] = []
    rest: list[Part] = []
    for part in parts:
        if isinstance(part.kind, ToolResult):
            content = _content(part.kind.parts, _result_item)
            results.append({"role": "tool", "tool_call_id": part.kind.tool_call_id, "content": content})
        elif not _is_document(part):
            rest.append(part)
    return [*results, {"role": "user", "content": _content(rest)}] if rest or not results else results


def _assistant(parts: Iterable[Part]) -> dict[str, Any]:
    """Return an assistant's turn: what it said and thought, its plan, its calls and what it cited."""
    message: dict[str, Any] = {"role": "assistant"}
    said: list[Part] = []
    calls: list[dict[str, Any]] = []
    cited: list[orjson.Fragment] = []
    for part in parts:
        cited += (orjson.Fragment(each.provider_json) for each in part.citations if _is_ours(each.provider_json))
        match part.kind:
            case ToolCall() as call:
                calls.append(_call(call))
            case ProviderBlock(provider, kind, json) if (provider, kind) == (NAME, PLAN):
                message |= _plan(json)
            case _:
                said.append(part)
    if said:
        message["content"] = _content(said)
    if calls:
        message["tool_calls"] = calls
    if cited:
        message["citations"] = cited
    return message


def _is_ours(json: str) -> bool:
    """Say whether a citation is Cohere's: those of others it would refuse."""
    try:
        named = members(json).keys() if json else set[str]()
    except ValueError:
        return False
    return bool(named) and named <= _CITATION


def _plan(json: str) -> dict[str, orjson.Fragment]:
    try:
        return {name: orjson.Fragment(value) for name, value in members(json).items() if name == PLAN}
    except ValueError:
        raise BackendError(Failure.INVALID, "a tool plan is no JSON object") from None


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments_json}
    return {"id": call.id, "type": "function", "function": function}


def _content(parts: Iterable[Part], item: Any = None) -> str | list[Any]:
    match tuple(parts):
        case ():
            return ""
        case (Part(kind=Text(text)),):
            return text
        case several:
            return [(item or _item)(part) for part in several]


def _item(part: Part) -> Any:
    match part.kind:
        case Text(text) | Refusal(text):
            return {"type": "text", "text": text}
        case Reasoning(text):
            return {"type": "thinking", "thinking": text}
        case ProviderBlock() as block:
            return verbatim(block)
        case Media(kind=MediaKind.IMAGE, provider_file_id="") as image:
            return _image(image)
        case Media() as media:
            raise cannot(f"this {media.kind.value}")
        case other:
            raise cannot(type(other).__name__)


def _result_item(part: Part) -> Any:
    """Return a piece of a tool's result: text, or a document, which can be cited."""
    if _is_document(part) and isinstance(part.kind, Media):
        return {"type": "document", "document": _document(part.kind)}
    if isinstance(part.kind, Text | ProviderBlock):
        return _item(part)
    raise cannot("pictures in tool results")


def verbatim(block: ProviderBlock) -> orjson.Fragment:
    """Return a block of Cohere's as the bytes it is.  Raises BackendError (UNSUPPORTED) for one of another provider."""
    if block.provider != NAME:
        raise cannot(f"a block of {block.provider}")
    return orjson.Fragment(block.json)


def _image(media: Media) -> dict[str, Any]:
    image = {"url": uri(media)}
    if media.detail:
        image["detail"] = media.detail
    return {"type": "image_url", "image_url": image}


def _is_document(part: Part) -> bool:
    return isinstance(part.kind, Media) and part.kind.kind is MediaKind.DOCUMENT


def _document(media: Media) -> dict[str, Any]:
    """Return a document that is text; Cohere reads no other."""
    if media.data is None or not media.media_type.startswith(_TEXTS):
        raise cannot("a document that is no text, or that is not in the request")
    try:
        data = {"text": media.data.decode()}
    except UnicodeDecodeError:
        raise cannot("a document that is not UTF-8") from None
    return {"data": {"title": media.filename, **data} if media.filename else data}
