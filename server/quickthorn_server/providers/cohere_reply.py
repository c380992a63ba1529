"""Cohere's chat answers into chunks: the whole message or its stream, as the same parts.  Pure: no network."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import orjson

from quickthorn_server.core.chunk import FinishReason, Opened
from quickthorn_server.core.content import Citation, Part, ProviderBlock, Reasoning, Text
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.answer_parts import AnswerParts
from quickthorn_server.providers.cohere_content import NAME, PLAN
from quickthorn_server.providers.cohere_errors import of_payload
from quickthorn_server.providers.json_text import elements, inner
from quickthorn_server.providers.sse import Event
from quickthorn_server.providers.usage import count

_REASONS: dict[str, FinishReason] = {
    "COMPLETE": FinishReason.STOP,
    "STOP_SEQUENCE": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "ERROR_LIMIT": FinishReason.LENGTH,
    "TOOL_CALL": FinishReason.TOOL_CALLS,
    "ERROR_TOXIC": FinishReason.CONTENT_FILTER,
}
_BREAKDOWNS = frozenset({"ERROR", "TIMEOUT"})
"""Finish reasons that are failures."""

_DONE = b"[DONE]"
_ABOUT_PLAN = "PLAN"
_MALFORMED = (LookupError, TypeError, AttributeError, ValueError, RecursionError)


class Answer:
    """Collects the events of one answer and gives chunks.

    Every content item is a part, and so are the tool plan, once it is complete, and every tool call.
    """

    def __init__(self, opened: Opened) -> None:
        self.done = False
        self._parts = AnswerParts(opened)
        self._request_id = opened.provider_request_id
        self._plan: list[str] = []
        self._planned = False
        self._said: dict[int, list[str]] = {}  # for citations: they count characters
        self._thought: set[int] = set()
        self._uncited: list[tuple[dict[str, Any], str]] = []
        self._end: dict[str, Any] | None = None

    def burst(self) -> list[Any]:
        """Return the chunks collected since the last call."""
        return self._parts.burst()

    def event(self, event: Event) -> None:
        """Take in one event of a stream.  Raises BackendError: what the event says, or PROTOCOL for garbage."""
        if event.data == _DONE:
            return
        try:
            payload = orjson.loads(event.data)
            kind = payload.get("type")
            if kind is None and isinstance(payload.get("message"), str):
                raise of_payload(payload, self._request_id)
            if kind == "message-end":
                self._end = payload["delta"]
                self.done = True
            else:
                self._delta(kind, payload, event.data)
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "an event that is none of Cohere's chat") from None

    def whole(self, data: bytes) -> None:
        """Take in a whole answer.  Raises BackendError like `event`."""
        try:
            payload = orjson.loads(data)
            message = payload["message"]
            for place, item in enumerate(message.get("content") or ()):
                self._content(place, item, partial(_item, data, place))
            self._plan.append(message.get("tool_plan") or "")
            for place, call in enumerate(message.get("tool_calls") or ()):
                self._call(place, call)
            if citations := message.get("citations"):
                for citation, raw in zip(citations, elements(inner(data, "message", "citations")), strict=True):
                    self._cite(citation, raw)
            self._end = payload
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "the answer is none of Cohere's chat") from None

    @property
    def over(self) -> bool:
        """Whether the end marker has come."""
        return self.done

    def finish(self) -> None:
        """Close the answer.  Raises BackendError: PROTOCOL when it ended early, or what its end says."""
        if self._end is None:
            raise BackendError(Failure.PROTOCOL, "the answer ended early")
        try:
            self._give_plan()
            for citation, raw in self._uncited:
                self._attach(citation, raw)
            reason = self._end["finish_reason"]
            if reported := self._end.get("usage"):
                self._parts.used(_usage(reported))
            if reason in _BREAKDOWNS:
                raise of_payload(self._end, self._request_id)
            self._parts.end(_REASONS.get(reason, FinishReason.OTHER))
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "an end that is none of Cohere's chat") from None

    def _delta(self, kind: str, payload: dict[str, Any], data: bytes) -> None:
        place, said = payload.get("index", 0), (payload.get("delta") or {}).get("message") or {}
        match kind:
            case "content-start" | "content-delta":
                self._content(place, said["content"], partial(inner, data, "delta", "message", "content"))
            case "tool-plan-delta":
                self._plan.append(said["tool_plan"] or "")
            case "tool-call-start":
                self._call(place, said["tool_calls"])
            case "tool-call-delta":
                self._parts.arguments(("call", place), said["tool_calls"]["function"]["arguments"])
            case "citation-start":
                self._cite(said["citations"], inner(data, "delta", "message", "citations"))
            case _:
                pass  # message-start, the ends of items, and what is yet to be invented

    def _content(self, place: int, item: Any, raw: Callable[[], str]) -> None:
        text = item if isinstance(item, str) else item.get("text")
        thought = None if isinstance(item, str) else item.get("thinking")
        if thought is not None:
            self._thought.add(place)
            self._parts.reasoning(("content", place), thought)
        elif text is not None:
            self._parts.text(("content", place), text)
        elif item.get("type") not in {None, "text", "thinking"}:
            self._parts.whole(Part(ProviderBlock(NAME, str(item["type"]), raw())))
        self._said.setdefault(place, []).append(thought or text or "")

    def _call(self, place: int, call: dict[str, Any]) -> None:
        self._give_plan()
        function = call["function"]
        self._parts.call(("call", place), str(call.get("id") or ""), str(function.get("name") or ""))
        self._parts.arguments(("call", place), function.get("arguments") or "")

    def _give_plan(self) -> None:
        """Give the plan once it is complete: as it is, for it is neither text that is to be shown nor thinking."""
        plan = "".join(self._plan)
        if plan and not self._planned:
            self._planned = True
            self._parts.whole(Part(ProviderBlock(NAME, PLAN, orjson.dumps({PLAN: plan}).decode())), PLAN)

    def _cite(self, citation: dict[str, Any], raw: str) -> None:
        """Attach a citation, as soon as what it is about has been said."""
        if _bytes(self._text(citation), citation) is None:
            self._uncited.append((citation, raw))
        else:
            self._attach(citation, raw)

    def _attach(self, citation: dict[str, Any], raw: str) -> None:
        """Attach a citation to its content item or to the plan, to all of it where its characters are not there."""
        place = citation.get("content_index") or 0
        key: Hashable = PLAN if citation.get("type") == _ABOUT_PLAN and self._planned else ("content", place)
        empty = Reasoning("") if place in self._thought else Text("")
        start, end = _bytes(self._text(citation), citation) or (None, None)
        document = next((_document(source) for source in citation.get("sources") or ()), {})
        cited = Citation(
            uri=str(document.get("url") or ""),
            title=str(document.get("title") or ""),
            start=start,
            end=end,
            provider_json=raw,
        )
        self._parts.attach(key, empty, citations=(cited,))

    def _text(self, citation: dict[str, Any]) -> str:
        """Return what a citation is about, as far as it has been said."""
        if citation.get("type") == _ABOUT_PLAN:
            return ""
        said = self._said.setdefault(citation.get("content_index") or 0, [])
        said[:] = ["".join(said)]
        return said[0]


def _item(data: bytes, place: int) -> str:
    """Return the text of an item of the message's content."""
    return elements(inner(data, "message", "content"))[place]


def _document(source: dict[str, Any]) -> dict[str, Any]:
    document = source.get("document") or source.get("tool_output")
    return document if isinstance(document, dict) else {}


def _bytes(said: str, citation: dict[str, Any]) -> tuple[int, int] | None:
    """Return where a citation begins and ends in the UTF-8 of *said*; None where there are no such characters."""
    start, end = citation.get("start"), citation.get("end")
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(said)):
        return None
    before = len(said[:start].encode())
    return before, before + len(said[start:end].encode())


def _usage(reported: dict[str, Any]) -> Usage:
    """Return Cohere's usage in our meaning: `tokens` count what the model saw, `billed_units` what is on the bill."""
    tokens = reported.get("tokens") or {}
    return Usage(
        input_tokens=count(tokens, "input_tokens"),
        output_tokens=count(tokens, "output_tokens"),
        cache_read_tokens=count(reported, "cached_tokens"),
        reasoning_tokens=count(tokens, "reasoning_tokens"),
    )
