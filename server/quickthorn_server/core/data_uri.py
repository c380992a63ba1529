"""Bytes that stand in an address (RFC 2397)."""

from __future__ import annotations

from base64 import b64decode

_SCHEME, _ENCODED = "data:", ";base64"


def unpacked(address: str) -> tuple[str, bytes] | None:
    """Return the media type ("" = it names none) and the bytes of *address*, None where it holds none in base64.

    Raises ValueError for bad base64.
    """
    head, comma, data = address.partition(",")
    if not comma or not head.startswith(_SCHEME) or not head.endswith(_ENCODED):
        return None
    media_type = head.removeprefix(_SCHEME).removesuffix(_ENCODED).partition(";")[0]
    return media_type, b64decode(data, validate=True)
