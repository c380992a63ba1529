"""Leaving a call, in every way there is, reaches the server at once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NoReturn

import grpc
import pytest

from quickthorn import AsyncClient, AsyncStream, Client, QuickthornError, Stream
from tests.support.both_clients import Call, both_clients
from tests.support.fake_routing import PATIENCE, FakeRouting, say, serving, started

AT_ONCE = 0.5
"""Seconds: measured in single milliseconds, with room for a loaded machine."""


@pytest.fixture
def fake() -> Iterator[FakeRouting]:
    """Return a server that says "Hel" and then nothing until the caller goes away."""
    with serving(FakeRouting()) as server:
        server.answer = server.silent(started(), *say("Hel"))
        yield server


class Distraction(Exception):  # noqa: N818 - nothing went wrong
    """Something else came up in the middle of a stream."""


def distract() -> NoReturn:
    """Let something come up."""
    raise Distraction


def leave_the_with(client: Client) -> Stream:
    """Break inside a `with`; the stream is still referred to."""
    with client.stream("Hello") as events:
        for _ in events:
            break
    return events


def break_the_bare_loop(client: Client) -> None:
    """Break out of a loop over a stream that nobody else knows."""
    for _ in client.stream("Hello"):
        break


def break_the_loop_over_text(client: Client) -> None:
    """Break out of a loop over a stream's text."""
    for _ in client.stream("Hello").text():
        break


def raise_in_the_loop(client: Client) -> None:
    """Leave the bare loop by an exception."""
    try:
        for _ in client.stream("Hello"):
            distract()
    except Distraction:
        pass


def close_the_client(client: Client) -> None:
    """Close the client under a stream; whoever reads it is told."""
    events = client.stream("Hello")
    next(events)
    client.close()
    with pytest.raises(QuickthornError) as caught:
        list(events)
    assert caught.value.code is grpc.StatusCode.CANCELLED
    assert not caught.value.from_server


LEAVE = [leave_the_with, break_the_bare_loop, break_the_loop_over_text, raise_in_the_loop, close_the_client]


@pytest.mark.parametrize("leave", LEAVE)
def test_leaving_a_stream_cancels_it(fake: FakeRouting, leave: Callable[[Client], Stream | None]) -> None:
    """Whichever way a stream is left, the server learns of it at once, while the client lives on."""
    with Client(fake.target) as client:
        kept = leave(client)
        assert fake.seconds_until_gone() < AT_ONCE
        del kept


async def async_leave_the_with(client: AsyncClient) -> AsyncStream:
    """Break inside an `async with`; the stream is still referred to."""
    async with client.stream("Hello") as events:
        async for _ in events:
            break
    return events


async def async_break_the_bare_loop(client: AsyncClient) -> None:
    """Break out of a loop over a stream that nobody else knows."""
    async for _ in client.stream("Hello"):
        break


async def async_break_the_loop_over_text(client: AsyncClient) -> None:
    """Break out of a loop over a stream's text."""
    async for _ in client.stream("Hello").text():
        break


async def async_raise_in_the_loop(client: AsyncClient) -> None:
    """Leave the bare loop by an exception."""
    try:
        async for _ in client.stream("Hello"):
            distract()
    except Distraction:
        pass


async def async_cancel_the_reader(client: AsyncClient) -> None:
    """Cancel the task that waits for the next event."""
    reading = asyncio.create_task(client.stream("Hello").fold())
    await asyncio.sleep(0.05)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def async_time_out(client: AsyncClient) -> None:
    """Let a time limit of asyncio's own end the reading."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.stream("Hello").fold()


async def async_close_the_client(client: AsyncClient) -> None:
    """Close the client under a stream; whoever reads it is told, and is not cancelled."""
    reading = asyncio.create_task(client.stream("Hello").fold())
    await asyncio.sleep(0.05)
    await client.close()
    with pytest.raises(QuickthornError) as caught:
        await reading
    assert caught.value.code is grpc.StatusCode.CANCELLED
    assert not caught.value.from_server


ASYNC_LEAVE = [
    async_leave_the_with,
    async_break_the_bare_loop,
    async_break_the_loop_over_text,
    async_raise_in_the_loop,
    async_cancel_the_reader,
    async_time_out,
    async_close_the_client,
]


@pytest.mark.parametrize("leave", ASYNC_LEAVE)
def test_leaving_an_asynchronous_stream_cancels_it(
    fake: FakeRouting, leave: Callable[[AsyncClient], Awaitable[AsyncStream | None]]
) -> None:
    """The same, asynchronously, while the loop runs on."""

    async def main() -> float:
        async with AsyncClient(fake.target) as client:
            kept = await leave(client)
            seconds = await asyncio.to_thread(fake.seconds_until_gone)
            del kept
            return seconds

    assert asyncio.run(main()) < AT_ONCE


def test_a_stream_closed_by_another_thread_says_so(fake: FakeRouting) -> None:
    """The reader gets the one exception, CANCELLED, and not as the server's word."""
    with Client(fake.target) as client, client.stream("Hello") as events:
        threading.Timer(0.1, events.close).start()
        with pytest.raises(QuickthornError) as caught:
            list(events)
    assert caught.value.code is grpc.StatusCode.CANCELLED
    assert not caught.value.from_server


def test_a_stream_closed_by_another_task_says_so(fake: FakeRouting) -> None:
    """A task that nobody cancelled never sees CancelledError."""

    async def main() -> QuickthornError:
        async with AsyncClient(fake.target) as client, client.stream("Hello") as events:
            asyncio.get_running_loop().call_later(0.05, events.close)
            with pytest.raises(QuickthornError) as caught:
                await events.fold()
            with pytest.raises(QuickthornError):
                await anext(events)
        return caught.value

    error = asyncio.run(main())
    assert (error.code, error.from_server) == (grpc.StatusCode.CANCELLED, False)


@pytest.mark.parametrize("count", [0, 1])
def test_cancelling_a_unary_call_reaches_the_server(fake: FakeRouting, count: int) -> None:
    """CancelledError stays CancelledError, with and without an interceptor."""

    async def main() -> float:
        async with AsyncClient(fake.target, interceptors=[PassingOn()] * count) as client:
            call = asyncio.create_task(client.complete("Hello"))
            assert await asyncio.to_thread(fake.arrived.wait, PATIENCE)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            return await asyncio.to_thread(fake.seconds_until_gone)

    assert asyncio.run(main()) < AT_ONCE


def test_closing_the_client_ends_unary_calls(fake: FakeRouting) -> None:
    """The call fails with CANCELLED, inferred here, and the server learns of it."""

    async def main() -> QuickthornError:
        client = AsyncClient(fake.target)
        call = asyncio.create_task(client.complete("Hello"))
        assert await asyncio.to_thread(fake.arrived.wait, PATIENCE)
        await client.close()
        with pytest.raises(QuickthornError) as caught:
            await call
        assert await asyncio.to_thread(fake.seconds_until_gone) < AT_ONCE
        return caught.value

    error = asyncio.run(main())
    assert (error.code, error.from_server) == (grpc.StatusCode.CANCELLED, False)


class PassingOn(grpc.aio.UnaryUnaryClientInterceptor):
    """Does nothing."""

    async def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """Pass the call on."""
        return await continuation(details, request)


@pytest.mark.parametrize("method", ["complete", "stream"])
def test_ctrl_c_cancels_a_blocking_call(fake: FakeRouting, method: str) -> None:
    """KeyboardInterrupt comes through at once, and the server learns of it."""

    def interrupt() -> None:
        assert fake.arrived.wait(PATIENCE)
        time.sleep(0.1)  # until the call is waited for
        os.kill(os.getpid(), signal.SIGINT)

    with Client(fake.target) as client:
        threading.Thread(target=interrupt).start()
        before = time.monotonic()
        with pytest.raises(KeyboardInterrupt) as kept:
            list(getattr(client, method)("Hello"))
        assert time.monotonic() - before < 2 * AT_ONCE
        assert fake.seconds_until_gone() < AT_ONCE
        assert kept.traceback, "the exception and what its frames refer to live on"


@both_clients
@pytest.mark.parametrize("method", ["complete", "stream"])
def test_a_deadline_ends_a_silent_call(fake: FakeRouting, call: Call, method: str) -> None:
    """DEADLINE_EXCEEDED when it passes, inferred here; the server learns of it."""
    before = time.monotonic()
    with pytest.raises(QuickthornError) as caught:
        call(fake, method, "Hello", timeout=0.3)
    assert 0.29 < time.monotonic() - before < 0.3 + AT_ONCE
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert not caught.value.from_server
    assert fake.seconds_until_gone() < AT_ONCE


@both_clients
def test_the_clients_deadline_holds_for_calls_without_one(fake: FakeRouting, call: Call) -> None:
    """The default deadline is a property of the client."""
    with pytest.raises(QuickthornError) as caught:
        call(fake, "complete", "Hello", client={"timeout": 0.2})
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
