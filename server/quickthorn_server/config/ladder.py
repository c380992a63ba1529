"""The form of a route's `degrade`: how far its answers may fall, and who is told."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from quickthorn_server.config.backend import NO_KEYS
from quickthorn_server.config.errors import looks_like_key, shown
from quickthorn_server.config.kinds import refuse
from quickthorn_server.config.strict import Strict
from quickthorn_server.config.words import OneOf, Text, Variable
from quickthorn_server.core.ladder import After, Rung

_LONGEST_CANNED = 8192  # characters
_SECRETS = frozenset({"access_token", "api_key", "apikey", "code", "key", "secret", "sig", "signature", "token"})


def fault_of_address(address: str) -> str:
    """Say what keeps *address* from being one that can be posted to, "" = nothing.  It is never quoted back."""
    try:
        url = urlsplit(address)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or not address.isascii() or not address.isprintable() or " " in address or "#" in address:
        return "is no http:// or https:// address"
    return ""


def _webhook(value: Any) -> str:
    """Return the address, if nothing in it has to be kept secret."""
    if not isinstance(value, str):
        refuse(f"{shown(value)} is no address", "write it like https://ops.example.com/hook")
    if fault := fault_of_address(value):
        refuse(f"this {fault}", "write it like https://ops.example.com/hook")
    url = urlsplit(value)
    query = parse_qsl(url.query, keep_blank_values=True)
    named = any(name.lower() in _SECRETS for name, _ in query)
    words = [*url.path.split("/"), *(text for _, text in query)]
    if "@" in url.netloc or named or any(map(looks_like_key, words)):
        refuse(
            "this address holds a secret, and this file is copied, shown and logged",
            "put it into a variable and write webhook_env: its name, or into a file and write webhook_file: its path",
        )
    return value


def _canned(value: Any) -> str:
    if not isinstance(value, str):
        refuse(f"this must be text, not {shown(value)}", "put it in quotes")
    if not value.strip():
        refuse("a canned answer of nothing would look like an answer", "write what callers should read")
    if "\0" in value:
        refuse("a canned answer is text, and holds a NUL here", "remove it")
    if len(value) > _LONGEST_CANNED:
        refuse(f"a canned answer is text of at most {_LONGEST_CANNED} characters", "make it shorter")
    return value


class Escalate(Strict):
    """Tell a human where a call could not be answered: the address is posted a small JSON, never what was asked."""

    webhook: Annotated[str | None, BeforeValidator(_webhook), WithJsonSchema({"type": "string", "format": "uri"})] = (
        None
    )
    """Where to: https://ops.example.com/hook.  One of webhook, webhook_env, webhook_file."""
    webhook_env: Variable | None = None
    """The environment variable that holds the address, where the address itself is a secret."""
    webhook_file: Text | None = None
    """The file that holds it, from this file's folder."""
    api_key_env: Variable | None = None
    """The environment variable that holds a key, sent as `authorization: Bearer ...`; left out = none is sent."""
    api_key_file: Text | None = None
    """The file that holds that key, from this file's folder."""
    after: Annotated[str, OneOf("moment", frozenset(item.value for item in After))] = "exhausted"
    """`exhausted`: whenever nobody could answer.  `canned`: only when the canned text was the answer.

    Default exhausted.
    """
    api_key: Annotated[Any, NO_KEYS] = None
    """Never written here: see api_key_env and api_key_file."""


class Degrade(Strict):
    """How far answers may fall: same model elsewhere, lower tier, cached answer, canned text."""

    stop_at: Annotated[
        str | None,
        OneOf("rung", frozenset(item.value for item in Rung) - {"cached"}, frozenset({"cached"})),
    ] = None
    """The lowest rung that may answer: same_model, lower_tier (another model counts as one) or canned.

    Default canned where there is a canned text, else lower_tier.
    """
    canned: Annotated[str | None, AfterValidator(_canned)] = None
    """What is answered, marked, where nobody could: never to calls that ask for JSON, a tool call or vectors."""
    escalate: Escalate | None = None
    """Whom to tell where nobody could answer."""
