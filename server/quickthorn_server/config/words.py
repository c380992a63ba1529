"""Names, closed word lists and addresses as operators write them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from math import isfinite
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from quickthorn_server.config.errors import printable, shown
from quickthorn_server.config.kinds import refuse

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HOST = re.compile(r"\[[0-9A-Fa-f:.%]+\]|[^\[\]:/\s]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_SOCKET_PATH = 107  # bytes: sun_path of Linux, less its closing zero
_LAST_PORT = 65535
_LONGEST_TEXT = 1024
_MOST_LISTED = 16
_INTEGERS = range(-(2**63), 2**64)


def nearest(word: str, words: Collection[str]) -> str:
    """Return the question that names the likeliest of *words*, or else what can be written."""
    close = get_close_matches(word.lower(), sorted(words), n=1)
    if close:
        return f'did you mean "{printable(close[0])}"?'
    return f"write {listed(words)}"


def listed(words: Collection[str]) -> str:
    """Return *words* for a message, the first sixteen of them."""
    names = [printable(name) for name in sorted(words)]
    if len(names) > _MOST_LISTED:
        names[_MOST_LISTED:] = ["..."]
    return f"{'one of ' if len(names) > 1 else ''}{', '.join(names)}"


@dataclass(frozen=True)
class OneOf:
    """A word of a closed list; *later* are those of a coming version."""

    noun: str
    words: frozenset[str]
    later: frozenset[str] = frozenset()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": sorted(self.words)}

    def _checked(self, value: Any) -> Any:
        if not isinstance(value, str):
            refuse(f"{shown(value)} is no {self.noun}", f"write {listed(self.words)}")
        if value in self.later:
            message = f'{self.noun} "{value}" is understood but not available in this version'
            refuse(message, f"write {listed(self.words)}")
        if value not in self.words:
            refuse(f"unknown {self.noun} {shown(value)}", nearest(value, self.words))
        return value


class Never:
    """Marks a key that people try and that must not exist; *instead* says what to write."""

    def __init__(self, message: str, instead: str) -> None:
        self._message, self._instead = message, instead

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._refused, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"not": {}}

    def _refused(self, _: Any) -> Any:
        refuse(self._message, self._instead, at_key=True)


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        refuse(f"{shown(value)} is no name", "use up to 63 of a-z 0-9 . _ -, the first a letter or digit")
    return value


def _text(value: str) -> str:
    if not value.strip() or len(value) > _LONGEST_TEXT or not value.isprintable():
        refuse(f"this must be 1 to {_LONGEST_TEXT} printable characters", "write it on one line")
    return value


def _variable(value: str) -> str:
    # Not quoted back: people paste the key itself here.
    if not _VARIABLE.fullmatch(value):
        refuse("this must be the name of an environment variable, not the key itself", "write it like OPENAI_API_KEY")
    return value


def _listen(value: Any) -> str:
    if not isinstance(value, str):
        refuse(f"{shown(value)} is no address", "write host:port, like 127.0.0.1:50051, or unix:/path")
    if value.startswith("unix:"):
        return _socket(value)
    host, colon, port = value.rpartition(":")
    if not colon or not _HOST.fullmatch(host):
        refuse(f"{shown(value)} is no address", "write host:port, like 127.0.0.1:50051, or unix:/path")
    if not port.isascii() or not port.isdigit() or int(port[:6]) > _LAST_PORT:
        refuse(f"{shown(value)} has no port from 0 to {_LAST_PORT}", "write host:port; 0 takes any free port")
    return value


def _socket(value: str) -> str:
    path = value.removeprefix("unix:")
    if not path or not path.isprintable() or len(path.encode()) > _LONGEST_SOCKET_PATH:
        refuse(f"a socket path has 1 to {_LONGEST_SOCKET_PATH} bytes", "write it like unix:/run/quickthorn.sock")
    return value


def _base_url(value: str) -> str:
    """Return the address without its last slash.  It is never quoted back: it may hold a password."""
    try:
        url = urlsplit(value)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or not value.isascii() or not value.isprintable() or " " in value:
        refuse("this is no http:// or https:// address", "write it like https://api.openai.com/v1")
    if "@" in value:
        refuse("an address must not carry a user or a key", "use api_key_env")
    if "?" in value or "#" in value:
        refuse("an address must end with its path", "put ?query=... under `path`")
    return value.rstrip("/")


def _path(value: str) -> str:
    if not value.startswith("/") or not value.isascii() or not value.isprintable() or " " in value or "#" in value:
        refuse("a path must start with / and hold no spaces", "write it like /chat/completions")
    return value


def _header_name(value: str) -> str:
    if not _HEADER.fullmatch(value):
        refuse(f"{shown(value)} is no header name", "write it like x-team")
    return value


def _header_text(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        refuse("a header must be printable ASCII", "write it on one line")
    return value


def _json(value: Any) -> Any:
    """Return *value* as JSON has it: binary floating point, integers of 64 bits."""
    match value:
        case dict():
            return {key: _json(item) for key, item in value.items()}
        case list():
            return [_json(item) for item in value]
        case bool() | str() | None:
            return value
        case int() if value in _INTEGERS:
            return value
        case Decimal() if isfinite(float(value)):
            return float(value)
        case _:
            return refuse("a number here is out of range", "JSON has no infinity, and integers have 64 bits")


Name = Annotated[
    str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$"})
]
Text = Annotated[str, AfterValidator(_text)]
Variable = Annotated[
    str, AfterValidator(_variable), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"})
]
Listen = Annotated[str, BeforeValidator(_listen)]
BaseUrl = Annotated[str, AfterValidator(_base_url), WithJsonSchema({"type": "string", "format": "uri"})]
UrlPath = Annotated[str, AfterValidator(_path), WithJsonSchema({"type": "string", "pattern": "^/"})]
Headers = dict[Annotated[str, AfterValidator(_header_name)], Annotated[str, AfterValidator(_header_text)]]
JsonObject = Annotated[dict[str, Any], AfterValidator(_json)]
