"""Follow what the configuration points to: keys in variables and files, certificates, models."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quickthorn_server.config.backend import Backend
from quickthorn_server.config.errors import Finding, Location, looks_like_key, printable
from quickthorn_server.config.form import Parts
from quickthorn_server.config.ladder import Escalate, fault_of_address
from quickthorn_server.config.root import Caller, Tls
from quickthorn_server.core.known import KNOWN
from quickthorn_server.core.secret import Secret

_LONGEST_KEY = 64 * 1024
_LONGEST_PEM = 1024 * 1024
_BARE = {"api_key": "key", "webhook": "address"}
_PEM, _GGUF = b"-----BEGIN", b"GGUF"


@dataclass(frozen=True, slots=True)
class References:
    """Where to look: *folder* is that of the configuration file, *env* the environment.

    *look* False = no variable and no other file is looked at; keys are then random, so that they open nothing.
    """

    folder: Path
    env: Mapping[str, str]
    look: bool = True

    def path(self, written: str) -> Path:
        """Return the file that *written* names."""
        return self.folder / written


@dataclass(slots=True)
class Found:
    """Keys and webhooks by the location of their owner, and what could not be followed."""

    keys: dict[Location, Secret] = field(default_factory=dict)
    webhooks: dict[Location, Secret] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def follow(parts: Parts, references: References) -> Found:
    """Return every key that the sound *parts* point to; no message ever holds one."""
    found = Found()
    for location, owner in _owners(parts):
        key = _key(owner, references)
        if isinstance(key, Secret):
            found.keys[location] = key
        elif key is not None:
            found.findings.append(Finding(location + key.location, key.message, key.hint))
    for location, escalate in _escalations(parts):
        webhook = _webhook(escalate, references)
        if isinstance(webhook, Secret):
            found.webhooks[location] = webhook
        elif webhook is not None:
            found.findings.append(Finding(location + webhook.location, webhook.message, webhook.hint))
    if references.look:
        found.findings += _shared_keys(found.keys)
        found.findings += _files(parts, references)
    return found


def escalation(index: int) -> Location:
    """Return where route *index* says whom to tell."""
    return ("routes", index, "degrade", "escalate")


def _escalations(parts: Parts) -> Iterator[tuple[Location, Escalate]]:
    for index, route in parts.routes.items():
        if route.degrade is not None and route.degrade.escalate is not None:
            yield escalation(index), route.degrade.escalate


def _owners(parts: Parts) -> Iterator[tuple[Location, Backend | Caller | Escalate]]:
    for index, backend in parts.backends.items():
        if KNOWN[backend.provider].remote:
            yield ("backends", index), backend
    for index, caller in parts.callers.items():
        yield ("callers", index), caller
    yield from _escalations(parts)


def _webhook(escalate: Escalate, references: References) -> Secret | Finding | None:
    """Return the address, None where none is written."""
    if escalate.webhook is not None:
        return Secret(escalate.webhook)
    if escalate.webhook_env is None and escalate.webhook_file is None:
        return None
    if not references.look:
        return Secret("http://127.0.0.1/")
    if escalate.webhook_env is not None:
        found = _from_variable(escalate.webhook_env, references.env, "webhook")
        key = "webhook_env"
    else:
        found, key = _from_file(escalate.webhook_file or "", references, "webhook"), "webhook_file"
    if isinstance(found, Secret) and (fault := fault_of_address(found.reveal())):
        return Finding((key,), f"what it holds {fault}", "make it one like https://ops.example.com/hook")
    return found


def _key(owner: Backend | Caller | Escalate, references: References) -> Secret | Finding | None:
    if owner.api_key_env is None and owner.api_key_file is None:
        return None
    if not references.look:
        return Secret(secrets.token_hex())
    if owner.api_key_env is not None:
        return _from_variable(owner.api_key_env, references.env)
    return _from_file(owner.api_key_file or "", references)


def _from_variable(name: str, env: Mapping[str, str], what: str = "api_key") -> Secret | Finding:
    # A name in small letters may be the key itself, pasted into the wrong place: then it is not quoted back.
    named = f'the variable "{printable(name)}"' if name.isupper() and not looks_like_key(name) else "this variable"
    text = env.get(name)
    if text is None:
        return Finding((f"{what}_env",), f"{named} is not set in the environment", f"set it, or use {what}_file")
    fault = _fault(text)
    return Finding((f"{what}_env",), f"{named} {fault}", f"set it to the bare {_BARE[what]}") if fault else Secret(text)


def _from_file(written: str, references: References, what: str = "api_key") -> Secret | Finding:
    key = key_in(references.path(written))
    if isinstance(key, Secret):
        return key
    return Finding((f"{what}_file",), f"{_file(written)} {key}", f"name a file that holds only the {_BARE[what]}")


def key_in(path: Path) -> Secret | str:
    """Return the key that is all the file *path* holds, or what keeps it from being one."""
    content = _content(path, _LONGEST_KEY)
    if isinstance(content, str):
        return content
    text = content.removesuffix(b"\n").removesuffix(b"\r").decode("ascii", "replace")
    return _fault(text) or Secret(text)


def _fault(text: str) -> str:
    """Say what keeps *text* from being a key, "" = nothing."""
    if not text:
        return "is empty"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "holds a space, a line break or another character that no key has"
    return ""


def _file(written: str) -> str:
    rooted = written.startswith(("/", "./", "../"))
    return f'the file "{printable(written)}"' if rooted or not looks_like_key(written) else "this file"


def _content(path: Path, longest: int) -> bytes | str:
    """Return the bytes of *path*, or what is wrong with it."""
    try:
        with path.open("rb") as file:
            content = file.read(longest + 1)
    except FileNotFoundError:
        return "does not exist"
    except PermissionError:
        return "may not be read by this user"
    except (OSError, ValueError):
        return "cannot be read"
    return content if len(content) <= longest else "is too large"


def _shared_keys(keys: Mapping[Location, Secret]) -> Iterator[Finding]:
    owners: dict[Secret, Location] = {}
    for location, key in keys.items():
        if location[0] != "callers":
            continue
        if key in owners:
            yield Finding(location, f"callers[{owners[key][1]}] has the same key", "give each caller its own")
        owners.setdefault(key, location)


def _files(parts: Parts, references: References) -> Iterator[Finding]:
    if parts.server.tls is not None:
        yield from _certificates(parts.server.tls, references)
    for index, backend in parts.backends.items():
        if backend.model_path is not None and backend.provider == "local":
            yield from _model_file(("backends", index, "model_path"), references.path(backend.model_path))


def _certificates(tls: Tls, references: References) -> Iterator[Finding]:
    for key, written in tls.given().items():
        content = _content(references.path(written), _LONGEST_PEM)
        if isinstance(content, str):
            yield Finding(("server", "tls", key), f"{_file(written)} {content}", "name a PEM file")
        elif _PEM not in content:
            yield Finding(("server", "tls", key), f"{_file(written)} is no PEM file", "it starts with -----BEGIN")


def _model_file(location: Location, path: Path) -> Iterator[Finding]:
    try:
        with path.open("rb") as file:
            sound = file.read(len(_GGUF)) == _GGUF
    except (OSError, ValueError):
        yield Finding(location, "this file cannot be read", "name a GGUF file")
    else:
        if not sound:
            yield Finding(location, "this is no GGUF file", "llama.cpp converts other formats to it")
