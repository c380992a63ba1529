"""Frames of an event stream as the bursts of an answer.  Pure."""

from __future__ import annotations

from quickthorn_server.core.chunk import Burst
from quickthorn_server.core.failures import BackendError
from quickthorn_server.providers.bedrock_aws import FrameDecoder
from quickthorn_server.providers.bedrock_reply import Answer


class FrameReading:
    """A `Reading` of AWS's event streams."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._decoder = FrameDecoder()
        self._failed: BackendError | None = None
        self.done = False

    def take(self, data: bytes) -> Burst:
        """Return the chunks in *data*, b"" = the end of the stream; see `Reading.take`."""
        try:
            for frame in self._decoder.feed(data):
                self._answer.event(frame)
                if self._answer.done:
                    break
            if self._answer.done or not data:
                self.done = True
                self._answer.finish()
        except BackendError as error:
            self._failed = error
        return self._answer.burst()

    def check(self) -> None:
        """Raise the BackendError that the last `take` met, if any."""
        if self._failed is not None:
            raise self._failed
