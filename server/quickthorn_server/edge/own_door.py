"""A way for the server to call itself, past TLS and open to nobody else: a socket in a folder of this user's alone."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

import grpc

CallItself = Callable[[], Awaitable[object]]

NOWHERE = "/grpc.health.nowhere/Wait"
"""A method that nobody has, of a service that needs neither key nor place.

gRPC keeps calls of methods that were registered by name, as those of its health service are, apart from all others,
so that health is answered at once however long these wait.  What nobody has waits with the others, and costs nothing.
"""

_DEADLINE = 30.0  # seconds


@asynccontextmanager
async def own_door(server: grpc.aio.Server) -> AsyncIterator[CallItself | None]:
    """Yield what calls *server*, which has not started yet, as any client would; None = there is no way.

    It raises OSError where no answer comes.  Leave the block when the server has stopped.
    """
    if not hasattr(socket, "AF_UNIX"):
        yield None
        return
    with TemporaryDirectory(prefix="quickthorn-") as folder:
        address = f"unix:{folder}/self"
        try:
            server.add_insecure_port(address)
        except RuntimeError:  # the folder's name is too long for a socket's
            yield None
            return
        async with grpc.aio.insecure_channel(address) as channel:
            stub: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(NOWHERE)

            async def call() -> None:
                code = await stub(b"", timeout=_DEADLINE).code()
                if code is not grpc.StatusCode.UNIMPLEMENTED:
                    raise OSError(code.name)

            yield call
