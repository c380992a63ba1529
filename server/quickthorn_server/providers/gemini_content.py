"""Messages of a prompt as the contents of a generateContent request.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from quickthorn_server.core.content import (
    Media,
    Message,
    OpaqueState,
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
from quickthorn_server.providers.gemini_dialect import Dialect
from quickthorn_server.providers.media import base64

SOURCES = ("groundingMetadata", "urlContextMetadata")
"""Blocks that tell of an answer's sources: they stand beside its parts, so they are not sent back among them."""

_OURS = re.compile(r"call_(?:[\w-]*_)?\d+")
_UNSIGNED = "skip_thought_signature_validator"


def split(system: tuple[Part, ...], messages: Sequence[Message]) -> tuple[list[Part], Sequence[Message]]:
    """Return what instructs the model, and the conversation after it; later system messages stay where they are."""
    instructions = list(system)
    for place, message in enumerate(messages):
        if message.role is not Role.SYSTEM:
            return instructions, messages[place:]
        instructions += message.parts
    return instructions, ()


def verbatim(block: ProviderBlock, dialect: Dialect) -> orjson.Fragment:
    """Return a block of ours as the bytes it is.  Raises BackendError (UNSUPPORTED) for one of another provider."""
    if block.provider != dialect.provider:
        raise _cannot(f"a block of {block.provider}")
    return orjson.Fragment(block.json)


def instruction(parts: Iterable[Part]) -> dict[str, Any]:
    """Return a system instruction: text only.  Raises BackendError (UNSUPPORTED)."""
    texts = [part.kind for part in parts if part.kind is not None]
    if not all(isinstance(kind, Text) for kind in texts):
        raise _cannot("anything but text in a system instruction")
    return {"parts": [{"text": kind.text} for kind in texts if isinstance(kind, Text)]}


class Contents:
    """Writes one conversation; it knows which tool answers which call."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._names: dict[str, str] = {}

    def of(self, messages: Iterable[Message]) -> list[dict[str, Any]]:
        """Return the conversation's turns.

        All results of a turn of calls are one turn here, however many messages they came in.  A system message in
        the middle is said by the user: nobody else can say it.  Raises BackendError (UNSUPPORTED, INVALID).
        """
        turns: list[dict[str, Any]] = []
        answering = False
        for message in messages:
            said = [one for part in message.parts for one in self._parts(part)]
            if not said:
                continue  # an answer's sources alone: a turn without parts is refused
            results = any(isinstance(part.kind, ToolResult) for part in message.parts)
            if message.role is Role.ASSISTANT:
                turns.append({"role": "model", "parts": self._signed(message, said)})
            elif results and answering:
                turns[-1]["parts"] += said
            else:
                turns.append({"role": "user", "parts": said})
            answering = results
        return turns

    def _signed(self, message: Message, said: list[Any]) -> list[Any]:
        """Excuse calls of another model, which nobody has signed, from being checked.

        Gemini 3 refuses a turn whose first call has no signature; this word is for conversations that it did not
        write itself (ai.google.dev, "Thought signatures", FAQ).
        """
        if not self._dialect.signs:
            return said
        calls = [part for part in message.parts if isinstance(part.kind, ToolCall)]
        if calls and not any(part.opaque for part in calls):
            first = next(one for one in said if isinstance(one, dict) and "functionCall" in one)
            first["thoughtSignature"] = _UNSIGNED
        return said

    def _parts(self, part: Part) -> list[Any]:
        kind = part.kind
        if isinstance(kind, ToolResult):
            return self._result(kind)
        if isinstance(kind, ProviderBlock):
            written = verbatim(kind, self._dialect)
            return [] if kind.type in SOURCES else [written]
        one = self._one(part)
        if part.opaque is not None:
            one["thoughtSignature"] = self._signature(part.opaque)
        return [one]

    def _one(self, part: Part) -> dict[str, Any]:
        match part.kind:
            case Text(text) | Refusal(text):
                return {"text": text}
            case Reasoning(text):
                return {"text": text, "thought": True}
            case ToolCall() as call:
                return {"functionCall": self._call(call)}
            case Media() as media:
                return self.media(media)
            case _:
                return {"text": ""}  # what carries state and says nothing

    def _signature(self, state: OpaqueState) -> str:
        if state.provider != self._dialect.provider:
            raise _cannot(f"state of {state.provider}")
        try:
            return state.data.decode("ascii")
        except UnicodeDecodeError:
            raise BackendError(Failure.INVALID, "state that this provider has not written") from None

    def _call(self, call: ToolCall) -> dict[str, Any]:
        self._names[call.id] = call.name
        arguments = call.arguments_json or "{}"
        if not _is_object(arguments):
            raise _cannot("arguments of a call that are no JSON object")
        return {**_named(call.id), "name": call.name, "args": orjson.Fragment(arguments)}

    def _result(self, result: ToolResult) -> list[Any]:
        """Return the result; before Gemini 3 only what stands beside it can show its media."""
        if result.tool_call_id not in self._names:
            raise _cannot("a tool result without the call it answers")
        written: dict[str, Any] = {**_named(result.tool_call_id), "name": self._names[result.tool_call_id]}
        texts = [part.kind.text for part in result.parts if isinstance(part.kind, Text)]
        written["response"] = _response(texts, failed=result.is_error)
        rest = [one for part in result.parts if not isinstance(part.kind, Text) for one in self._parts(part)]
        if rest and self._dialect.signs:
            written["parts"] = rest
            rest = []
        return [{"functionResponse": written}, *rest]

    def media(self, media: Media) -> dict[str, Any]:
        """Return media as a part."""
        kind = {"mimeType": media.media_type} if media.media_type else {}
        if media.data is not None:
            return {"inlineData": {**kind, "data": base64(media.data)}}
        return {"fileData": {**kind, "fileUri": media.uri or self._file(media.provider_file_id)}}

    def _file(self, identifier: str) -> str:
        """Return where an uploaded file is: its identifier may be that place, its name, or the end of its name."""
        if "://" in identifier:
            return identifier
        if not self._dialect.files:
            raise _cannot("a file by an identifier")
        return self._dialect.files + "files/" + identifier.removeprefix("files/")


def _named(call_id: str) -> dict[str, str]:
    """Return the call's name, unless we have made it up: the wire had none, and then order and function tell."""
    return {"id": call_id} if call_id and not _OURS.fullmatch(call_id) else {}


def _response(texts: list[str], *, failed: bool) -> Any:
    """Return what a tool said as the object that it has to be.

    `output` and `error` are the names a model knows; without either, the object is the output (FunctionResponse).
    """
    if len(texts) == 1 and not failed and _is_object(texts[0]):
        return orjson.Fragment(texts[0])
    return {"error" if failed else "output": texts if len(texts) > 1 else "".join(texts)}


def _is_object(text: str) -> bool:
    if not text.lstrip().startswith("{"):
        return False
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _cannot(what: str) -> BackendError:
    return BackendError(Failure.UNSUPPORTED, f"generateContent cannot carry {what}")
