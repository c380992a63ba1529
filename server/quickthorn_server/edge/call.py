"""One RPC as the edge knows it: its identifier, its caller, and how its answer leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import grpc

from quickthorn_server.core.catalogue import Caller
from quickthorn_server.core.identifiers import random_hex

REQUEST_ID = "quickthorn-request-id"
"""Metadata key: in from the caller, out with the headers."""

MAX_REQUEST_ID = 128
"""Characters of a request identifier; a longer one is not taken over."""

_CANCEL_LANDS = 1.0  # seconds; it takes milliseconds, and a handler that holds on longer would hold its upstream

Context = grpc.aio.ServicerContext[Any, Any]
Trailers = tuple[tuple[str, str | bytes], ...]


def is_request_id(text: str) -> bool:
    """Whether *text* may travel as a request identifier: 1 to 128 printable ASCII characters."""
    return 0 < len(text) <= MAX_REQUEST_ID and text.isascii() and text.isprintable()


def chosen_request_id(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Return the identifier that the caller sent, or a new one where it sent none that may travel."""
    for key, value in metadata:
        if key == REQUEST_ID and isinstance(value, str) and is_request_id(value):
            return value
    return random_hex(32)


@dataclass(slots=True)
class Call:
    """The RPC in whose task this runs.  A service may set *request_id* until the first message leaves.

    *caller* None = the server asks nobody for a key.
    """

    method: str
    request_id: str
    caller: Caller | None = None
    headers_sent: bool = field(default=False, init=False)

    async def send_headers(self, context: Context) -> None:
        """Send the initial metadata, once; later calls do nothing."""
        if self.headers_sent:
            return
        self.headers_sent = True
        headers = ((REQUEST_ID, self.request_id),) if is_request_id(self.request_id) else ()
        try:
            await context.send_initial_metadata(headers)
        except grpc.aio.InternalError:
            await asyncio.sleep(_CANCEL_LANDS)
            raise

    async def send(self, context: Context, message: bytes) -> None:
        """Send *message*, after the headers.  Only one send may run at a time: gRPC refuses a second write."""
        await self.send_headers(context)
        await write(context, message)


async def write(context: Context, message: Any) -> None:
    """Write *message*.  When the peer has left, end with the cancel that says so and not with gRPC's InternalError.

    A write that fails because the peer left is followed within milliseconds by the RPC's cancel.  Taken here, it
    cannot interrupt the clean-up of the handler; unanswered, InternalError is a fault of ours and is raised.
    """
    try:
        await context.write(message)
    except grpc.aio.InternalError:
        await asyncio.sleep(_CANCEL_LANDS)
        raise


async def abort(context: Context, code: grpc.StatusCode, message: str, trailers: Trailers) -> None:
    """End the RPC with a status; nothing may be sent after it.  Returns when the peer leaves before it has read it.

    Behind unread messages this waits for as long as the peer stays; it must not be bounded, or the RPC never ends.
    No cancel follows a status that could not be sent, unlike a failed `write`, and nobody is left to be told of it.
    """
    with suppress(grpc.aio.InternalError):
        await context.abort(code, message, trailers)


_current: ContextVar[Call] = ContextVar("quickthorn_call")


def current_call() -> Call:
    """Return the call in whose task the caller runs; raises LookupError outside of one."""
    return _current.get()


def enter_call(call: Call) -> None:
    """Make *call* the current one for the rest of this task."""
    _current.set(call)
