"""Server-sent events of an answer, one burst per read.  Pure."""

from __future__ import annotations

from typing import Protocol

from quickthorn_server.core.chunk import Burst
from quickthorn_server.core.failures import BackendError
from quickthorn_server.providers.sse import Event, SseDecoder

SSE = "text/event-stream"


class Answer(Protocol):
    """Takes the events of one answer and gives its chunks."""

    done: bool
    """Whether the format's end marker has come."""

    def event(self, event: Event) -> None:
        """Take in one event.  Raises BackendError: what the event says, or PROTOCOL for garbage."""
        ...

    def finish(self) -> None:
        """Close the answer.  Raises BackendError (PROTOCOL) when it ended early."""
        ...

    def burst(self) -> Burst:
        """Return the chunks collected since the last call."""
        ...


class EventReading:
    """A `Reading` of server-sent events."""

    def __init__(self, answer: Answer, decoder: SseDecoder | None = None) -> None:
        self._answer = answer
        self._decoder = SseDecoder() if decoder is None else decoder
        self._failed: BackendError | None = None
        self.done = False

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
