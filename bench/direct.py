"""The client that latencies are compared with: it asks the upstream itself, over sockets that it uses again."""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Self

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 80}]}).encode()
HEAD = "POST /whole/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n"
REQUEST = HEAD.format(len(BODY)).encode() + BODY


class Direct:
    """As many connections to *port* as there are calls at once.  It knows the one reply that the upstream makes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for _, writer in self._idle:
            writer.close()

    async def complete(self) -> None:
        """Make one call."""
        idle = self._idle
        reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head[head.index(b"Content-Length:") + 15 :].split(b"\r\n", 1)[0]))
        idle.append((reader, writer))
