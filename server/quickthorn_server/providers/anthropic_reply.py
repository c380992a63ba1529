"""Messages into chunks: the whole message or its stream, as the same parts.  Pure: no network."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import orjson

from quickthorn_server.core.chunk import Burst, FinishReason, Opened
from quickthorn_server.core.content import Citation, OpaqueState, Part, ProviderBlock, Reasoning, Text
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.answer_parts import AnswerParts
from quickthorn_server.providers.anthropic_content import CONTAINER, NAME, REDACTED
from quickthorn_server.providers.anthropic_errors import of_payload
from quickthorn_server.providers.anthropic_usage import merged, usage
from quickthorn_server.providers.json_text import elements, members
from quickthorn_server.providers.sse import Event

_REASONS: dict[str, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.REFUSAL,
    # `pause_turn`, a long turn that wants to be sent back and goes on, is OTHER.
}

_CALL_MEMBERS = frozenset({"type", "id", "name", "input"})
_DIRECT = {"type": "direct"}
_STREAMED = frozenset({"text", "thinking"})
_BLOCK_OF = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
}

_MALFORMED = (KeyError, TypeError, AttributeError, ValueError, RecursionError)


class _Block:
    """A block that has begun.

    *raw* gives the text of its JSON.  *signature*, *pieces* of input and *late* members come while it streams.
    """

    __slots__ = ("json", "kind", "late", "pieces", "raw", "signature")

    def __init__(self, json: dict[str, Any], raw: Callable[[], str]) -> None:
        self.json = json
        self.kind = _string(json["type"])
        self.raw = raw
        self.signature = _string(json.get("signature") or "")
        self.pieces: list[str] = []
        self.late: dict[str, str] = {}


class Answer:
    """Collects the events of one answer and gives chunks; every block is a part."""

    def __init__(self, opened: Opened) -> None:
        self.done = False
        self._opened = opened
        self._parts = AnswerParts(opened)
        self._blocks: dict[int, _Block] = {}
        self._begun: set[int] = set()
        self._usage: dict[str, Any] = {}
        self._reason: str | None = None
        self._stop_sequence = ""
        self._events: dict[str, Callable[[dict[str, Any], bytes], None]] = {
            "content_block_delta": self._delta,
            "content_block_start": self._begin,
            "content_block_stop": lambda said, _: self._close(said["index"]),
            "message_start": lambda said, _: self._message(said["message"]),
            "message_delta": self._ending,
            "message_stop": self._stop,
            "error": self._error,
        }

    def burst(self) -> Burst:
        """Return the chunks collected since the last call."""
        return self._parts.burst()

    def event(self, event: Event) -> None:
        """Take in one event of a stream; pings and words of later versions say nothing.

        Raises BackendError: what the event says, or PROTOCOL for garbage.
        """
        try:
            said = orjson.loads(event.data)
            take = self._events.get(said["type"])
            if take is not None:
                take(said, event.data)
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "an event that is none of the Messages API") from None

    def whole(self, body: bytes) -> None:
        """Take in a whole answer.  Raises BackendError like `event`."""
        try:
            said = orjson.loads(body)
            if said["type"] == "error":
                self._error(said, body)
            text = cache(lambda: members(body.decode()))
            blocks = cache(lambda: elements(text()["content"]))
            self._message({**said, "usage": None})
            for index, block in enumerate(said["content"]):
                self._start(index, block, partial(_element, blocks, index))
                self._close(index)
            self._end({"delta": said, "usage": said.get("usage")}, text)
            self.done = True
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "an answer that is no message") from None

    @property
    def over(self) -> bool:
        """Whether the end marker has come."""
        return self.done

    def finish(self) -> None:
        """Close the answer.  Raises BackendError (PROTOCOL) when it ended early."""
        if not self.done or self._reason is None:
            raise BackendError(Failure.PROTOCOL, "the answer ended early")
        self._parts.end(_REASONS.get(self._reason, FinishReason.OTHER), self._stop_sequence)

    def _message(self, message: dict[str, Any]) -> None:
        self._parts.model(message.get("model"))
        self._used(message.get("usage"))

    def _begin(self, said: dict[str, Any], data: bytes) -> None:
        self._start(said["index"], said["content_block"], lambda: members(data.decode())["content_block"])

    def _start(self, index: int, block: dict[str, Any], raw: Callable[[], str]) -> None:
        if index in self._begun:
            raise ValueError(index)
        self._begun.add(index)
        kind = block["type"]
        if kind == "text":
            self._parts.text(index, block["text"])
            for citation in elements(members(raw())["citations"]) if block.get("citations") else ():
                self._cite(index, citation)
        elif kind == "thinking":
            self._parts.reasoning(index, block["thinking"])
        elif kind == "tool_use":
            self._parts.call(index, _string(block["id"]), _string(block["name"]))
        self._blocks[index] = _Block(block, raw)

    def _delta(self, said: dict[str, Any], data: bytes) -> None:
        index, delta = said["index"], said["delta"]
        kind, block = delta["type"], self._blocks[index]
        if _BLOCK_OF.get(kind, block.kind) != block.kind:
            raise ValueError(kind)
        if kind == "text_delta":
            self._parts.text(index, delta["text"])
        elif kind == "input_json_delta":
            block.pieces.append(_string(delta["partial_json"]))
            if block.kind == "tool_use":
                self._parts.arguments(index, delta["partial_json"])
        elif kind == "thinking_delta":
            self._parts.reasoning(index, delta["thinking"])
        elif kind == "signature_delta":
            block.signature = _string(delta["signature"])
        elif kind == "citations_delta":
            self._cite(index, members(members(data.decode())["delta"])["citation"])
        else:
            late = members(members(data.decode())["delta"])
            block.late |= {name: text for name, text in late.items() if name != "type"}

    def _cite(self, index: int, raw: str) -> None:
        self._parts.attach(index, Text(""), citations=(_citation(raw),))

    def _close(self, index: int) -> None:
        """Add what is known of a block only at its end."""
        block = self._blocks.pop(index)
        if block.kind == "thinking" and block.signature:
            self._parts.attach(index, Reasoning(""), opaque=_state(block.signature))
        elif block.kind == REDACTED:
            self._parts.attach(index, Reasoning(""), opaque=_state(_string(block.json["data"]), REDACTED))
        elif block.kind == "tool_use":
            self._close_call(index, block)
        elif block.kind not in _STREAMED:
            self._parts.whole(Part(ProviderBlock(NAME, block.kind, _assembled(block))), index)

    def _close_call(self, index: int, block: _Block) -> None:
        if not any(block.pieces) and block.json.get("input"):
            self._parts.arguments(index, members(block.raw())["input"])
        extra = {
            name: value
            for name, value in block.json.items()
            if name not in _CALL_MEMBERS and value is not None and value != _DIRECT
        }
        if extra:
            texts = members(block.raw())
            self._parts.attach(index, Text(""), opaque=_state(_object({name: texts[name] for name in extra})))

    def _ending(self, said: dict[str, Any], data: bytes) -> None:
        self._end(said, lambda: members(members(data.decode())["delta"]))

    def _end(self, said: dict[str, Any], text: Callable[[], dict[str, str]]) -> None:
        self._used(said.get("usage"))
        delta = said["delta"]
        if delta.get("container"):
            self._parts.whole(Part(ProviderBlock(NAME, CONTAINER, text()["container"])))
        if delta.get("stop_reason") is not None:
            self._reason = _string(delta["stop_reason"])
            self._stop_sequence = _string(delta.get("stop_sequence") or "")

    def _used(self, reported: dict[str, Any] | None) -> None:
        if reported:
            self._usage = merged(self._usage, reported)
            self._parts.used(usage(self._usage))

    def _stop(self, _: dict[str, Any], __: bytes) -> None:
        for index in list(self._blocks):
            self._close(index)
        self.done = True

    def _error(self, said: dict[str, Any], _: bytes) -> None:
        status, request_id = self._opened.http_status or 200, self._opened.provider_request_id
        raise of_payload(said, http_status=status, provider_request_id=request_id)


def _citation(raw: str) -> Citation:
    """Return a source.  It supports the whole of its part: the API cuts text where sources change."""
    said = orjson.loads(raw)
    return Citation(
        uri=_string(said.get("url") or said.get("source") or ""),
        title=_string(said.get("title") or said.get("document_title") or ""),
        cited_text=_string(said.get("cited_text") or ""),
        provider_json=raw,
    )


def _assembled(block: _Block) -> str:
    """Return a block as the whole message would have it, its members byte for byte."""
    late = dict(block.late)
    typed = "".join(block.pieces)
    if typed and _is_json(typed):
        late["input"] = typed
    return _object(members(block.raw()) | late) if late else block.raw()


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False  # it was cut short
    return True


def _object(texts: dict[str, str]) -> str:
    return "{" + ",".join(f"{orjson.dumps(name).decode()}:{text}" for name, text in texts.items()) + "}"


def _element(elements: Callable[[], list[str]], index: int) -> str:
    return elements()[index]


def _state(data: str, item_id: str = "") -> OpaqueState:
    return OpaqueState(NAME, "", item_id, data.encode())


def _string(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError
    return given
