"""Where a request goes: the configured address and the format's path, one version segment between them."""

from __future__ import annotations


def joined(base_url: str, path: str) -> str:
    """Return *base_url* followed by *path*.

    A base address may end with a slash, and with the version that *path* begins with: providers document both.
    """
    base, rest = base_url.rstrip("/"), "/" + path.lstrip("/")
    version = "/" + rest.split("/", 2)[1]
    return base.removesuffix(version) + rest if rest.count("/") > 1 else base + rest
