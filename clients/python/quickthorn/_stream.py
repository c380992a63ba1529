"""A streamed answer, for programs with threads."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

import grpc

from quickthorn._errors import of_call
from quickthorn._fold import Fold
from quickthorn.v1.completion_pb2 import Completion
from quickthorn.v1.events_pb2 import CompletionEvent


class _Call(Protocol):
    def __next__(self) -> CompletionEvent: ...
    def cancel(self) -> bool: ...


class Stream(Iterator[CompletionEvent]):
    """The events of one answer, as they come.

    Iterate over it, in a `with` statement or bare.  Leaving the `with`, calling `close`, or dropping the last reference
    to it cancels what is not finished: the server closes its connections to providers.  Iterating raises
    QuickthornError when the call fails, and also when the stream ends without `finished` (reason STREAM_CUT).
    """

    def __init__(self, call: _Call) -> None:
        self._call = call  # grpc cancels a call that nobody refers to any more; grpc.aio does not
        self._fold = Fold()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> CompletionEvent:
        try:
            event = next(self._call)
        except StopIteration:
            self._fold.completion()
            raise
        except grpc.RpcError as error:
            if self._fold.finished:  # the answer is whole, only its trailers are missing
                raise StopIteration from error
            raise of_call(error) from error  # type: ignore[arg-type] # what a call raises is the call itself
        except BaseException:  # Ctrl-C: its traceback keeps this stream alive
            self.close()
            raise
        self._fold.add(event)
        return event

    def text(self) -> Iterator[str]:
        """Yield the answer's text, piece by piece, and nothing else."""
        for event in self:
            if event.text.text:
                yield event.text.text

    def fold(self) -> Completion:
        """Read what is left and return the whole answer, with what had been read before.

        Raises QuickthornError as iterating does.
        """
        for _ in self:
            pass
        return self._fold.completion()

    def close(self) -> None:
        """Cancel what is not finished.  Calling it again changes nothing."""
        self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
