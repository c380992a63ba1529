"""Answers of the Responses API into chunks: the whole response or its stream, as the same parts.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from quickthorn_server.core.chunk import Chunk, FinishReason, Opened
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.answer_parts import AnswerParts
from quickthorn_server.providers.json_text import elements, members
from quickthorn_server.providers.openai_content import NAME
from quickthorn_server.providers.openai_errors import of_payload
from quickthorn_server.providers.openai_responses_items import OutputItems
from quickthorn_server.providers.openai_usage import responses_usage
from quickthorn_server.providers.sse import Event

_CUT_OFF: dict[str, FinishReason] = {
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}
_DONE = b"[DONE]"
_MALFORMED = (KeyError, TypeError, AttributeError, ValueError, RecursionError)


class ResponseAnswer:
    """Collects the events of one response and gives chunks.

    Every text, thought and call is a part of its own, in the order of the output items; what has no kind here is a
    block, byte for byte.
    """

    def __init__(self, opened: Opened, provider: str = NAME) -> None:
        self.done = False
        self._opened = opened
        self._parts = AnswerParts(opened)
        self._items = OutputItems(self._parts, provider)
        self._reason: FinishReason | None = None
        self._data = b""
        self._steps: dict[str, Callable[[dict[str, Any]], None]] = {
            "response.output_text.delta": self._items.text,
            "response.reasoning_summary_text.delta": self._items.thought,
            "response.reasoning_text.delta": self._items.thought,
            "response.function_call_arguments.delta": self._items.arguments,
            "response.custom_tool_call_input.delta": self._items.arguments,
            "response.output_item.added": self._items.begun,
            "response.output_item.done": self._done_item,
            "response.created": self._named,
            "response.completed": self._closed,
            "response.incomplete": self._closed,
            "response.failed": self._closed,
            "error": self._broken,
        }

    def burst(self) -> list[Chunk]:
        """Return the chunks collected since the last call."""
        return self._parts.burst()

    def event(self, event: Event) -> None:
        """Take in one event of a stream.  Raises BackendError: what the event says, or PROTOCOL for garbage."""
        if event.data == _DONE:
            self.done = True
            return
        try:
            payload = orjson.loads(event.data)
            self._data = event.data
            step = self._steps.get(payload.get("type"))
            if step is not None:
                step(payload)
            elif payload.get("error"):
                self._broken(payload)
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "an event that is none of a response") from None

    def whole(self, data: bytes) -> None:
        """Take in a whole response.  Raises BackendError like `event`."""
        try:
            response = orjson.loads(data)
            self._parts.model(response.get("model"))
            if response.get("error"):
                raise self._error(response)
            raw = elements(members(data.decode()).get("output", "[]"))
            for place, (item, text) in enumerate(zip(response.get("output") or (), raw, strict=True)):
                self._items.done(place, item, text)
            self._close(response)
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "a reply that is no response") from None

    @property
    def over(self) -> bool:
        """Whether the end marker has come."""
        return self.done

    def finish(self) -> None:
        """Close the answer.  Raises BackendError (PROTOCOL) when the model did not finish."""
        if self._reason is None:
            raise BackendError(Failure.PROTOCOL, "the answer ended early")
        self._parts.end(self._reason)

    def _named(self, payload: dict[str, Any]) -> None:
        self._parts.model(payload["response"].get("model"))

    def _done_item(self, payload: dict[str, Any]) -> None:
        self._items.done(payload["output_index"], payload["item"], lambda: members(self._data.decode())["item"])

    def _closed(self, payload: dict[str, Any]) -> None:
        self._close(payload["response"])
        self.done = True

    def _close(self, response: dict[str, Any]) -> None:
        if response.get("usage"):
            self._parts.used(responses_usage(response["usage"], response.get("tool_usage") or {}))
        match response.get("status"):
            case "completed":
                self._reason = FinishReason.TOOL_CALLS if self._parts.calls else FinishReason.STOP
            case "incomplete":
                reason = (response.get("incomplete_details") or {}).get("reason")
                self._reason = _CUT_OFF.get(str(reason), FinishReason.OTHER)
            case "failed" | "cancelled":
                raise self._error(response)
            case _:
                raise BackendError(Failure.PROTOCOL, "a response that is not done")
        if self._items.refused:
            self._reason = FinishReason.REFUSAL

    def _broken(self, payload: dict[str, Any]) -> None:
        raise self._error(payload)

    def _error(self, payload: dict[str, Any]) -> BackendError:
        status, request_id = self._opened.http_status or 200, self._opened.provider_request_id
        return of_payload(payload, http_status=status, provider_request_id=request_id)
