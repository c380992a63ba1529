"""Messages of a prompt as OpenAI-shaped messages.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from quickthorn_server.providers.media import base64, uri

NAME = "openai"


def messages(system: Iterable[Part], conversation: Iterable[Message]) -> list[dict[str, Any]]:
    """Return the whole conversation, *system* first.

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


def verbatim(block: ProviderBlock) -> orjson.Fragment:
    """Return a block of ours as the bytes it is.  Raises BackendError (UNSUPPORTED) for one of another provider."""
    if block.provider != NAME:
        raise _cannot(f"a block of {block.provider}")
    return orjson.Fragment(block.json)


def _user(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Return tool messages for tool results, then one user message.

    A tool message carries text only, and the tool messages of a turn must follow each other: what else a tool returned
    goes into the user message behind them.
    """
    results: list[dict[str, Any]] = []
    rest: list[Part] = []
    for part in parts:
        if isinstance(part.kind, ToolResult):
            texts = tuple(piece for piece in part.kind.parts if isinstance(piece.kind, Text))
            rest += (piece for piece in part.kind.parts if not isinstance(piece.kind, Text))
            results.append({"role": "tool", "tool_call_id": part.kind.tool_call_id, "content": _content(texts)})
        else:
            rest.append(part)
    return [*results, {"role": "user", "content": _content(rest)}] if rest or not results else results


def _assistant(parts: Iterable[Part]) -> dict[str, Any]:
    """Return an assistant's turn; its reasoning stays here, because this format does not take it back."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls = [_call(part.kind) for part in parts if isinstance(part.kind, ToolCall)]
    said = [part for part in parts if not isinstance(part.kind, ToolCall | Reasoning | Refusal)]
    refused = "".join(part.kind.text for part in parts if isinstance(part.kind, Refusal))
    if said:
        message["content"] = _content(said)
    if refused:
        message["refusal"] = refused
    if calls:
        message["tool_calls"] = calls
    return message


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments_json}
    return {"id": call.id, "type": "function", "function": function}


def _content(parts: Iterable[Part]) -> str | list[Any]:
    """Return one text as a string, which every server takes, and anything else as a list."""
    match tuple(parts):
        case ():
            return ""
        case (Part(kind=Text(text)),):
            return text
        case several:
            return [_item(part) for part in several]


def _item(part: Part) -> Any:
    match part.kind:
        case Text(text):
            return {"type": "text", "text": text}
        case Media() as media:
            return _MEDIA[media.kind](media)
        case ProviderBlock() as block:
            return verbatim(block)
        case other:
            raise _cannot(type(other).__name__)


def _image(media: Media) -> dict[str, Any]:
    if media.provider_file_id:
        return _file({"file_id": media.provider_file_id})
    image = {"url": uri(media)}
    if media.detail:
        image["detail"] = media.detail
    return {"type": "image_url", "image_url": image}


def _document(media: Media) -> dict[str, Any]:
    if media.provider_file_id:
        return _file({"file_id": media.provider_file_id})
    return _file({"filename": media.filename or "document", "file_data": uri(media)})


def _audio(media: Media) -> dict[str, Any]:
    if media.data is None:
        raise _cannot("audio by address")
    form = media.media_type.rpartition("/")[2].removeprefix("x-")
    sound = {"data": base64(media.data), "format": {"mpeg": "mp3", "wave": "wav"}.get(form, form)}
    return {"type": "input_audio", "input_audio": sound}


def _video(media: Media) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": uri(media)}}


def _file(file: dict[str, str]) -> dict[str, Any]:
    return {"type": "file", "file": file}


_MEDIA: dict[MediaKind, Callable[[Media], dict[str, Any]]] = {
    MediaKind.IMAGE: _image,
    MediaKind.DOCUMENT: _document,
    MediaKind.AUDIO: _audio,
    MediaKind.VIDEO: _video,
}


def _cannot(what: str) -> BackendError:
    return BackendError(Failure.UNSUPPORTED, f"chat completions cannot carry {what}")
