"""An upstream that accepts a request and says nothing; prints `open ID T` and `closed ID T` as it sees them.

T is CLOCK_MONOTONIC in seconds, which all processes of a machine share.  Prints `port N` first.  Ends with its standard
input.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time

_numbers = itertools.count()


def say(*words: object) -> None:
    """Print one line at once."""
    print(*words, flush=True)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read a request's head and body, keep silent, and tell when the peer closed."""
    number = next(_numbers)
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l"))
        await reader.readexactly(length)
        say("open", number, time.monotonic())
        await reader.read()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # a reset is a close too
    say("closed", number, time.monotonic())
    writer.close()


async def main() -> None:
    """Listen until standard input ends."""
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    say("port", server.sockets[0].getsockname()[1])
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
