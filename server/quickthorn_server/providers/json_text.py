"""JSON that travels as text: its top level is taken apart without touching a byte of the values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import orjson

from quickthorn_server.core.failures import BackendError, Failure


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)
_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[ \t\n\r]+|[,:]')


def members(text: str) -> dict[str, str]:
    """Return the members of the JSON object *text*, each value as the very text that stands there.

    Raises ValueError when *text* is no JSON object.
    """
    at = _past(text, _skip(text, 0), "{")
    found: dict[str, str] = {}
    if text.startswith("}", at):
        return _ended(text, at + 1, found)
    while True:
        if not text.startswith('"', at):
            raise ValueError(f"a member's name is expected at character {at}")
        name, at = _value(text, at)
        begin = _past(text, _skip(text, at), ":")
        _, end = _value(text, begin)
        found[name] = text[begin:end]
        at = _skip(text, end)
        if text.startswith("}", at):
            return _ended(text, at + 1, found)
        at = _past(text, at, ",")


def inner(data: bytes, *path: str) -> str:
    """Return the text of a member inside members.

    Raises ValueError for what is no JSON object, KeyError for what is not there.
    """
    text = data.decode()
    for name in path:
        text = members(text)[name]
    return text


def elements(text: str) -> list[str]:
    """Return the elements of the JSON array *text*, each as the very text that stands there.

    Raises ValueError when *text* is no JSON array.
    """
    at = _past(text, _skip(text, 0), "[")
    found: list[str] = []
    while not text.startswith("]", at):
        if found:
            at = _past(text, at, ",")
        _, end = _value(text, at)
        found.append(text[at:end])
        at = _skip(text, end)
    if _skip(text, at + 1) != len(text):
        raise ValueError(f"nothing is expected after character {at + 1}")
    return found


def on_one_line(text: str) -> str:
    """Return JSON *text* with one blank behind every comma and colon, none elsewhere; all else is as it was."""
    return _TOKEN.sub(_spaced, text)


def options(given: Mapping[str, str], *names: str) -> dict[str, orjson.Fragment]:
    """Return the caller's own members of a request, each byte for byte; of several *names* the last one wins.

    Raises BackendError (INVALID).
    """
    return {member: orjson.Fragment(text) for member, text in option_texts(given, *names).items()}


def option_texts(given: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return what `options` does, as text."""
    found: dict[str, str] = {}
    for name in names:
        text = given.get(name)
        if text:
            try:
                found |= members(text)
            except ValueError:
                raise BackendError(Failure.INVALID, "provider options are no JSON object") from None
    return found


def given_out(state: bytes) -> orjson.Fragment:
    """Return JSON that was given out as the state of a part, byte for byte.  Raises BackendError (INVALID)."""
    try:
        orjson.loads(state)
    except orjson.JSONDecodeError:
        raise BackendError(Failure.INVALID, "the state of a part is not what was given out") from None
    return orjson.Fragment(state)


def _value(text: str, at: int) -> tuple[Any, int]:
    """Return the value that begins *at*, and where it ends.  Raises ValueError."""
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _past(text: str, at: int, mark: str) -> int:
    if not text.startswith(mark, at):
        raise ValueError(f"{mark} is expected at character {at}")
    return _skip(text, at + 1)


def _spaced(match: re.Match[str]) -> str:
    token = match.group()
    return token + " " if token in {",", ":"} else token.strip()


def _ended(text: str, at: int, found: dict[str, str]) -> dict[str, str]:
    if _skip(text, at) != len(text):
        raise ValueError(f"nothing is expected after character {at}")
    return found
