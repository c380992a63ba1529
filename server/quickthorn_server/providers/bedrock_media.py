"""Media as Bedrock's Converse carries them, both ways: bytes or an address in S3, and a word for the format.  Pure."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from quickthorn_server.core.content import Media, MediaKind
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.media import base64

_FORMATS: Mapping[MediaKind, Mapping[str, str]] = {
    MediaKind.IMAGE: {
        "image/png": "png",
        "image/jpeg": "jpeg",
        "image/jpg": "jpeg",
        "image/gif": "gif",
        "image/webp": "webp",
    },
    MediaKind.DOCUMENT: {
        "application/pdf": "pdf",
        "text/csv": "csv",
        "application/msword": "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "text/html": "html",
        "text/plain": "txt",
        "text/markdown": "md",
    },
    MediaKind.AUDIO: {
        "audio/mpeg": "mp3",
        "audio/mp3": "mp3",
        "audio/opus": "opus",
        "audio/wav": "wav",
        "audio/x-wav": "wav",
        "audio/wave": "wav",
        "audio/aac": "aac",
        "audio/flac": "flac",
        "audio/mp4": "mp4",
        "audio/ogg": "ogg",
        "audio/x-matroska": "mka",
        "audio/x-aac": "x-aac",
        "audio/x-m4a": "m4a",
        "audio/webm": "webm",
        "audio/pcm": "pcm",
    },
    MediaKind.VIDEO: {
        "video/x-matroska": "mkv",
        "video/quicktime": "mov",
        "video/mp4": "mp4",
        "video/webm": "webm",
        "video/x-flv": "flv",
        "video/mpeg": "mpeg",
        "video/x-ms-wmv": "wmv",
        "video/3gpp": "three_gp",
    },
}
_ENDINGS = {"jpg": "jpeg", "htm": "html", "3gp": "three_gp"}

_UNWANTED = re.compile(r"[^A-Za-z0-9\s()\[\]-]+")
_LONGEST_NAME = 180  # of 200, so that there is room for a number


class Documents:
    """Names the documents of one request: Bedrock wants a name for each, in few characters, and no two the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, filename: str) -> str:
        """Return a name like *filename* without its ending."""
        stem = filename.rpartition(".")[0] or filename
        name = " ".join(_UNWANTED.sub("-", stem).split())[:_LONGEST_NAME].strip() or "document"
        number, found = 1, name
        while found in self._taken:
            number += 1
            found = f"{name} ({number})"
        self._taken.add(found)
        return found


def media_block(media: Media, documents: Documents) -> dict[str, Any]:
    """Return the block of a piece of media.  Raises BackendError (UNSUPPORTED) for what Converse takes in no format."""
    source = _source(media)  # first: of what is not here nobody need know the format
    block: dict[str, Any] = {"format": _format(media)}
    if media.kind is MediaKind.DOCUMENT:
        block["name"] = documents.name(media.filename)
    return {media.kind.value: block | {"source": source}}


def media_of(kind: str, block: Mapping[str, Any]) -> Media:
    """Return the media of an answer's block.  Raises KeyError, TypeError or ValueError where it is none."""
    form, source = block["format"], block["source"]
    types = {word: media_type for media_type, word in reversed(list(_FORMATS[MediaKind(kind)].items()))}
    media_type = types.get(form, "")
    if "s3Location" in source:
        return Media(MediaKind(kind), uri=str(source["s3Location"]["uri"]), media_type=media_type)
    return Media(MediaKind(kind), b64decode(source["bytes"], validate=True), media_type=media_type)


def _format(media: Media) -> str:
    """Return Bedrock's word for the media type, or else for the ending of its name or address."""
    formats = _FORMATS[media.kind]
    ending = (media.filename or media.uri).rpartition(".")[2].lower()
    found = formats.get(media.media_type.partition(";")[0].strip().lower())
    if found is None and not media.media_type:
        ending = _ENDINGS.get(ending, ending)
        found = ending if ending in formats.values() else None
    if found is None:
        raise _cannot(f"{media.kind.value}s of type {media.media_type or 'unknown'}")
    return found


def _source(media: Media) -> dict[str, Any]:
    if media.data is not None:
        return {"bytes": base64(media.data)}
    if media.uri.startswith("s3://"):
        return {"s3Location": {"uri": media.uri}}
    raise _cannot(f"{media.kind.value} that is neither in the request nor in S3")


def _cannot(what: str) -> BackendError:
    return BackendError(Failure.UNSUPPORTED, f"Bedrock's Converse cannot carry {what}")
