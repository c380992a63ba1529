"""Give up a client that has stopped reading: a watch that costs two readings of the clock per message, not a timer."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.edge.call import Call, Context
from quickthorn_server.execution.alarm import TICK


class WriteWatch:
    """Sends the messages of one call, from the call's own task, and lets no send take longer than *limit* seconds.

    Use as a context manager around all of them.
    """

    def __init__(self, limit: float) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - gRPC runs every RPC in a task
        self._task = task
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._expired = False
        self._timer = self._loop.call_later(limit, self._look)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    async def send(self, call: Call, context: Context, message: bytes) -> None:
        """Send *message*.  Raises CallError OVERLOADED when the client has not read for too long.

        After that nothing may be written any more: gRPC takes a write back no sooner than its call.
        """
        self._since = self._loop.time()
        try:
            await call.send(context, message)
        except asyncio.CancelledError:
            if self._expired and not self._task.uncancel():  # else it was cancelled by somebody else, too
                raise CallError(Reason.OVERLOADED, f"nothing was read for {self._limit:g} s") from None
            raise
        finally:
            self._since = None

    def _look(self) -> None:
        now, since = self._loop.time(), self._since
        if since is not None and since + self._limit <= now + TICK:
            self._expired = True
            self._task.cancel()
        else:
            self._timer = self._loop.call_at((now if since is None else since) + self._limit, self._look)
