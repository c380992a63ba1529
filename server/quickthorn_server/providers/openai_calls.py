"""Tool calls of a chat completion, whole or in pieces, as parts of the answer.  Pure."""

from __future__ import annotations

from typing import Any

import orjson

from quickthorn_server.core.content import OpaqueState, ToolCall
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.answer_parts import AnswerParts
from quickthorn_server.providers.openai_content import CUSTOM, LEGACY


class _Call:
    """A tool call while it streams; *begun* once its name is known, because the first delta must carry it."""

    __slots__ = ("begun", "custom", "held", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.begun = False
        self.custom = False
        self.held = ""


class Calls:
    """Collects the calls of one answer into *parts*."""

    def __init__(self, parts: AnswerParts, provider: str) -> None:
        self._parts = parts
        self._provider = provider
        self._calls: dict[int, _Call] = {}
        self._places: dict[int | None, int] = {}  # the last call at each index, and of all

    def take(self, said: dict[str, Any]) -> None:
        """Take in a call, or a piece of one."""
        custom = said.get("custom")
        tool = custom or said.get("function") or {}
        key, call = self._which(said.get("index"), str(said.get("id") or ""), str(tool.get("name") or ""))
        call.custom = call.custom or bool(custom)
        arguments = tool.get("input" if custom else "arguments") or ""
        if not isinstance(arguments, str):
            arguments = orjson.dumps(arguments).decode()  # some servers send the object itself
        if call.begun:
            self._parts.arguments(key, arguments)
        elif call.name:
            call.begun = True
            self._parts.call(key, call.id, call.name, call.held + arguments)
            if call.custom:
                self._mark(key, call)
        else:
            call.held += arguments

    def legacy(self, said: dict[str, Any]) -> None:
        """Take in a call of the kind of before 2023, or a piece of one: the only one of its turn, without an id."""
        name = said.get("name")
        named = {"id": LEGACY + name} if name else {}
        self.take({"index": -1, **named, "function": said})

    def finish(self) -> None:
        """Close the calls.  Raises BackendError (PROTOCOL) for one that was never named."""
        if not all(call.begun for call in self._calls.values()):
            raise BackendError(Failure.PROTOCOL, "a tool call without a name")

    def _which(self, index: int | None, call_id: str, name: str) -> tuple[int, _Call]:
        """Return the call that a delta belongs to, and its key.

        Some servers leave *index* out or send 0 for every call of a turn: a new id with a name is then a new call, and
        where there are neither, so is a name alone.  Anything else belongs to the last call at its *index*.
        """
        key = self._places.get(index, len(self._calls))
        call = self._calls.get(key)
        if call is None or (name and _another(call, index, call_id)):
            key = len(self._calls)
            call = self._calls[key] = _Call()
        self._places[index] = self._places[None] = key
        call.id = call.id or call_id
        call.name = call.name or name
        return key, call

    def _mark(self, key: int, call: _Call) -> None:
        empty = ToolCall(call.id, call.name, "")
        self._parts.attach(key, empty, opaque=OpaqueState(self._provider, "", "", CUSTOM))


def _another(call: _Call, index: int | None, call_id: str) -> bool:
    """Say whether a name that comes once more is that of another call."""
    if call_id and call.id:
        return call_id != call.id
    return index is None and bool(call.name) and not call_id and not call.id
