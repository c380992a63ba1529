"""Output items of a response as parts of the answer, streamed or whole.  Pure."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Hashable
from typing import Any

import orjson

from quickthorn_server.core.content import (
    Media,
    MediaKind,
    OpaqueState,
    Part,
    ProviderBlock,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from quickthorn_server.providers.answer_parts import AnswerParts
from quickthorn_server.providers.openai_citations import cited
from quickthorn_server.providers.openai_content import CUSTOM
from quickthorn_server.providers.openai_responses_input import PHASE

_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}


class OutputItems:
    """Puts the items of one response into *parts*: as they are streamed, and what was not when they are done."""

    def __init__(self, parts: AnswerParts, provider: str) -> None:
        self._parts = parts
        self._provider = provider
        self._begun: set[Hashable] = set()
        self._written: set[Hashable] = set()
        self.refused = False

    def text(self, payload: dict[str, Any]) -> None:
        """Take in more of a text."""
        key = payload["output_index"], payload.get("content_index")
        self._written.add(key)
        self._parts.text(key, payload["delta"])

    def thought(self, payload: dict[str, Any]) -> None:
        """Take in more of a thought: its summaries are one part, as in the whole item."""
        key = payload["output_index"]
        self._written.add(key)
        self._parts.reasoning(key, payload["delta"])

    def arguments(self, payload: dict[str, Any]) -> None:
        """Take in more of a call's arguments."""
        key = payload["output_index"]
        if payload["delta"]:
            self._written.add(key)
        self._parts.arguments(key, payload["delta"])

    def begun(self, payload: dict[str, Any]) -> None:
        """Take in an item that begins: a call says its name."""
        item = payload["item"]
        if item["type"] in _CALLS:
            self._call(payload["output_index"], item)

    def done(self, place: int, item: dict[str, Any], raw: str | Callable[[], str]) -> None:
        """Take in an item that is done; *raw* is it byte for byte, or gives it."""
        match item["type"]:
            case "message":
                self._message(place, item)
            case "reasoning":
                self._reasoning(place, item, raw)
            case "function_call" | "custom_tool_call" as kind:
                if place not in self._begun:
                    self._call(place, item)
                if place not in self._written:
                    self._parts.arguments(place, item.get(_CALLS[kind]) or "")
            case "image_generation_call" if item.get("result"):
                self._picture(item)
            case kind:
                self._parts.whole(Part(ProviderBlock(self._provider, str(kind), _text(raw))))

    def _message(self, place: int, item: dict[str, Any]) -> None:
        for number, content in enumerate(item["content"]):
            key = place, number
            if content["type"] == "refusal":
                self.refused = True
                self._parts.whole(Part(Refusal(_string(content["refusal"]))))
                continue
            if content["type"] != "output_text":
                continue
            text = content["text"]
            if key not in self._written:
                self._parts.text(key, text)
            self._about(key, item, content)

    def _about(self, key: Hashable, item: dict[str, Any], content: dict[str, Any]) -> None:
        """Add what is known of a text once it is whole."""
        citations = tuple(cited(each, content["text"]) for each in content.get("annotations") or ())
        state = None
        if item.get("phase") == "commentary":  # a final answer needs no mark, and may be read by any provider
            state = OpaqueState(self._provider, "", str(item.get("id") or ""), PHASE + b"commentary")
        if citations or state is not None:
            self._parts.attach(key, Text(""), citations=citations, opaque=state)
        if content.get("logprobs"):
            told = orjson.dumps(content["logprobs"]).decode()
            self._parts.whole(Part(ProviderBlock(self._provider, "logprobs", told)))

    def _reasoning(self, place: int, item: dict[str, Any], raw: str | Callable[[], str]) -> None:
        if place not in self._written:
            for piece in (*(item.get("summary") or ()), *(item.get("content") or ())):
                self._parts.reasoning(place, piece["text"])
        if item.get("encrypted_content"):  # without it the item cannot be read again: nothing is stored there
            state = OpaqueState(self._provider, "", str(item.get("id") or ""), _text(raw).encode())
            self._parts.attach(place, Reasoning(""), opaque=state)

    def _call(self, place: int, item: dict[str, Any]) -> None:
        self._begun.add(place)
        self._parts.call(place, _string(item["call_id"]), _string(item["name"]))
        if item["type"] == "custom_tool_call":
            state = OpaqueState(self._provider, "", "", CUSTOM)
            self._parts.attach(place, ToolCall(item["call_id"], item["name"], ""), opaque=state)

    def _picture(self, item: dict[str, Any]) -> None:
        told = orjson.dumps({name: value for name, value in item.items() if name != "result"})
        media = Media(
            MediaKind.IMAGE,
            b64decode(item["result"], validate=True),
            media_type=f"image/{item.get('output_format') or 'png'}",
        )
        state = OpaqueState(self._provider, "", str(item.get("id") or ""), told)
        self._parts.whole(Part(media, opaque=state))


def _text(raw: str | Callable[[], str]) -> str:
    return raw if isinstance(raw, str) else raw()


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
