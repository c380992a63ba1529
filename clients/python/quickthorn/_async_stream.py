"""A streamed answer, for programs with asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import grpc

from quickthorn._errors import cancelled_here, of_call
from quickthorn._fold import Fold
from quickthorn.v1.completion_pb2 import Completion, CompletionRequest
from quickthorn.v1.events_pb2 import CompletionEvent


class AsyncStream(AsyncIterator[CompletionEvent]):
    """The events of one answer, as they come.

    Iterate over it, in an `async with` statement or bare.  Leaving the `async with`, calling `close`, or dropping the
    last reference to it cancels what is not finished: the server closes its connections to providers.  Iterating raises
    QuickthornError when the call fails, and also when the stream ends without `finished` (reason STREAM_CUT).
    Cancelling the task that reads cancels the call, and CancelledError goes through.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, call: grpc.aio.UnaryStreamCall[CompletionRequest, CompletionEvent]
    ) -> None:
        self._loop = loop
        self._call = call
        self._fold = Fold()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> CompletionEvent:
        try:
            event = await self._call.read()
        except grpc.aio.AioRpcError as error:
            if self._fold.finished:  # the answer is whole, only its trailers are missing
                raise StopAsyncIteration from error
            raise of_call(error) from error
        except asyncio.CancelledError as error:
            self.close()
            if was_addressed_to_us():
                raise
            raise cancelled_here() from error
        if not isinstance(event, CompletionEvent):  # the end
            self._fold.completion()
            raise StopAsyncIteration
        self._fold.add(event)
        return event

    def text(self) -> AsyncIterator[str]:
        """Return an iterator over the answer's text, piece by piece, and nothing else."""
        return _Text(self)

    async def fold(self) -> Completion:
        """Read what is left and return the whole answer, with what had been read before.

        Raises QuickthornError as iterating does.
        """
        async for _ in self:
            pass
        return self._fold.completion()

    def close(self) -> None:
        """Cancel what is not finished.  Calling it again changes nothing."""
        self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # The garbage collector may run in any thread, and after the loop.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._call.cancel)


class _Text(AsyncIterator[str]):
    """Not a generator: an abandoned one would be closed later, by the loop, and the call with it."""

    def __init__(self, events: AsyncStream) -> None:
        self._events = events

    async def __anext__(self) -> str:
        async for event in self._events:
            if event.text.text:
                return event.text.text
        raise StopAsyncIteration


def was_addressed_to_us() -> bool:
    """Whether the running task was cancelled, rather than the call that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
