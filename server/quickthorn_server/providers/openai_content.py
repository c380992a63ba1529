"""Messages of a prompt as OpenAI-shaped messages.  Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import orjson

from quickthorn_server.core.content import (
    CacheHint,
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
from quickthorn_server.core.dialects import OPENAI, Dialect, cache_mark
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.features import Feature
from quickthorn_server.providers.json_text import given_out
from quickthorn_server.providers.media import base64, uri

NAME = "openai"

CUSTOM = b"custom"
"""The state of a call of a custom tool: its arguments are free text, and it goes back as what it was."""
TRANSCRIPT = b"transcript"
"""The state of a text that is the words of an audio part: the provider has them by that part's identifier."""
LEGACY = "function_call:"
"""Begins the identifier of a call of the kind that tool calls replaced in 2023: those have none, only a name."""

NOTES = frozenset({"logprobs", "content_filter_results"})
"""Types of blocks that tell of an answer and are no part of the conversation."""

_CACHE_MINUTES = 300.0
_SHORT = re.compile(r"[A-Za-z0-9]{9}")


class Turns:
    """Writes conversations in one dialect.

    Instructions are said by the system: OpenAI reads that as the developer's word where a model knows that role.
    """

    def __init__(self, dialect: Dialect = OPENAI, model: str = "") -> None:
        self._dialect = dialect
        self._mark = cache_mark(dialect, model)

    def messages(self, system: Iterable[Part], conversation: Iterable[Message]) -> list[dict[str, Any]]:
        """Return the whole conversation, *system* first.

        Raises BackendError (UNSUPPORTED) for what this format cannot carry; another provider may.
        """
        parts = tuple(system)
        written = [{"role": "system", "content": self._content(parts)}] if parts else []
        for message in conversation:
            match message.role:
                case Role.SYSTEM:
                    # Where instructions must come first, the nearest thing is to be told by the user.
                    role = "system" if self._dialect.system_anywhere else "user"
                    written.append({"role": role, "content": self._content(message.parts)})
                case Role.USER:
                    written += self._user(message.parts)
                case Role.ASSISTANT:
                    written.append(self._assistant(message.parts))
        return written

    def verbatim(self, block: ProviderBlock) -> orjson.Fragment:
        """Return a block of ours as the bytes it is.  Raises BackendError (UNSUPPORTED) for another provider's."""
        if block.provider not in {NAME, self._dialect.word}:
            raise _cannot(f"a block of {block.provider}")
        return orjson.Fragment(block.json)

    def _cached(self, part: Part) -> dict[str, Any]:
        """Return the cache mark of *part*, where there is one and the model knows any."""
        return cache_end(self._mark, part.cache) if part.cache is not None else {}

    def _user(self, parts: Iterable[Part]) -> list[dict[str, Any]]:
        """Return tool messages for tool results, then one user message.

        A tool message carries text only, and the tool messages of a turn must follow each other: what else a tool
        returned goes into the user message behind them.
        """
        results: list[dict[str, Any]] = []
        rest: list[Part] = []
        for part in parts:
            if isinstance(part.kind, ToolResult):
                texts = tuple(piece for piece in part.kind.parts if isinstance(piece.kind, Text))
                rest += (piece for piece in part.kind.parts if not isinstance(piece.kind, Text))
                results.append({**self._answers(part.kind.tool_call_id), "content": self._content(texts)})
            else:
                rest.append(part)
        return [*results, {"role": "user", "content": self._content(rest)}] if rest or not results else results

    def _answers(self, call_id: str) -> dict[str, Any]:
        if call_id.startswith(LEGACY):
            return {"role": "function", "name": call_id.removeprefix(LEGACY)}
        return {"role": "tool", "tool_call_id": self._id(call_id)}

    def _assistant(self, parts: Iterable[Part]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None}
        said: list[Part] = []
        calls: list[Part] = []
        thoughts: list[Part] = []
        for part in parts:
            match part.kind:
                case ToolCall():
                    calls.append(part)
                case Reasoning():
                    thoughts.append(part)
                case Refusal(text):
                    message["refusal"] = message.get("refusal", "") + text
                case Media():
                    _shown(part, part.kind, message)
                case ProviderBlock(type=kind) if kind in NOTES:
                    pass
                case _ if part.opaque is None or part.opaque.data != TRANSCRIPT:
                    said.append(part)
        if said:
            message["content"] = self._content(said)
        self._called(calls, message)
        self._thought(thoughts, message)
        return message

    def _called(self, parts: list[Part], message: dict[str, Any]) -> None:
        calls = []
        for part in parts:
            assert isinstance(part.kind, ToolCall)  # noqa: S101 - sorted so by the only caller
            if part.kind.id.startswith(LEGACY):
                message["function_call"] = {"name": part.kind.name, "arguments": part.kind.arguments_json}
            else:
                calls.append(self._call(part.kind, custom=part.opaque is not None and part.opaque.data == CUSTOM))
        if calls:
            message["tool_calls"] = calls

    def _call(self, call: ToolCall, *, custom: bool) -> dict[str, Any]:
        if custom:
            tool = {"name": call.name, "input": call.arguments_json}
            return {"id": self._id(call.id), "type": "custom", "custom": tool}
        function = {"name": call.name, "arguments": call.arguments_json}
        return {"id": self._id(call.id), "type": "function", "function": function}

    def _thought(self, parts: list[Part], message: dict[str, Any]) -> None:
        """Send thinking back as the dialect wants it: as the state it came with, or its words where tools were called.

        In all other turns it stays here: no server reads it there, and some charge for it or refuse it.
        """
        state = next((part.opaque.data for part in parts if part.opaque and part.opaque.data.startswith(b"[")), None)
        if state is not None:
            message["reasoning_details"] = given_out(state)
            return
        words = "".join(part.kind.text for part in parts if isinstance(part.kind, Reasoning))
        if not words or not (message.get("tool_calls") or self._dialect.echoes_all):
            return
        if self._dialect.echo == "thinking":
            thinking = {"type": "thinking", "thinking": [{"type": "text", "text": words}]}
            said = message["content"] or []
            message["content"] = [thinking, *([{"type": "text", "text": said}] if isinstance(said, str) else said)]
        elif self._dialect.echo:
            message[self._dialect.echo] = words

    def _content(self, parts: Iterable[Part]) -> str | list[Any]:
        """Return one text as a string, which every server takes, and anything else as a list."""
        match tuple(parts):
            case ():
                return ""
            case (Part(kind=Text(text), cache=cache),) if cache is None or not self._mark:
                return text
            case several:
                return [self._item(part) for part in several]

    def _item(self, part: Part) -> Any:
        match part.kind:
            case Text(text):
                return {"type": "text", "text": text, **self._cached(part)}
            case Media() as media:
                return {**_media(media, self._dialect), **self._cached(part)}
            case ProviderBlock() as block:
                return self.verbatim(block)
            case other:
                raise _cannot(type(other).__name__)

    def _id(self, call_id: str) -> str:
        """Return a call's identifier, shortened where it must be; the same one always becomes the same one."""
        if not self._dialect.short_ids or _SHORT.fullmatch(call_id):
            return call_id
        return hashlib.sha256(call_id.encode()).hexdigest()[:9]


def cache_end(mark: str, hint: CacheHint) -> dict[str, Any]:
    """Return the field *mark* that ends a cached prefix, none for "".

    OpenRouter's lives for five minutes or an hour ("Prompt Caching"), OpenAI's for as long as OpenAI likes.
    """
    if mark == "cache_control":
        hour = {"ttl": "1h"} if hint.ttl is not None and hint.ttl > _CACHE_MINUTES else {}
        return {mark: {"type": "ephemeral", **hour}}
    return {mark: {"mode": "explicit"}} if mark else {}


def _shown(part: Part, media: Media, message: dict[str, Any]) -> None:
    """Add what the model showed or spoke: pictures as OpenRouter gives them, audio by the identifier it came with."""
    if media.kind is MediaKind.IMAGE:
        message.setdefault("images", []).append({"type": "image_url", "image_url": {"url": uri(media)}})
    elif media.kind is MediaKind.AUDIO and part.opaque is not None and part.opaque.item_id:
        message["audio"] = {"id": part.opaque.item_id}
    else:
        raise _cannot(f"{media.kind.value} that the model showed")


def _media(media: Media, dialect: Dialect) -> dict[str, Any]:
    match media.kind:
        case MediaKind.IMAGE:
            return _image(media)
        case MediaKind.DOCUMENT if dialect.document == "document_url":
            named = {"document_name": media.filename} if media.filename else {}
            return {"type": "document_url", "document_url": _source(media), **named}
        case MediaKind.DOCUMENT:
            return _document(media)
        case MediaKind.AUDIO if media.data is None and Feature.AUDIO_URI in dialect.has:
            return {"type": "audio_url", "audio_url": {"url": _source(media)}}
        case MediaKind.AUDIO:
            return _audio(media)
        case MediaKind.VIDEO:
            return {"type": "video_url", "video_url": {"url": _source(media)}}


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


def _file(file: dict[str, str]) -> dict[str, Any]:
    return {"type": "file", "file": file}


def _source(media: Media) -> str:
    if media.provider_file_id:
        raise _cannot(f"{media.kind.value} by a file's identifier")
    return uri(media)


def _cannot(what: str) -> BackendError:
    return BackendError(Failure.UNSUPPORTED, f"chat completions cannot carry {what}")
