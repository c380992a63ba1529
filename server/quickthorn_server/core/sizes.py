"""How large a text is where bytes count."""

from __future__ import annotations


def utf8_size(text: str) -> int:
    """Return the bytes of *text* in UTF-8, without making them where it is plain ASCII."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
