"""Events of an answer, however they are framed, one burst per read.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from quickthorn_server.core.chunk import Burst
from quickthorn_server.core.failures import BackendError

SSE = "text/event-stream"

E_co = TypeVar("E_co", covariant=True)
E_contra = TypeVar("E_contra", contravariant=True)
E = TypeVar("E")


class Decoder(Protocol[E_co]):
    """Turns bytes into events; any re-chunking of the same bytes gives the same events."""

    def feed(self, piece: bytes) -> Iterable[E_co]:
        """Return the events that *piece* completes.  Raises BackendError (PROTOCOL) for what is none."""
        ...

    def finish(self) -> Iterable[E_co]:
        """Return the events that the end of the stream completes.  Raises BackendError like `feed`."""
        ...


class Answer(Protocol[E_contra]):
    """Takes the events of one answer and gives its chunks."""

    done: bool
    """Whether the format's end marker has come."""

    @property
    def over(self) -> bool:
        """Whether nothing of the answer is missing: the model has said how it ends, which the format says once."""
        ...

    def event(self, event: E_contra, /) -> None:
        """Take in one event.  Raises BackendError: what the event says, or PROTOCOL for garbage."""
        ...

    def finish(self) -> None:
        """Close the answer.  Raises BackendError (PROTOCOL) when it ended early."""
        ...

    def burst(self) -> Burst:
        """Return the chunks collected since the last call."""
        ...


class EventReading(Generic[E]):
    """A `Reading` of events that a decoder finds and an answer takes in."""

    def __init__(self, answer: Answer[E], decoder: Decoder[E]) -> None:
        self._answer = answer
        self._decoder = decoder
        self._failed: BackendError | None = None
        self.done = False

    @property
    def over(self) -> bool:
        """See `Reading.over`."""
        return self._answer.over

    def close(self) -> Burst:
        """See `Reading.close`."""
        self.done = True
        self._answer.finish()
        return self._answer.burst()

    def take(self, data: bytes) -> Burst:
        """Return the chunks in *data*, b"" = the end of the stream; see `Reading.take`."""
        try:
            for event in self._decoder.feed(data) if data else self._decoder.finish():
                self._answer.event(event)
                if self._answer.done:
                    self.done = True
                    break
            if self.done or not data:
                self.done = True
                self._answer.finish()
        except BackendError as error:
            self._failed = error
        return self._answer.burst()

    def check(self) -> None:
        """Raise the BackendError that the last `take` met, if any."""
        if self._failed is not None:
            raise self._failed
