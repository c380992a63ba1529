"""Converse's answers into chunks: the whole message or its stream, as the same parts.  Pure: no network."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import orjson

from quickthorn_server.core.chunk import Chunk, FinishReason, Opened
from quickthorn_server.core.content import Citation, OpaqueState, Part, ProviderBlock, Reasoning, Text
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.answer_parts import AnswerParts
from quickthorn_server.providers.bedrock_aws import Frame
from quickthorn_server.providers.bedrock_content import NAME, REDACTED, SIGNATURE
from quickthorn_server.providers.bedrock_errors import of_event
from quickthorn_server.providers.bedrock_media import media_of
from quickthorn_server.providers.bedrock_usage import usage
from quickthorn_server.providers.json_text import elements, inner, members

Raw = Callable[[], str]

_REASONS: dict[str, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.REFUSAL,
}
_MEDIA = frozenset({"image", "audio", "video"})
_MALFORMED = (LookupError, TypeError, AttributeError, ValueError, RecursionError)


class Answer:
    """Collects the events of one answer and gives chunks.  Every content block is a part."""

    def __init__(self, opened: Opened) -> None:
        self.done = False
        self._parts = AnswerParts(opened)
        self._request_id = opened.provider_request_id
        self._open: dict[int, dict[str, Any]] = {}  # blocks that are of use only once they are complete
        self._states: dict[int, bytes] = {}
        self._stop: dict[str, Any] | None = None

    def burst(self) -> list[Chunk]:
        """Return the chunks collected since the last call."""
        return self._parts.burst()

    def event(self, frame: Frame) -> None:
        """Take in one event of a stream.  Raises BackendError: what the event says, or PROTOCOL for garbage."""
        if frame.failed:
            raise of_event(frame.name, frame.payload, self._request_id)
        try:
            said = orjson.loads(frame.payload)
            match frame.name:
                case "contentBlockStart":
                    self._start(said["contentBlockIndex"], said["start"])
                case "contentBlockDelta":
                    self._delta(said["contentBlockIndex"], said["delta"], frame.payload)
                case "contentBlockStop":
                    self._close(said["contentBlockIndex"])
                case "messageStop":
                    self._stop = said
                case "metadata":
                    self._metadata(said)
                    self.done = self._stop is not None
                case _:
                    pass  # messageStart, and what is yet to be invented
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "an event that is none of Converse's") from None

    def whole(self, data: bytes) -> None:
        """Take in a whole answer.  Raises BackendError like `event`."""
        try:
            said = orjson.loads(data)
            texts = cache(lambda: elements(inner(data, "output", "message", "content")))
            for place, block in enumerate(said["output"]["message"]["content"]):
                for kind, value in block.items():
                    self._block(place, kind, value, partial(_member, texts, place, kind))
            self._stop = said
            self._metadata(said)
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "the answer is none of Converse's") from None

    @property
    def over(self) -> bool:
        """Whether the model has said why it stopped."""
        return self._stop is not None

    def finish(self) -> None:
        """Close the answer.  Raises BackendError (PROTOCOL) when the model did not finish."""
        if self._stop is None:
            raise BackendError(Failure.PROTOCOL, "the answer ended early")
        try:
            for place in sorted(self._open):
                self._close(place)
            reason = _REASONS.get(self._stop["stopReason"], FinishReason.OTHER)
            more = self._stop.get("additionalModelResponseFields")
            stop = more.get("stop_sequence") if isinstance(more, dict) else None
            self._parts.end(reason, stop if isinstance(stop, str) else "")
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "an end that is none of Converse's") from None

    def _block(self, place: int, kind: str, value: Any, raw: Raw) -> None:
        """Take in a whole block; *raw* gives the text of its *value*, for what travels byte for byte."""
        match kind:
            case "text":
                self._parts.text(place, value)
            case "reasoningContent":
                words = value.get("reasoningText") or {}
                self._thought(place, {**words, **value})
            case "toolUse" if not value.get("type"):
                self._parts.call(place, str(value.get("toolUseId") or ""), value["name"])
                self._parts.arguments(place, members(raw()).get("input", "{}"))
            case "citationsContent":
                self._parts.text(place, "".join(piece.get("text") or "" for piece in value.get("content") or ()))
                texts = elements(members(raw())["citations"]) if value.get("citations") else []
                for citation, text in zip(value.get("citations") or (), texts, strict=True):
                    self._cite(place, citation, text)
            case word if word in _MEDIA:
                self._parts.whole(Part(media_of(kind, value)), place)
            case _:
                block = f"{{{orjson.dumps(kind).decode()}:{raw()}}}"
                self._parts.whole(Part(ProviderBlock(NAME, kind, block)), place)

    def _start(self, place: int, start: dict[str, Any]) -> None:
        for kind, value in start.items():
            if kind == "toolUse" and not value.get("type"):
                self._parts.call(place, str(value.get("toolUseId") or ""), value["name"])
            else:
                self._open[place] = {kind: dict(value)}

    def _delta(self, place: int, delta: dict[str, Any], data: bytes) -> None:
        for kind, value in delta.items():
            match kind:
                case "text":
                    self._parts.text(place, value)
                case "toolUse" if place in self._open:
                    block = self._open[place]["toolUse"]
                    block["input"] = block.get("input", "") + value["input"]
                case "toolUse":
                    self._parts.arguments(place, value["input"])
                case "toolResult":
                    self._open[place]["toolResult"].setdefault("content", []).extend(value)
                case "reasoningContent":
                    self._thought(place, value)
                case "citation":
                    self._cite(place, value, inner(data, "delta", "citation"))
                case word if word in _MEDIA and place in self._open:
                    self._open[place][word] |= value
                case _:
                    pass

    def _thought(self, place: int, value: dict[str, Any]) -> None:
        """Take in thinking, or its signature, or thinking that only Bedrock can read; pieces of state add up."""
        if value.get("text"):
            self._parts.reasoning(place, value["text"])
        if value.get("signature"):
            self._state(place, SIGNATURE, value["signature"].encode())
        if value.get("redactedContent"):
            self._state(place, REDACTED, b64decode(value["redactedContent"], validate=True))

    def _state(self, place: int, what: str, piece: bytes) -> None:
        """Attach the state as far as it has come; the last one said of a part counts."""
        self._states[place] = data = self._states.get(place, b"") + piece
        self._parts.attach(place, Reasoning(""), opaque=OpaqueState(NAME, "", what, data))

    def _close(self, place: int) -> None:
        """Give what had to wait for the end of its block."""
        for kind, value in self._open.pop(place, {}).items():
            if kind == "toolUse":
                value["input"] = orjson.loads(value.get("input") or "{}")
            self._block(place, kind, value, partial(_dumps, value))

    def _cite(self, place: int, citation: dict[str, Any], text: str) -> None:
        """Attach a citation to its block: Converse cuts the text so that a citation is about all of it."""
        web = (citation.get("location") or {}).get("web") or {}
        quoted = (piece.get("text") or "" for piece in citation.get("sourceContent") or ())
        cited = Citation(
            uri=str(web.get("url") or citation.get("source") or ""),
            title=str(citation.get("title") or ""),
            cited_text="".join(quoted),
            provider_json=text,
        )
        self._parts.attach(place, Text(""), citations=(cited,))

    def _metadata(self, said: dict[str, Any]) -> None:
        router = (said.get("trace") or {}).get("promptRouter") or {}
        self._parts.model(router.get("invokedModelId"))
        if said.get("usage"):
            self._parts.used(usage(said["usage"]))


def _member(texts: Callable[[], list[str]], place: int, name: str) -> str:
    return members(texts()[place])[name]


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()
