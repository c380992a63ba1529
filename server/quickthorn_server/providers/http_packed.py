"""Bodies that come compressed, though nobody asked for it: some servers and gateways do not listen."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable

from quickthorn_server.core.failures import BackendError, Failure

UNPACKED_BYTES = 256 * 1024
"""The most that one read gives, however much is packed into it."""

_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_DEFLATE_METHOD = 8


class Unpacker:
    """Reads a body packed as *coding*: gzip or deflate."""

    def __init__(self, coding: str, read: Callable[[], Awaitable[bytes]]) -> None:
        self._coding = coding
        self._packed = read
        self._inflater: zlib._Decompress | None = None
        self._more = False  # the last read may not have given everything that was there

    async def read(self) -> bytes:
        """Return what has arrived, as `HttpReply.read` does.  Raises BackendError (PROTOCOL) also for other codings."""
        if self._coding == "identity":
            return await self._packed()
        while True:
            # What unpacks to very much must not hold up the event loop.
            packed = await asyncio.sleep(0, b"") if self._more else await self._packed()
            data = self._unpacked(packed)
            if data or not packed:
                return data

    def _unpacked(self, packed: bytes) -> bytes:
        inflater = self._inflater
        if inflater is None:
            if not packed:
                return b""
            inflater = self._inflater = zlib.decompressobj(self._form(packed))
        if packed and inflater.eof:
            raise _garbage()
        ended = not (packed or self._more)
        try:
            data = inflater.decompress(inflater.unconsumed_tail + packed, UNPACKED_BYTES)
        except zlib.error:
            raise _garbage() from None
        self._more = len(data) == UNPACKED_BYTES
        if ended and not inflater.eof:
            raise _garbage()
        return data

    def _form(self, packed: bytes) -> int:
        """Return the form of what begins like *packed*: many leave zlib out of deflate (RFC 9110, 8.4.1.2)."""
        if self._coding in {"gzip", "x-gzip"}:
            return _GZIP
        if self._coding == "deflate":
            return _ZLIB if packed[:1] and packed[0] & 0xF == _DEFLATE_METHOD else _RAW
        raise _garbage()


def _garbage() -> BackendError:
    return BackendError(Failure.PROTOCOL, "the body's compression is garbage, or unknown")
