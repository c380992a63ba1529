"""An OpenAI-compatible upstream that costs next to nothing: raw HTTP/1.1 on asyncio, every reply made beforehand.

The path says how it answers: `/whole` at once, `/fold` 100 tokens in ten reads a millisecond apart, `/paced` one token
per read every 5 ms, `/burst` ten tokens per read every 5 ms.  Prints `port N` first.  Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any, cast

import uvloop

WORD = " hedge"
TOKENS = 100  # of a whole answer, and of a folded one
USAGE = {"prompt_tokens": 120, "completion_tokens": TOKENS, "total_tokens": 120 + TOKENS}
COMMON = {
    "id": "chatcmpl-CMKAuuvC6E26nL6HLZzTrysEvC8Ln",
    "created": 1759436804,
    "model": "gpt-4o-2024-08-06",
    "service_tier": "default",
    "system_fingerprint": "fp_cbf1785567",
}


@dataclass(frozen=True, slots=True)
class Pace:
    """*reads* writes of *tokens* tokens each, *apart* seconds apart."""

    reads: int
    tokens: int
    apart: float


PACES = {"fold": Pace(10, 10, 0.001), "paced": Pace(500, 1, 0.005), "burst": Pace(500, 10, 0.005)}


def event(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
    """Return one event as OpenAI writes it."""
    payload = {**COMMON, "object": "chat.completion.chunk", "usage": usage, "choices": choices}
    return b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"


def delta(said: dict[str, str], reason: str | None = None) -> bytes:
    """Return the event of one delta."""
    return event([{"index": 0, "delta": said, "logprobs": None, "finish_reason": reason}])


def chunk(data: bytes) -> bytes:
    """Return *data* as one chunk of HTTP's chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole() -> bytes:
    """Return a whole answer, head and body."""
    message: dict[str, Any] = {"role": "assistant", "content": WORD * TOKENS, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = json.dumps({**COMMON, "object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_1\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-request-id: req_1\r\nTransfer-Encoding: chunked\r\n\r\n"
)
FIRST = HEAD + chunk(delta({"role": "assistant", "content": ""}))
LAST = chunk(delta({}, "stop") + event([], USAGE) + b"data: [DONE]\n\n") + b"0\r\n\r\n"
WHOLE = whole()
READS = {name: chunk(delta({"content": WORD}) * pace.tokens) for name, pace in PACES.items()}


class Connection(asyncio.Protocol):
    """Answers one request after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        self._loop = asyncio.get_running_loop()
        self._seen = b""
        self._timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole."""
        self._seen += data
        head, _, body = self._seen.partition(b"\r\n\r\n")
        at = head.lower().find(b"content-length:")
        if at < 0 or len(body) < int(head[at + 15 :].split(b"\r\n", 1)[0]):
            return
        self._seen = b""
        name = head[head.index(b"/") + 1 :].split(b"/", 1)[0].decode()
        if name == "whole":
            self._transport.write(WHOLE)
            return
        self._transport.write(FIRST)
        pace = PACES[name]
        self._next(READS[name], pace.reads, pace.apart, self._loop.time() + pace.apart)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Say no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _next(self, read: bytes, left: int, apart: float, due: float) -> None:
        self._timer = self._loop.call_at(due, self._write, read, left, apart, due)

    def _write(self, read: bytes, left: int, apart: float, due: float) -> None:
        if not left:
            self._transport.write(LAST)
            return
        self._transport.write(read)
        self._next(read, left - 1, apart, due + apart)


async def main() -> None:
    """Listen until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(main())
