"""The shipped fake: a backend that says given lines at given times, fails on cue, and remembers who asked when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Burst, TextDelta
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.provider import Ask
from quickthorn_server.providers.resumed import Repeat, Rest
from quickthorn_server.providers.script import Reply, Step, read_script

_REMEMBERED = 10_000


class Scripted:
    """Plays *replies* in turn, the last one again and again.

    A reply is a sequence of steps, each seconds to wait and then a chunk to say, a failure to raise or None for silence
    without end.  A reply without an `End` is a stream that was cut.  *close_after* in seconds: how long closing takes
    when a call is given up.  Waits with `asyncio.sleep` only, so virtual time works.

    *opened_at* and *closed_at* are instants of the loop's clock, *open* counts the streams between the two, and *said*
    counts the chunks that were taken from it.
    Only the last 10,000 instants or so are kept.
    """

    def __init__(self, *replies: Reply | Sequence[Step], close_after: float = 0.0) -> None:
        if not replies:
            raise ValueError("a scripted backend needs a reply")
        self._replies = [reply if isinstance(reply, Reply) else Reply(reply, close_after) for reply in replies]
        self._played = 0
        self._open = 0
        self.said = 0
        self.opened_at: list[float] = []
        self.closed_at: list[float] = []

    @classmethod
    def of(cls, backend: Backend) -> Scripted:
        """Return what `options["script"]` describes.  Raises ValueError; see `script.py` for the words."""
        return cls(*read_script(backend.options.get("script"), backend.model))

    @property
    def open(self) -> int:
        """How many streams are open now."""
        return self._open

    async def stream(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Play the next reply; what is asked matters to `rest` and `repeat` alone."""
        loop = asyncio.get_running_loop()
        reply = self._replies[min(self._played, len(self._replies) - 1)]
        self._played += 1
        self._open += 1
        _remember(self.opened_at, loop.time())
        linger = reply.close_after
        try:
            for wait, what in reply.steps:
                if wait:
                    await asyncio.sleep(wait)
                if what is None:
                    await loop.create_future()
                elif isinstance(what, BackendError):
                    linger = 0.0
                    raise what.with_traceback(None)  # the same one again and again must not grow
                else:
                    self.said += 1
                    yield [TextDelta(what.part, what.said(ask.prompt)) if isinstance(what, Rest | Repeat) else what]
            linger = 0.0
        finally:
            try:
                if linger:
                    await asyncio.sleep(linger)
            finally:
                self._open -= 1
                _remember(self.closed_at, loop.time())

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""


def _remember(instants: list[float], now: float) -> None:
    instants.append(now)
    if len(instants) > 2 * _REMEMBERED:
        del instants[:_REMEMBERED]
