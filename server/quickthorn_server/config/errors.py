"""What is wrong with a configuration, said so that an operator can mend it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal

Location = tuple[str | int, ...]
"""The way from the root of the file to a value: `("backends", 0, "timeouts", "idle")`."""

_LONGEST_SHOWN = 40
_KEY_PREFIX = re.compile(r"(?i:bearer)\s|(?:sk|pk|rk|gsk|hf|xai|pplx|nvapi|ghp|r8|fw)[-_]|AIza|AKIA|eyJ")
_KEY_BODY = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/_=.-]{24,}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault.  *line* and *column* count from 1, 0 = the file as a whole; *where* is "" at the root.

    *name*: of the backend, route or caller it is in, "" = in none, or nobody can tell.

    No part of it ever holds a secret.
    """

    file: str
    line: int
    column: int
    where: str
    message: str
    hint: str = ""
    name: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        said = f"{self.message}; {self.hint}" if self.hint else self.message
        where = f"{self.where} ({self.name})" if self.name else self.where
        return f"{place}: {where}: {said}" if where else f"{place}: {said}"


class ConfigError(Exception):
    """The configuration cannot be used; *problems* holds every fault found, sorted by line."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault at a location of the parsed content, before it has a line; *at_key* = the key is wrong, not its value."""

    location: Location
    message: str
    hint: str = ""
    at_key: bool = False


def rendered(location: Location) -> str:
    """Return *location* as operators read it: `backends[0].timeouts.idle`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{printable(step)}" for step in location)
    return "".join(steps).removeprefix(".")


def shown(value: object) -> str:
    """Return *value* as a message may quote it: short, on one line, and never something that looks like a key."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | Decimal():
            return printable(str(value))
        case str():
            return "(not shown: it looks like a key)" if looks_like_key(value) else f'"{printable(value)}"'
        case list():
            return "a list"
        case _:
            return "a mapping"


def printable(text: str) -> str:
    """Return *text* on one line, cut to 40 characters."""
    escaped = json.dumps(text, ensure_ascii=not text.isprintable())[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return escaped if len(escaped) <= _LONGEST_SHOWN else escaped[: _LONGEST_SHOWN - 3] + "..."


def is_key(text: str) -> bool:
    """Whether *text* begins as the keys of known providers do."""
    return _KEY_PREFIX.match(text) is not None


def looks_like_key(text: str) -> bool:
    """Whether *text* may be a secret that strayed into the file: a guess, on the safe side."""
    return is_key(text) or _KEY_BODY.fullmatch(text) is not None
