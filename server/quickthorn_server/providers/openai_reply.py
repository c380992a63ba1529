"""Chat completions into chunks: the whole message or its stream, as the same parts.  Pure: no network."""

from __future__ import annotations

from typing import Any

import orjson

from quickthorn_server.core.chunk import Chunk, End, FinishReason, Opened, TextDelta, UsageReport
from quickthorn_server.core.content import Part, Refusal
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.answer_parts import AnswerParts
from quickthorn_server.providers.openai_beside import Beside
from quickthorn_server.providers.openai_calls import Calls
from quickthorn_server.providers.openai_content import NAME
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
_WORDS = frozenset({"role", "content"})
"""What the deltas of plain text hold."""
_THOUGHTS = _WORDS | {"reasoning", "reasoning_content"}
"""What those of plain thinking do."""

_PLAIN_PAYLOAD = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"}
)
"""What a whole answer holds that is nothing but OpenAI's own."""
_PLAIN_REASONS = frozenset({FinishReason.STOP, FinishReason.LENGTH})

_QUOTABLE = 256 * 1024
"""Characters of an answer that are kept for its citations to quote: one without end must not be kept without end."""

_MALFORMED = (KeyError, TypeError, AttributeError, ValueError)


def whole_answer(data: bytes, opened: Opened, provider: str = NAME) -> list[Chunk]:
    """Return the chunks of an answer that came in one piece.  Raises BackendError like `Answer`."""
    payload = _read(data)
    plain = _plain(payload, opened)
    if plain is not None:
        return plain
    answer = Answer(opened, provider)
    answer.take(payload, "message")
    answer.finish()
    return answer.burst()


class Answer:
    """Collects the events of one answer and gives chunks.

    Text is one part and reasoning is one, wherever their pieces stand, as in the whole message; every tool call is one.
    Neighbouring pieces of a part come out as one delta.
    """

    def __init__(self, opened: Opened, provider: str = NAME) -> None:
        self.done = False
        self._opened = opened
        self._parts = AnswerParts(opened)
        self._calls = Calls(self._parts, provider)
        self._beside = Beside(self._parts, provider)
        self._named = False
        self._written: list[str] = []
        self._quotable = _QUOTABLE
        self._refusal = ""
        self._reason: FinishReason | None = None
        self._stop_sequence = ""

    @property
    def over(self) -> bool:
        """Whether the model has said why it stopped."""
        return self._reason is not None

    def burst(self) -> list[Chunk]:
        """Return the chunks collected since the last call."""
        return self._parts.burst()

    def event(self, event: Event) -> None:
        """Take in one event of a stream.  Raises BackendError: what the event says, or PROTOCOL for garbage."""
        if event.data == _DONE:
            self.done = True
        else:
            self.take(_read(event.data), "delta")

    def whole(self, data: bytes) -> None:
        """Take in a whole answer.  Raises BackendError like `event`."""
        self.take(_read(data), "message")

    def take(self, payload: Any, field: str) -> None:
        """Take in what JSON says, in the *field* of its choices.  Raises BackendError like `event`."""
        try:
            if not self._named and payload.get("model"):
                self._named = True
                self._parts.model(payload["model"], str(payload.get("id") or ""))
            failed = payload.get("error")
            for choice in () if failed else payload.get("choices") or ():
                if not choice.get("index"):  # several were asked for by provider options: the first one counts
                    self._choice(choice, field)
            reported = payload.get("usage") or (payload.get("x_groq") or _NOTHING).get("usage")
            if reported:
                self._parts.used(usage(reported))
            if "citations" in payload or "search_results" in payload:
                self._beside.searched(payload)
            if failed:
                raise self._error(payload)
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "an event that is no chat completion") from None

    def finish(self) -> None:
        """Close the answer: held parts, then the end.  Raises BackendError (PROTOCOL) when the model did not finish."""
        if self._reason is None:
            raise BackendError(Failure.PROTOCOL, "the answer ended early")
        self._calls.finish()
        try:
            self._beside.finish("".join(self._written))
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "an answer with malformed sources") from None
        if self._refusal:
            self._parts.whole(Part(Refusal(self._refusal)))
            self._reason = FinishReason.REFUSAL
        self._parts.end(self._reason, self._stop_sequence)

    def _error(self, payload: dict[str, Any]) -> BackendError:
        status, request_id = self._opened.http_status or 200, self._opened.provider_request_id
        return of_payload(payload, http_status=status, provider_request_id=request_id)

    def _choice(self, choice: dict[str, Any], field: str) -> None:
        said = choice.get(field)
        if said:
            if not _WORDS.issuperset(said):
                self._said(said)
            elif said.get("content"):
                self._content(said["content"])
        if choice.get("logprobs"):
            self._beside.logprobs(choice["logprobs"])
        reason = choice.get("finish_reason")
        if reason:
            self._finished(reason, choice)

    def _said(self, said: dict[str, Any]) -> None:
        thought = said.get("reasoning_content") or said.get("reasoning") or self._beside.thought(said)
        if thought:
            self._parts.reasoning("reasoning", thought)
        if said.get("content"):
            self._content(said["content"])
        if _THOUGHTS.issuperset(said):
            return
        if said.get("refusal"):
            self._refusal += said["refusal"]
        for call in said.get("tool_calls") or ():
            self._calls.take(call)
        if said.get("function_call"):
            self._calls.legacy(said["function_call"])
        self._beside.message(said)

    def _content(self, content: str | list[dict[str, Any]]) -> None:
        if isinstance(content, str):
            self._parts.text("text", content)
            if self._quotable > 0:
                self._written.append(content)
                self._quotable -= len(content)
            return
        for item in content:  # Mistral's way of saying what is thinking and what is text
            if item["type"] == "thinking":
                for piece in item["thinking"]:
                    self._parts.reasoning("reasoning", piece["text"])
            elif item["type"] == "text":
                self._content(_string(item["text"]))

    def _finished(self, reason: str, choice: dict[str, Any]) -> None:
        if reason in _BREAKDOWNS:
            raise BackendError(_BREAKDOWNS[reason], "the provider broke off")
        self._reason = _REASONS.get(reason, FinishReason.OTHER)
        stop = choice.get("stop_reason")  # vLLM: the stop sequence that was met
        self._stop_sequence = stop if isinstance(stop, str) else ""
        if self._reason is FinishReason.CONTENT_FILTER and choice.get("content_filter_results"):
            self._beside.filtered(choice["content_filter_results"])


def _read(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        raise BackendError(Failure.PROTOCOL, "an event that is no chat completion") from None


def _plain(payload: Any, opened: Opened) -> list[Chunk] | None:
    """Return what an `Answer` would of one that is a text and its usage, which nearly all are; None = ask it."""
    try:
        if not _PLAIN_PAYLOAD.issuperset(payload) or opened.model:
            return None
        model, reported, (choice,) = payload["model"], payload["usage"], payload["choices"]
        message, reason = choice["message"], _REASONS.get(choice["finish_reason"])
        text = message["content"]
        for name, value in message.items():
            if value and name not in _WORDS:
                return None
        if choice.get("index") or choice.get("logprobs") or choice.get("stop_reason"):
            return None
    except _MALFORMED:
        return None
    if not (type(text) is type(model) is str and text and model and reported) or reason not in _PLAIN_REASONS:
        return None
    named = Opened(model, opened.provider_request_id, opened.http_status)
    try:
        return [named, TextDelta(0, text), UsageReport(usage(reported)), End(reason)]
    except _MALFORMED:
        return None


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
