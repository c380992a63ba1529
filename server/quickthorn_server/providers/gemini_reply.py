"""Answers of generateContent into chunks: whole, as an array, or streamed, as the same parts.  Pure: no network."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import orjson

from quickthorn_server.core.chunk import Burst, FinishReason, Opened
from quickthorn_server.core.content import Media, MediaKind, OpaqueState, Part, ProviderBlock, Reasoning, Text
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.answer_parts import AnswerParts, made_up_id
from quickthorn_server.providers.gemini_dialect import Dialect
from quickthorn_server.providers.gemini_errors import of_payload
from quickthorn_server.providers.gemini_sources import NAMES, Sources
from quickthorn_server.providers.gemini_usage import usage
from quickthorn_server.providers.json_text import elements, members, on_one_line
from quickthorn_server.providers.sse import Event

_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)
_OK = 200

_FILTERED = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    }
)
_REASONS = {"STOP": FinishReason.STOP, "MAX_TOKENS": FinishReason.LENGTH} | dict.fromkeys(
    _FILTERED, FinishReason.CONTENT_FILTER
)
_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"

_ASIDE = frozenset({"thought", "thoughtSignature", "partMetadata", "mediaResolution", "videoMetadata"})
"""Members of a part that say something about it; one of the others is what it is."""

_MEDIA = {"image": MediaKind.IMAGE, "audio": MediaKind.AUDIO, "video": MediaKind.VIDEO}


class Answer:
    """Takes the events of one answer and gives its chunks.

    There is no end marker but the end: events after a finish reason may still bring usage and sources.
    """

    def __init__(self, opened: Opened, dialect: Dialect) -> None:
        self.done = False
        self._dialect = dialect
        self._parts = AnswerParts(opened)
        self._sources = Sources(dialect.provider)
        self._reason: FinishReason | None = None
        self._rated = self._whole = False
        self._response_id = ""
        self._numbers = count()
        self._calls = count()
        self._writing: tuple[type[Text | Reasoning], int] | None = None
        self._said: dict[int, list[str]] = {}
        self._counts: dict[str, Any] = {}
        self._usage = Usage()

    def event(self, event: Event) -> None:
        """Take in one event.  Raises BackendError: what the event says, or PROTOCOL for garbage."""
        self._take(event.data)

    def whole(self, body: bytes) -> None:
        """Take in one response, or an array of them: a stream that was not asked for as events.

        Raises BackendError as `event` does.
        """
        self._whole = not body.lstrip().startswith(b"[")
        self._take(body)

    def finish(self) -> None:
        """Close the answer.  Raises BackendError (PROTOCOL) when the model did not finish."""
        try:
            self._close()
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "sources that are none") from None

    @property
    def over(self) -> bool:
        """Never known before the stream ends: some models give a reason with each piece."""
        return self.done

    def burst(self) -> Burst:
        """Return the chunks collected since the last call."""
        return self._parts.burst()

    def _take(self, body: bytes) -> None:
        try:
            payload = orjson.loads(body)
            if isinstance(payload, list):
                for text in elements(body.decode()):
                    self._response(orjson.loads(text), text)
            else:
                self._response(payload, body.decode())
        except _MALFORMED:
            raise BackendError(Failure.PROTOCOL, "a body that is no generated content") from None

    def _close(self) -> None:
        if self._reason is None and not self._needs_no_reason():
            raise BackendError(Failure.PROTOCOL, "the answer ended early")
        for key, citation in self._sources.citations({key: "".join(said) for key, said in self._said.items()}):
            self._parts.attach(key, Text(""), citations=(citation,))
        for block in self._sources.blocks():
            self._parts.whole(Part(block))
        reason = self._reason or FinishReason.OTHER
        called = reason is FinishReason.STOP and self._parts.calls
        self._parts.end(FinishReason.TOOL_CALLS if called else reason)

    def _needs_no_reason(self) -> bool:
        """Say whether there is an answer although nobody said why it ended.

        One that came whole has not been cut: its reason is the one that protobuf's JSON leaves out, "unspecified".
        And the API of the first days rated every answer, counted nothing and never named a reason.
        """
        spoke = bool(self._said) or self._parts.calls
        return spoke and (self._whole or (self._rated and not self._counts))

    def _response(self, payload: dict[str, Any], text: str) -> None:
        if payload.get("error"):
            raise of_payload(payload, http_status=_OK, provider_request_id=self._response_id)
        self._response_id = self._response_id or str(payload.get("responseId") or "")
        self._parts.model(payload.get("modelVersion"), self._response_id)
        for place, candidate in enumerate(payload.get("candidates") or ()):
            if not candidate.get("index"):  # several were asked for by provider options: the first one counts
                self._candidate(candidate, _Raw(text, place))
                break
        if (payload.get("promptFeedback") or {}).get("blockReason") and self._reason is None:
            self._reason = FinishReason.CONTENT_FILTER
        self._count(payload.get("usageMetadata") or {})

    def _candidate(self, candidate: dict[str, Any], raw: _Raw) -> None:
        self._rated = self._rated or bool(candidate.get("safetyRatings"))
        for place, part in enumerate((candidate.get("content") or {}).get("parts") or ()):
            self._part(part, partial(raw.part, place))
        for name in NAMES:
            if candidate.get(name):
                self._sources.take(name, raw.candidate()[name])
        reason = candidate.get("finishReason")
        if reason and reason != _UNSPECIFIED:
            self._reason = _REASONS.get(reason, FinishReason.OTHER)

    def _count(self, reported: dict[str, Any]) -> None:
        self._counts |= {name: value for name, value in reported.items() if value is not None}
        used = usage(self._counts, self._searches())
        if used != self._usage:
            self._usage = used
            self._parts.used(used)

    def _searches(self) -> int:
        """Return how many searches are paid for: each since Gemini 3, before that each prompt that led to some."""
        searches = self._sources.searches
        return searches if self._dialect.signs else min(searches, 1)

    def _part(self, part: dict[str, Any], raw: Callable[[], str]) -> None:
        kind = next((name for name in part if name not in _ASIDE), "text")
        signature = part.get("thoughtSignature")
        if kind == "text":
            return self._text(part.get("text") or "", Reasoning if part.get("thought") else Text, signature)
        self._writing = None
        if kind == "functionCall":
            return self._call(part, raw, signature)
        if kind in {"inlineData", "fileData"} and not part.get("thought"):
            return self._parts.whole(Part(_media(part[kind]), opaque=self._state(signature)))
        return self._parts.whole(Part(ProviderBlock(self._dialect.provider, kind, raw())))

    def _text(self, text: str, kind: type[Text | Reasoning], signature: str | None) -> None:
        """Take in text or thinking.

        Neighbours of a kind are one part, but what is signed stays a part of its own: it has to go back as it came
        (ai.google.dev, "Thought signatures": never merge a signed part with another).
        """
        if not text and not signature:
            return
        if signature or self._writing is None or self._writing[0] is not kind:
            self._writing = kind, next(self._numbers)
        key = self._writing[1]
        if kind is Reasoning:
            self._parts.reasoning(key, text)
        elif text:
            self._said.setdefault(key, []).append(text)
            self._parts.text(key, text)
        if signature:
            self._parts.attach(key, kind(""), opaque=self._state(signature))
            self._writing = None

    def _call(self, part: dict[str, Any], raw: Callable[[], str], signature: str | None) -> None:
        call, key, number = part["functionCall"], next(self._numbers), next(self._calls)
        self._parts.call(key, str(call.get("id") or made_up_id(self._response_id, number)), str(call.get("name") or ""))
        if call.get("args") is not None:
            self._parts.arguments(key, on_one_line(members(members(raw())["functionCall"])["args"]))
        if signature:
            self._parts.attach(key, Text(""), opaque=self._state(signature))

    def _state(self, signature: str | None) -> OpaqueState | None:
        return OpaqueState(self._dialect.provider, "", "", signature.encode()) if signature else None


class _Raw:
    """The very text of a candidate, taken apart only where an answer needs it byte for byte."""

    def __init__(self, text: str, place: int) -> None:
        self._text = text
        self._place = place
        self._parts: list[str] | None = None

    def candidate(self) -> dict[str, str]:
        return members(elements(members(self._text)["candidates"])[self._place])

    def part(self, place: int) -> str:
        if self._parts is None:
            self._parts = elements(members(self.candidate()["content"])["parts"])
        return self._parts[place]


def _media(given: dict[str, Any]) -> Media:
    media_type = str(given.get("mimeType") or "")
    kind = _MEDIA.get(media_type.partition("/")[0], MediaKind.DOCUMENT)
    if "fileUri" in given:
        return Media(kind, uri=str(given["fileUri"]), media_type=media_type)
    data = b64decode(given["data"].replace("-", "+").replace("_", "/"))
    return Media(kind, data=data, media_type=media_type)
