"""Images and documents as the Messages API words them.  Pure."""

from __future__ import annotations

from typing import Any

from quickthorn_server.core.content import Media, MediaKind
from quickthorn_server.providers.anthropic_errors import cannot
from quickthorn_server.providers.media import base64

_BLOCKS = {MediaKind.IMAGE: "image", MediaKind.DOCUMENT: "document"}
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PDF = "application/pdf"


def media_block(media: Media) -> dict[str, Any]:
    """Return an `image` or `document` block.  Raises BackendError (UNSUPPORTED) for what this API does not read."""
    kind = _BLOCKS.get(media.kind)
    if kind is None:
        raise cannot(media.kind.value)
    block: dict[str, Any] = {"type": kind, "source": _source(media)}
    if media.filename and media.kind is MediaKind.DOCUMENT:
        block["title"] = media.filename
    return block


def _source(media: Media) -> dict[str, str]:
    if media.provider_file_id:
        return {"type": "file", "file_id": media.provider_file_id}
    if media.data is not None:
        return _inline(media.kind, media.data, media.media_type.partition(";")[0].strip().lower())
    if not media.uri.startswith(("https://", "http://")):
        raise cannot("an address that is neither https nor http")
    return {"type": "url", "url": media.uri}


def _inline(kind: MediaKind, data: bytes, media_type: str) -> dict[str, str]:
    """Return the bytes themselves: JPEG, PNG, GIF, WebP, PDF as base64, any text as plain text."""
    if kind is MediaKind.DOCUMENT and media_type.startswith("text/"):
        try:
            return {"type": "text", "media_type": "text/plain", "data": data.decode()}
        except UnicodeDecodeError:
            raise cannot("text that is not UTF-8") from None
    media_type = "image/jpeg" if media_type == "image/jpg" else media_type
    if media_type not in (_IMAGES if kind is MediaKind.IMAGE else {_PDF}):
        raise cannot(f"{kind.value}s of type {media_type or 'unknown'}")
    return {"type": "base64", "media_type": media_type, "data": base64(data)}
