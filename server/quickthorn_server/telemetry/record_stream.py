"""Records as they come, for whoever listens inside this process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Self, TypeVar

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.plan import Circuit

R = TypeVar("R")

_WAITING = 1024  # records that a subscriber may be behind


class RecordStream(Generic[R]):
    """An Observer that passes decisions on; *record* makes of each what subscribers read."""

    def __init__(self, record: Callable[[Decision], R]) -> None:
        self._record = record
        self._subscriptions: set[Subscription[R]] = set()

    def subscribe(self, waiting: int = _WAITING) -> Subscription[R]:
        """Return the records of all calls that end from now on; at most *waiting* are held for a slow reader."""
        subscription = Subscription(self._record, waiting, self._subscriptions.discard)
        self._subscriptions.add(subscription)
        return subscription

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        """Nothing: records are about calls."""

    def key_changed(self, backend: Backend, refused: bool) -> None:
        """Nothing, likewise."""

    def call_ended(self, decision: Decision) -> None:
        """Hand the decision to every subscriber."""
        for subscription in self._subscriptions:
            subscription.offer(decision)


class Subscription(Generic[R]):
    """An async iterator for one reader; close it, or use it in `with`, when done.

    A reader that falls behind loses the oldest records; *lagged* counts them.  Records are made when they are read, so
    that calls do not pay for it.
    """

    def __init__(
        self, record: Callable[[Decision], R], waiting: int, closed: Callable[[Subscription[R]], None]
    ) -> None:
        self.lagged = 0
        self._record = record
        self._waiting: deque[Decision] = deque(maxlen=waiting)
        self._closed = closed
        self._open = True
        self._news = asyncio.Event()

    def offer(self, decision: Decision) -> None:
        """Take *decision*, in place of the oldest where there is no room."""
        self.lagged += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(decision)
        self._news.set()

    def close(self) -> None:
        """End the iteration once what has come is read."""
        self._open = False
        self._closed(self)
        self._news.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        while not self._waiting:
            if not self._open:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._record(self._waiting.popleft())
