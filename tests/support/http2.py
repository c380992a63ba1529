"""The smallest HTTP/2 client: shows the frames of one RPC, and never answers a PING."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class RawCall:
    """One RPC on a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, port: int, path: str, message: bytes = b"") -> RawCall:
        """Open the RPC *path* with one request *message*."""
        call = cls(*await asyncio.open_connection("127.0.0.1", port))
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "test",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        block = b"".join(b"\0" + _string(name) + _string(value) for name, value in headers.items())
        body = b"\0" + len(message).to_bytes(4, "big") + message
        call._writer.write(
            _PREFACE
            + _frame(SETTINGS, 0, 0, b"")
            + _frame(HEADERS, END_HEADERS, 1, block)
            + _frame(DATA, END_STREAM, 1, body)
        )
        return call

    async def frame(self) -> Frame:
        """Return the next frame; raises IncompleteReadError when the server has closed."""
        head = await self._reader.readexactly(9)
        payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
        return Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)

    async def answer(self) -> list[Frame]:
        """Return the RPC's HEADERS and DATA frames, to its end."""
        frames: list[Frame] = []
        while not (frames and frames[-1].flags & END_STREAM):
            frame = await self.frame()
            if frame.stream == 1 and frame.kind in {DATA, HEADERS}:
                frames.append(frame)
        return frames

    def ping(self) -> None:
        """Send a PING, as proxies do to keep a connection alive."""
        self._writer.write(_frame(PING, 0, 0, bytes(8)))

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        await self._writer.wait_closed()


def _string(text: str) -> bytes:
    """Return *text* as an HPACK string, neither compressed nor longer than 126 bytes."""
    raw = text.encode()
    return bytes([len(raw)]) + raw


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
