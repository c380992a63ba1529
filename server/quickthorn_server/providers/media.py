"""Media as most wire formats carry it.  Pure."""

from __future__ import annotations

from base64 import b64encode

from quickthorn_server.core.content import Media

ANYTHING = "application/octet-stream"


def base64(data: bytes) -> str:
    """Return *data* as base64 text (RFC 4648, 4)."""
    return b64encode(data).decode("ascii")


def uri(media: Media) -> str:
    """Return the address, or the bytes as a data URI (RFC 2397)."""
    if media.data is None:
        return media.uri
    return f"data:{media.media_type or ANYTHING};base64,{base64(media.data)}"
