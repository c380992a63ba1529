"""The first floor: a bare grpc.aio server on uvloop that writes the same messages and asks nobody.

Usage: echo.py FILE, which holds messages recorded from the server under test, one line each: route, then base64.
Every message is serialised anew, as a server must; streams write theirs every 5 ms.
"""

from __future__ import annotations

import asyncio
import sys
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import uvloop

from bench.floor import serve
from quickthorn.v1.completion_pb2 import Completion, CompletionRequest
from quickthorn.v1.events_pb2 import CompletionEvent
from quickthorn.v1.routing_service_pb2_grpc import RoutingServicer

APART = 0.005


class Echo(RoutingServicer):
    """Answers from memory."""

    def __init__(self, recorded: dict[str, list[bytes]]) -> None:
        self._whole = Completion.FromString(recorded["whole"][0])
        self._streams = {
            route: [CompletionEvent.FromString(message) for message in messages]
            for route, messages in recorded.items()
            if route != "whole"
        }

    async def Complete(self, request: CompletionRequest, context: Any) -> Completion:  # noqa: ARG002, N802 - gRPC's
        """Answer at once."""
        return self._whole

    async def StreamComplete(  # noqa: N802 - gRPC's name
        self,
        request: CompletionRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - the same
    ) -> AsyncIterator[CompletionEvent]:
        """Answer every 5 ms."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for message in self._streams[request.route]:
            yield message
            due += APART
            await asyncio.sleep(due - loop.time())


def recorded(path: Path) -> dict[str, list[bytes]]:
    """Read the messages of each route."""
    messages: dict[str, list[bytes]] = {}
    for line in path.read_text().splitlines():
        route, message = line.split()
        messages.setdefault(route, []).append(b64decode(message))
    return messages


if __name__ == "__main__":
    answers = Echo(recorded(Path(sys.argv[1])))  # type: ignore[abstract] # the other RPCs are not asked for
    uvloop.run(serve(answers))
