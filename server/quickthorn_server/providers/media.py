"""Media as most wire formats carry it.  Pure."""

from __future__ import annotations

from base64 import b64encode

from quickthorn_server.core.content import Media, MediaKind
from quickthorn_server.core.data_uri import unpacked

ANYTHING = "application/octet-stream"


def base64(data: bytes) -> str:
    """Return *data* as base64 text (RFC 4648, 4)."""
    return b64encode(data).decode("ascii")


def uri(media: Media) -> str:
    """Return the address, or the bytes as a data URI (RFC 2397)."""
    if media.data is None:
        return media.uri
    return f"data:{media.media_type or ANYTHING};base64,{base64(media.data)}"


def unwrapped(kind: MediaKind, address: str) -> Media:
    """Return what *address* is: the bytes of a data URI, or the address itself.  Raises ValueError for bad base64."""
    held = unpacked(address)
    if held is None:
        return Media(kind, uri=address)
    media_type, data = held
    return Media(kind, data, media_type=media_type or ANYTHING)


def sound_type(sound: bytes) -> str:
    """Return the media type of *sound* by how it begins; without a known beginning it is bare samples."""
    if sound.startswith(b"RIFF"):
        return "audio/wav"
    if sound.startswith(b"OggS"):
        return "audio/ogg"
    if sound.startswith(b"fLaC"):
        return "audio/flac"
    if sound.startswith((b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")):
        return "audio/mpeg"
    return "audio/pcm"
