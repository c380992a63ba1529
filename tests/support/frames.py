"""Frames of AWS's event streams, written as its documentation says ("Event stream encoding")."""

from __future__ import annotations

import json
import struct
from binascii import crc32
from collections.abc import Mapping
from typing import Any

_STRING = 7


def framed(headers: dict[str, str], payload: bytes) -> bytes:
    """Return one frame: prelude, headers, payload and both checksums."""
    head = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 12 + len(head) + len(payload) + 4, len(head))
    prelude += struct.pack("!I", crc32(prelude))
    return prelude + head + payload + struct.pack("!I", crc32(prelude + head + payload))


def event(name: str, **said: Any) -> bytes:
    """Return the frame of an event."""
    return framed(
        {":event-type": name, ":message-type": "event"},
        json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(),
    )


def exception(name: str, message: str = "") -> bytes:
    """Return the frame of an exception inside a stream."""
    return framed({":exception-type": name, ":message-type": "exception"}, json.dumps({"message": message}).encode())


def converse(*blocks: bytes, reason: str = "end_turn", usage: Mapping[str, int] | None = None) -> bytes:
    """Return a whole stream around its content *blocks*."""
    end = event("messageStop", stopReason=reason), event("metadata", usage=usage or {})
    return b"".join((event("messageStart", role="assistant"), *blocks, *end))
