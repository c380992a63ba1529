"""Chat completions into chunks: the whole message or its stream, as the same parts.  Pure: no network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from quickthorn_server.core.chunk import (
    Chunk,
    End,
    FinishReason,
    Opened,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    WholePart,
)
from quickthorn_server.core.content import Part, Refusal
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.openai_errors import of_payload
from quickthorn_server.providers.openai_usage import usage
from quickthorn_server.providers.sse import Event

_REASONS: dict[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}

_BREAKDOWNS: dict[str, Failure] = {
    "error": Failure.UNAVAILABLE,
    "abort": Failure.UNAVAILABLE,
    "insufficient_system_resource": Failure.OVERLOADED,
}
"""Finish reasons that are failures."""

_DONE = b"[DONE]"
_NOTHING: dict[str, Any] = {}

_MALFORMED = (KeyError, TypeError, AttributeError, ValueError)


class _Call:
    """A tool call while it streams; *part* None until its name is known, because the first delta must carry it."""

    __slots__ = ("held", "id", "name", "part", "wrote")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.part: int | None = None
        self.held = ""
        self.wrote = False


class Answer:
    """Collects the events of one answer and gives chunks.

    Text is one part and reasoning is one, wherever their pieces stand, as in the whole message; every tool call is one.
    Neighbouring pieces of a part come out as one delta.
    """

    def __init__(self, opened: Opened) -> None:
        self.done = False
        self._opened = opened
        self._chunks: list[Chunk] = []
        self._pieces: list[str] = []
        self._in_reasoning = False
        self._text_part: int | None = None
        self._reasoning_part: int | None = None
        self._parts = 0
        self._calls: dict[int, _Call] = {}
        self._refusal = ""
        self._reason: FinishReason | None = None
        self._stop_sequence = ""

    def burst(self) -> list[Chunk]:
        """Return the chunks collected since the last call."""
        self._flush()
        chunks, self._chunks = self._chunks, []
        return chunks

    def event(self, event: Event) -> None:
        """Take in one event of a stream.  Raises BackendError: what the event says, or PROTOCOL for garbage."""
        if event.data == _DONE:
            self.done = True
        else:
            self._take(event.data, "delta")

    def whole(self, data: bytes) -> None:
        """Take in a whole answer.  Raises BackendError like `event`."""
        self._take(data, "message")

    def finish(self) -> None:
        """Close the answer: held parts, then the end.  Raises BackendError (PROTOCOL) when the model did not finish."""
        if self._reason is None:
            raise BackendError(Failure.PROTOCOL, "the answer ended early")
        for call in self._calls.values():
            self._close(call)
        if self._refusal:
            self._add(WholePart(self._new_part(), Part(Refusal(self._refusal))))
            self._reason = FinishReason.REFUSAL
        self._add(End(self._reason, self._stop_sequence))

    def _take(self, data: bytes, field: str) -> None:
        try:
            payload = orjson.loads(data)
            if payload.get("model") and not self._opened.model:
                self._opened = replace(self._opened, model=str(payload["model"]))
                self._add(self._opened)
            failed = payload.get("error")
            for choice in () if failed else payload.get("choices") or ():
                if not choice.get("index"):  # several were asked for by provider options: the first one counts
                    self._choice(choice, field)
            reported = payload.get("usage") or (payload.get("x_groq") or _NOTHING).get("usage")
            if reported:
                self._add(UsageReport(usage(reported)))
            if failed:
                raise self._error(payload)
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "an event that is no chat completion") from None

    def _error(self, payload: dict[str, Any]) -> BackendError:
        status, request_id = self._opened.http_status or 200, self._opened.provider_request_id
        return of_payload(payload, http_status=status, provider_request_id=request_id)

    def _choice(self, choice: dict[str, Any], field: str) -> None:
        said = choice.get(field)
        if said:
            thought = said.get("reasoning_content") or said.get("reasoning")
            if thought:
                self._say(thought, reasoning=True)
            content = said.get("content")
            if content:
                self._content(content)
            if said.get("refusal"):
                self._refusal += said["refusal"]
            for call in said.get("tool_calls") or ():
                self._call(call)
        reason = choice.get("finish_reason")
        if reason:
            self._finished(reason, choice)

    def _content(self, content: str | list[dict[str, Any]]) -> None:
        if isinstance(content, str):
            return self._say(content, reasoning=False)
        for item in content:  # Mistral's way of saying what is thinking and what is text
            if item["type"] == "thinking":
                for piece in item["thinking"]:
                    self._say(piece["text"], reasoning=True)
            elif item["type"] == "text":
                self._say(item["text"], reasoning=False)
        return None

    def _say(self, text: str, *, reasoning: bool) -> None:
        if self._pieces and self._in_reasoning is not reasoning:
            self._flush()
        if not isinstance(text, str):
            raise TypeError
        self._in_reasoning = reasoning
        self._pieces.append(text)

    def _flush(self) -> None:
        if not self._pieces:
            return
        text = "".join(self._pieces)
        self._pieces.clear()
        if self._in_reasoning:
            if self._reasoning_part is None:
                self._reasoning_part = self._new_part()
            self._chunks.append(ReasoningDelta(self._reasoning_part, text))
        else:
            if self._text_part is None:
                self._text_part = self._new_part()
            self._chunks.append(TextDelta(self._text_part, text))

    def _call(self, said: dict[str, Any]) -> None:
        function = said.get("function") or {}
        call = self._which(said.get("index"), str(said.get("id") or ""), str(function.get("name") or ""))
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = orjson.dumps(arguments).decode()  # some servers send the object itself
        call.wrote = call.wrote or bool(arguments)
        if call.part is not None:
            if arguments:
                self._add(ToolCallDelta(call.part, arguments_json=arguments))
        elif call.name:
            self._flush()
            call.part = self._new_part()
            self._add(ToolCallDelta(call.part, call.id, call.name, call.held + arguments))
        else:
            call.held += arguments

    def _which(self, index: int | None, call_id: str, name: str) -> _Call:
        """Return the call that a delta belongs to.

        Some servers leave *index* out or send 0 for every call of a turn: a new id with a name is then a new call.
        """
        key = len(self._calls) - 1 if index is None else index
        call = self._calls.get(key)
        if call is None or (name and call_id and call.id and call_id != call.id):
            if call is not None or index is None:
                key = len(self._calls)
            call = self._calls[key] = _Call()
        call.id = call.id or call_id
        call.name = call.name or name
        return call

    def _close(self, call: _Call) -> None:
        if call.part is None:
            raise BackendError(Failure.PROTOCOL, "a tool call without a name")
        if not call.wrote:
            self._add(ToolCallDelta(call.part, arguments_json="{}"))

    def _finished(self, reason: str, choice: dict[str, Any]) -> None:
        if reason in _BREAKDOWNS:
            raise BackendError(_BREAKDOWNS[reason], "the provider broke off")
        self._reason = _REASONS.get(reason, FinishReason.OTHER)
        stop = choice.get("stop_reason")  # vLLM: the stop sequence that was met
        self._stop_sequence = stop if isinstance(stop, str) else ""

    def _add(self, chunk: Chunk) -> None:
        self._flush()
        self._chunks.append(chunk)

    def _new_part(self) -> int:
        self._parts += 1
        return self._parts - 1
