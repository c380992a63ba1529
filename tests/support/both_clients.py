"""One way to call the synchronous and the asynchronous client, so that one test holds for both."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import pytest

from quickthorn import AsyncClient, Client, messages
from tests.support.fake_routing import FakeRouting


class Call(Protocol):
    """Call *method* of a new client of *fake* and return its answer; of `stream`, the list of its events."""

    def __call__(self, fake: FakeRouting, method: str, *args: Any, **fields: Any) -> Any: ...


def blocking(fake: FakeRouting, method: str, *args: Any, **fields: Any) -> Any:
    """Call a `Client`."""
    settings = fields.pop("client", {})
    with Client(fake.target, **settings) as client:
        answer = getattr(client, method)(*args, **fields)
        return list(answer) if method == "stream" else answer


def asynchronous(fake: FakeRouting, method: str, *args: Any, **fields: Any) -> Any:
    """Call an `AsyncClient` in an event loop of its own."""
    settings = fields.pop("client", {})

    async def called() -> Any:
        async with AsyncClient(fake.target, **settings) as client:
            if method == "stream":
                return [event async for event in client.stream(*args, **fields)]
            return await getattr(client, method)(*args, **fields)

    return asyncio.run(called())


both_clients = pytest.mark.parametrize("call", [blocking, asynchronous])


def streamed(events: list[messages.CompletionEvent]) -> list[str]:
    """Return the text of *events*, piece by piece."""
    return [event.text.text for event in events if event.text.text]
