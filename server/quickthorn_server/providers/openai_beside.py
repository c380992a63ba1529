"""What a chat completion holds beside words and calls: sources, pictures, sound, sealed thinking, odds.  Pure."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import orjson

from quickthorn_server.core.content import Citation, Media, MediaKind, OpaqueState, Part, ProviderBlock, Reasoning, Text
from quickthorn_server.providers.answer_parts import AnswerParts
from quickthorn_server.providers.media import sound_type, unwrapped
from quickthorn_server.providers.openai_citations import cited, found
from quickthorn_server.providers.openai_content import TRANSCRIPT


class Beside:
    """Collects it for one answer, and puts it into *parts* when it is whole."""

    def __init__(self, parts: AnswerParts, provider: str) -> None:
        self._parts = parts
        self._provider = provider
        self._annotations: list[dict[str, Any]] = []
        self._sources: tuple[Citation, ...] = ()
        self._details: list[dict[str, Any]] = []
        self._audio: dict[str, Any] = {}
        self._sound: list[bytes] = []
        self._logprobs: dict[str, Any] = {}

    def message(self, said: dict[str, Any]) -> None:
        """Take in what a message or a delta says beside its words."""
        self._annotations += said.get("annotations") or ()
        for image in said.get("images") or ():
            self._parts.whole(Part(unwrapped(MediaKind.IMAGE, image["image_url"]["url"])))
        for detail in said.get("reasoning_details") or ():
            self._detail(detail)
        audio = said.get("audio")
        if audio:
            self._heard(audio)

    def thought(self, said: dict[str, Any]) -> str:
        """Return the thinking that a message or a delta shows only as details."""
        details = said.get("reasoning_details") or ()
        return "".join(detail.get("text") or detail.get("summary") or "" for detail in details)

    def searched(self, payload: dict[str, Any]) -> None:
        """Take in what Perplexity found; every event of a stream says it again."""
        self._sources = found(payload.get("search_results") or (), payload.get("citations") or ())

    def logprobs(self, said: dict[str, Any]) -> None:
        """Take in how probable tokens were, which was asked for by provider options."""
        for name, value in said.items():
            if isinstance(value, list) and isinstance(self._logprobs.get(name), list):
                self._logprobs[name] += value
            elif value is not None:
                self._logprobs[name] = value

    def filtered(self, results: dict[str, Any]) -> None:
        """Take in why an answer was cut off."""
        block = ProviderBlock(self._provider, "content_filter_results", orjson.dumps(results).decode())
        self._parts.whole(Part(block))

    def finish(self, text: str) -> None:
        """Put what was collected into the answer, whose words are *text*."""
        citations = (*(cited(each, text) for each in self._annotations), *self._sources)
        if citations:
            self._parts.attach("text", Text(""), citations=citations)
        if any(detail.get("data") or detail.get("signature") for detail in self._details):
            state = OpaqueState(self._provider, "", "", orjson.dumps(self._details))
            self._parts.attach("reasoning", Reasoning(""), opaque=state)
        if self._sound:
            self._spoken()
        if self._logprobs:
            told = orjson.dumps(self._logprobs).decode()
            self._parts.whole(Part(ProviderBlock(self._provider, "logprobs", told)))

    def _detail(self, detail: dict[str, Any]) -> None:
        """Join the pieces in which a stream brings words; a signature ends them, and what is sealed comes whole."""
        last = self._details[-1] if self._details else {}
        pieces = detail.get("type") == last.get("type") == "reasoning.text" and detail.get("index") == last.get("index")
        if not pieces or last.get("signature"):
            self._details.append(dict(detail))
            return
        words = (last.get("text") or "") + (detail.get("text") or "")
        last |= {name: value for name, value in detail.items() if value is not None}
        last["text"] = words

    def _heard(self, audio: dict[str, Any]) -> None:
        if audio.get("transcript"):
            if not self._audio.get("transcript"):
                state = OpaqueState(self._provider, "", "", TRANSCRIPT)
                self._parts.attach("transcript", Text(""), opaque=state)
            self._parts.text("transcript", audio["transcript"])
        if audio.get("data"):
            self._sound.append(b64decode(audio["data"]))
        self._audio |= {name: value for name, value in audio.items() if value is not None}

    def _spoken(self) -> None:
        sound = b"".join(self._sound)
        state = OpaqueState(self._provider, "", str(self._audio.get("id") or ""), b"")
        self._parts.whole(Part(Media(MediaKind.AUDIO, sound, media_type=sound_type(sound)), opaque=state))
