"""Check the form of a document, key by key, and say every fault in our own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from quickthorn_server.config.backend import Backend
from quickthorn_server.config.errors import Finding, Location, shown
from quickthorn_server.config.root import Caller, Config, Records, Server
from quickthorn_server.config.route import Route
from quickthorn_server.config.strict import Strict
from quickthorn_server.config.words import Never

_Kind = TypeVar("_Kind", bound=Strict)
_Words = tuple[str, str]

_EXAMPLES = {
    "above": "above: 200000",
    "backend": "backend: fast",
    "backends": "backends: [...], at least one",
    "cert_file": "cert_file: server.pem",
    "delay": "delay: auto, or a time like 300ms",
    "file": "file: decisions.jsonl",
    "input": "input: 0.25",
    "key_file": "key_file: server.key",
    "method": "method: connect, models or completion",
    "name": "name: fast",
    "output": "output: 2.00",
    "provider": "provider: openai",
    "routes": "routes: [{name: default, backends: [...]}]",
}

# pydantic's error type -> what is wrong and what to write.
_SAID: Mapping[str, Callable[[ErrorDetails], _Words]] = {
    "string_type": lambda error: (f"this must be text, not {shown(error['input'])}", _quoted(error["input"])),
    "int_type": lambda error: (f"this must be a whole number, not {shown(error['input'])}", "write digits only"),
    "int_from_float": lambda error: (f"this must be a whole number, not {shown(error['input'])}", "write digits only"),
    "bool_type": lambda error: (f"this must be true or false, not {shown(error['input'])}", "write true or false"),
    "list_type": lambda error: (
        f"this must be a list, not {shown(error['input'])}",
        "write [a, b], or a - before each",
    ),
    "dict_type": lambda error: (f"this must be a mapping, not {shown(error['input'])}", "write {key: value}"),
    "model_type": lambda error: (f"this must be a mapping, not {shown(error['input'])}", "write {key: value}"),
    "too_short": lambda _: ("this list is empty", "give it an entry, or remove the key"),
    "greater_than_equal": lambda error: (
        f"{shown(error['input'])} is too small",
        f"write at least {error['ctx']['ge']}",
    ),
    "less_than_equal": lambda error: (f"{shown(error['input'])} is too large", f"write at most {error['ctx']['le']}"),
    "quickthorn": lambda error: (error["ctx"]["message"], error["ctx"]["hint"]),
}


@dataclass(frozen=True, slots=True)
class Parts:
    """Whatever has a sound form, by its index in the file."""

    server: Server
    callers: Mapping[int, Caller]
    backends: Mapping[int, Backend]
    routes: Mapping[int, Route]
    records: Records | None


def checked(root: Any) -> tuple[Parts, list[Finding]]:
    """Return the sound parts of *root*, and a finding for every fault of form."""
    findings: list[Finding] = []
    try:
        Config.model_validate(root)
    except ValidationError as error:
        findings = [_finding(detail) for detail in error.errors(include_url=False)]
    return _parts(root), findings


def _parts(root: Mapping[str, Any]) -> Parts:
    """Take each part by itself, so that one fault does not hide the contradictions of all the others."""
    return Parts(
        _attempt(Server, root.get("server", {})) or Server(),
        _each(Caller, root.get("callers")),
        _each(Backend, root.get("backends")),
        _each(Route, root.get("routes")),
        _attempt(Records, root.get("records")),
    )


def _each(kind: type[_Kind], items: Any) -> Mapping[int, _Kind]:
    attempts = enumerate(_attempt(kind, item) for item in items) if isinstance(items, list) else ()
    return {index: part for index, part in attempts if part is not None}


def _attempt(kind: type[_Kind], value: Any) -> _Kind | None:
    try:
        return kind.model_validate(value)
    except ValidationError:
        return None


def _finding(error: ErrorDetails) -> Finding:
    location: Location = tuple(error["loc"])
    if error["type"] == "extra_forbidden":
        return _unknown_key(location)
    if error["type"] == "missing":
        key = str(location[-1])
        return Finding(location, f'the key "{key}" is missing', f"write {_EXAMPLES.get(key, key + ': ...')}")
    at_key = bool(error.get("ctx", {}).get("at_key"))
    if location and location[-1] == "[key]":
        location, at_key = location[:-1], True
    said = _SAID.get(error["type"])
    message, hint = said(error) if said else ("this value cannot be used", "see the JSON Schema for what can")
    return Finding(location, message, hint, at_key)


def _unknown_key(location: Location) -> Finding:
    key, known = str(location[-1]), sorted(_keys_at(location[:-1]))
    close = get_close_matches(key.lower(), known, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"the keys here are {', '.join(known)}"
    return Finding(location, f"unknown key {shown(key)}", hint, at_key=True)


def _keys_at(location: Location) -> Iterator[str]:
    """Yield the keys that may be written at *location*."""
    kind: Any = Config
    for step in location:
        kind = _bare(get_args(kind)[0] if isinstance(step, int) else kind.model_fields[step].annotation)
    for key, field in kind.model_fields.items():
        if not any(isinstance(mark, Never) for mark in field.metadata):
            yield key


def _bare(annotation: Any) -> Any:
    """Return the kind inside `Annotated[kind, ...]` and `kind | None`."""
    while get_origin(annotation) in {Annotated, Union, UnionType}:
        annotation = get_args(annotation)[0]
    return annotation


def _quoted(value: Any) -> str:
    return f'put it in quotes: "{value}"' if isinstance(value, int) else "put it in quotes"
