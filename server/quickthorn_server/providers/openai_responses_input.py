"""Messages of a prompt as the input items of the Responses API.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from quickthorn_server.providers.json_text import given_out, members
from quickthorn_server.providers.media import base64, uri
from quickthorn_server.providers.openai_content import CUSTOM, NAME, NOTES, cache_end

PHASE = b"phase:"
"""Begins the state of a text that was said on the way: OpenAI asks to be told again that it was."""


class Items:
    """Writes the items of one conversation.

    *provider*: whose blocks it may hold beside OpenAI's own.  *mark*: the field that ends a cached prefix, "" = none.
    """

    def __init__(self, provider: str, mark: str = "") -> None:
        self._provider = provider
        self._mark = mark
        self._custom: set[str] = set()

    def items(self, conversation: Iterable[Message]) -> list[Any]:
        """Return the whole conversation.

        Raises BackendError (UNSUPPORTED) for what this format cannot carry; another provider may.
        """
        written: list[Any] = []
        for message in conversation:
            match message.role:
                case Role.SYSTEM:
                    written.append(self.instruction(message.parts))
                case Role.USER:
                    written += self._user(message.parts)
                case Role.ASSISTANT:
                    written += self._assistant(message.parts)
        return written

    def verbatim(self, block: ProviderBlock) -> orjson.Fragment:
        """Return a block of ours as the bytes it is.  Raises BackendError (UNSUPPORTED) for another provider's."""
        if block.provider not in {NAME, self._provider}:
            raise _cannot(f"a block of {block.provider}")
        return orjson.Fragment(block.json)

    def _user(self, parts: Iterable[Part]) -> Iterator[Any]:
        rest: list[Part] = []
        for part in parts:
            if isinstance(part.kind, ToolResult):
                yield self._result(part.kind)
            else:
                rest.append(part)
        if rest:
            yield {"role": "user", "content": self._content(rest)}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        kind = "custom_tool_call_output" if result.tool_call_id in self._custom else "function_call_output"
        return {"type": kind, "call_id": result.tool_call_id, "output": self._content(result.parts)}

    def _assistant(self, parts: Iterable[Part]) -> Iterator[Any]:
        """Yield what the model said in its order, neighbouring texts as one message."""
        message: dict[str, Any] | None = None
        for part in parts:
            said = _said(part)
            if said is None:
                message = None
                yield from self._item(part)
                continue
            phase = _phase(part)
            if message is None or message.get("phase") != phase:
                message = {"role": "assistant", "content": [], **({"phase": phase} if phase else {})}
                yield message
            message["content"].append(said)

    def _item(self, part: Part) -> Iterator[Any]:
        match part.kind:
            case ToolCall(call_id, name, arguments):
                yield self._call(
                    call_id, name, arguments, custom=part.opaque is not None and part.opaque.data == CUSTOM
                )
            case Reasoning():
                if part.opaque is not None and part.opaque.data.startswith(b"{"):
                    yield given_out(part.opaque.data)
            case Media(data=bytes(data)) if part.opaque is not None and part.opaque.data:
                yield _drawn(part.opaque.data, data)
            case ProviderBlock() as block:
                if block.type not in NOTES:
                    yield self.verbatim(block)
            case other:
                raise _cannot(f"{type(other).__name__} in what the model said")

    def _call(self, call_id: str, name: str, arguments: str, *, custom: bool) -> dict[str, Any]:
        if custom:
            self._custom.add(call_id)
            return {"type": "custom_tool_call", "call_id": call_id, "name": name, "input": arguments}
        return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}

    def instruction(self, parts: Iterable[Part]) -> dict[str, Any]:
        """Return an instruction as the item that it is wherever it stands."""
        return {"role": "developer", "content": self._content(parts)}

    def _content(self, parts: Iterable[Part]) -> str | list[Any]:
        match tuple(parts):
            case ():
                return ""
            case (Part(kind=Text(text), cache=cache),) if cache is None or not self._mark:
                return text
            case several:
                return [self._input(part) for part in several]

    def _input(self, part: Part) -> Any:
        end = cache_end(self._mark, part.cache) if part.cache is not None else {}
        match part.kind:
            case Text(text):
                return {"type": "input_text", "text": text, **end}
            case Media(kind=MediaKind.IMAGE) as media:
                return {"type": "input_image", **_image(media), **end}
            case Media(kind=MediaKind.DOCUMENT) as media:
                return {"type": "input_file", **_document(media), **end}
            case ProviderBlock() as block:
                return self.verbatim(block)
            case Media() as media:
                raise _cannot(media.kind.value)
            case other:
                raise _cannot(type(other).__name__)


def _image(media: Media) -> dict[str, str]:
    source = {"file_id": media.provider_file_id} if media.provider_file_id else {"image_url": uri(media)}
    return {**source, **({"detail": media.detail} if media.detail else {})}


def _document(media: Media) -> dict[str, str]:
    if media.provider_file_id:
        return {"file_id": media.provider_file_id}
    if media.data is None:
        return {"file_url": media.uri}
    return {"filename": media.filename or "document", "file_data": uri(media)}


def _said(part: Part) -> dict[str, Any] | None:
    match part.kind:
        case Text(text):
            return {"type": "output_text", "text": text}
        case Refusal(text):
            return {"type": "refusal", "refusal": text}
        case _:
            return None


def _phase(part: Part) -> str | None:
    state = part.opaque.data if part.opaque is not None else b""
    return state.removeprefix(PHASE).decode(errors="replace") if state.startswith(PHASE) else None


def _drawn(item: bytes, picture: bytes) -> dict[str, Any]:
    """Return the item that drew *picture*, which travels as media and not once more in its state."""
    try:
        fields: dict[str, Any] = {name: orjson.Fragment(value) for name, value in members(item.decode()).items()}
    except ValueError:
        raise BackendError(Failure.INVALID, "the state of a picture is not what it was") from None
    return {**fields, "result": base64(picture)}


def _cannot(what: str) -> BackendError:
    return BackendError(Failure.UNSUPPORTED, f"the Responses API cannot carry {what}")
