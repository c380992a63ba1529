"""What a provider is: code for one wire format, bound to one backend."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, runtime_checkable

from quickthorn_server.core.chunk import Burst
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.value import value

AnyPrompt = Prompt | EmbedPrompt


@value
class Ask:
    """One attempt's question.  An embedding prompt is answered by one `Vectors`.

    *whole*: the provider may answer in one piece instead of a stream.  *request_id* is for the provider's logs.
    *connect_timeout* in seconds; every later limit is the lane's, not the provider's.
    """

    prompt: AnyPrompt
    request_id: str
    connect_timeout: float
    whole: bool = False


class Provider(Protocol):
    """Ask one backend.  Safe for any number of streams at once."""

    def stream(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Yield the answer's bursts: `Opened` first, `End` last.

        Raises BackendError when the backend fails, also after the first chunk.  Closing the generator, or cancelling
        the task that drives it, closes the upstream connection at once.
        """
        ...

    async def close(self) -> None:
        """Release what the provider holds; called once, when no stream is open."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """What a provider may offer besides: ways to see whether it is there, for next to nothing."""

    async def connect(self, within: float) -> None:
        """Connect to it *within* so many seconds, TLS included, and leave.  Raises BackendError (CONNECT)."""
        ...

    async def list_models(self, within: float) -> None:
        """Ask it for its list of models; connected *within* so many seconds.  Raises BackendError."""
        ...


class Whole(Protocol):
    """What a provider may offer besides: a reply in one piece, without the price of a stream."""

    async def whole(self, ask: Ask) -> Burst:
        """Return all of the answer to *ask*, which allows it to come whole; its chunks are those of `stream`.

        Raises BackendError.  Cancelling the task that awaits it closes the upstream connection at once.
        """
        ...
