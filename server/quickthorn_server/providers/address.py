"""Where a request goes: the configured address and the format's path, one version segment between them."""

from __future__ import annotations

from urllib.parse import quote

_AS_IT_IS = ":@!$&'()*+,;="
"""What may stand in a path unescaped: the HTTP client would take the escapes back, and a signature would not fit."""


def escaped(name: str, also: str = "") -> str:
    """Return *name* as a piece of a path; *also*: what else in it stays as it is, `/` where it names several pieces."""
    return quote(name, safe=_AS_IT_IS + also)


def joined(base_url: str, path: str) -> str:
    """Return *base_url* followed by *path*.

    A base address may end with a slash, and with the version that *path* begins with: providers document both.
    """
    base, rest = base_url.rstrip("/"), "/" + path.lstrip("/")
    version = "/" + rest.split("/", 2)[1]
    return base.removesuffix(version) + rest if rest.count("/") > 1 else base + rest
