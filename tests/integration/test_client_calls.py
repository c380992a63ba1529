"""Calls that go well, of both clients, over real sockets."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from quickthorn import AsyncClient, Client, QuickthornError, fold, messages, text
from tests.support.both_clients import Call, both_clients, streamed
from tests.support.fake_routing import FakeRouting, finished, plays, say, serving, started, unknown_event, whole

MEGABYTE = 1_000_000


@pytest.fixture
def fake() -> Iterator[FakeRouting]:
    """Return a server that says "Hello, world"."""
    with serving(FakeRouting()) as server:
        yield server


@both_clients
def test_complete_answers_whole(fake: FakeRouting, call: Call) -> None:
    """The generated Completion comes back, and the fields arrived as the request."""
    answer = call(fake, "complete", "Hello", system="Be brief.", temperature=0, route="default")
    assert isinstance(answer, messages.Completion)
    assert text(answer) == "Hello, world"
    [request] = fake.requests
    assert (request.route, request.sampling.temperature) == ("default", 0)


@both_clients
def test_stream_answers_piece_by_piece(fake: FakeRouting, call: Call) -> None:
    """Iterating gives the generated events; folded they equal the unary answer."""
    events = call(fake, "stream", "Hello")
    assert streamed(events) == ["Hello", ", ", "world"]
    assert fold(events) == call(fake, "complete", "Hello")


@both_clients
def test_events_come_as_they_are_sent(fake: FakeRouting, call: Call) -> None:
    """Kinds that this client does not know are passed on and harm nothing."""
    fake.answer = plays(unknown_event(), *whole("Hello"), unknown_event())
    events = call(fake, "stream", "Hello")
    assert len(events) == 5
    assert text(fold(events)) == "Hello"


@both_clients
def test_a_whole_request_is_sent_as_it_is(fake: FakeRouting, call: Call) -> None:
    """Complete, stream and explain all take one."""
    request = messages.CompletionRequest(
        messages=[messages.Message(role=messages.Role.ROLE_USER, parts=[messages.Part(text="Hello")])], request_id="r-9"
    )
    for method in ("complete", "stream", "explain"):
        call(fake, method, request)
    assert fake.requests == [request] * 3
    assert [seen["quickthorn-request-id"] for seen in fake.metadata] == ["r-9"] * 3


@both_clients
def test_the_other_rpcs_answer_with_their_messages(fake: FakeRouting, call: Call) -> None:
    """Explain and ListRoutes give generated messages; what the server lacks is UNIMPLEMENTED."""
    fake.explanation = messages.Explanation(route="default", order=["fast"])
    assert call(fake, "explain", "Hello") == fake.explanation
    assert [route.name for route in call(fake, "list_routes").routes] == ["default"]
    with pytest.raises(QuickthornError) as caught:
        call(fake, "embed", ["one", "two"])
    assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED


@both_clients
def test_the_key_travels_as_metadata(fake: FakeRouting, call: Call) -> None:
    """Every call carries `authorization: Bearer`, the caller's metadata and a user agent that names this client."""
    for method, args in (("complete", ["Hello"]), ("stream", ["Hello"]), ("list_routes", [])):
        call(fake, method, *args, client={"api_key": "sk-1"}, metadata=[("traceparent", "00-1")])
    for seen in fake.metadata:
        assert seen["authorization"] == "Bearer sk-1"
        assert seen["traceparent"] == "00-1"
        assert str(seen["user-agent"]).startswith("quickthorn-python/0.")


@both_clients
@pytest.mark.parametrize("size", [MEGABYTE, 30 * MEGABYTE])
def test_large_messages_pass(fake: FakeRouting, call: Call, size: int) -> None:
    """Megabytes go both ways; gRPC's own limit would be 4 MiB."""
    said = "x" * size
    fake.answer = plays(*whole(said))
    assert len(text(call(fake, "complete", said))) == size
    assert streamed(call(fake, "stream", said)) == [said]


@both_clients
def test_too_large_a_message_is_one_clear_error(fake: FakeRouting, call: Call) -> None:
    """Over 32 MiB it is gRPC's own RESOURCE_EXHAUSTED, which is not the server's word."""
    with pytest.raises(QuickthornError) as caught:
        call(fake, "complete", "x" * (34 * MEGABYTE))
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not caught.value.from_server


@both_clients
def test_a_proxy_in_the_environment_is_not_asked(
    fake: FakeRouting, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server on this machine is reached directly, whatever `http_proxy` says."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert text(call(fake, "complete", "Hello")) == "Hello, world"


def test_a_stream_is_folded_while_it_is_shown(fake: FakeRouting) -> None:
    """`text` gives the pieces, `fold` afterwards the whole answer, which holds what was already shown."""
    with Client(fake.target) as client, client.stream("Hello") as events:
        assert next(events).HasField("started")
        assert list(events.text()) == ["Hello", ", ", "world"]
        assert text(events.fold()) == "Hello, world"
        with pytest.raises(StopIteration):
            next(events)


def test_an_asynchronous_stream_is_folded_while_it_is_shown(fake: FakeRouting) -> None:
    """The same, asynchronously."""

    async def main() -> None:
        async with AsyncClient(fake.target) as client, client.stream("Hello") as events:
            assert (await anext(events)).HasField("started")
            assert [piece async for piece in events.text()] == ["Hello", ", ", "world"]
            assert text(await events.fold()) == "Hello, world"
            with pytest.raises(StopAsyncIteration):
                await anext(events)

    asyncio.run(main())


def test_an_answer_without_trailers_is_whole(fake: FakeRouting) -> None:
    """What fails after `finished` takes nothing away: the answer is there."""

    def answer(_request: messages.CompletionRequest, context: grpc.ServicerContext) -> Iterator[Any]:
        yield from whole("Hello")
        context.abort(grpc.StatusCode.INTERNAL, "too late to matter")

    fake.answer = answer

    async def main() -> str:
        async with AsyncClient(fake.target) as client:
            return text(await client.stream("Hello").fold())

    with Client(fake.target) as client:
        assert text(client.stream("Hello").fold()) == asyncio.run(main()) == "Hello"


def test_many_calls_share_one_client(fake: FakeRouting) -> None:
    """Streams of one client run at the same time."""
    fake.answer = plays(started(), *say(*"abcdefgh"), finished())

    async def main() -> list[str]:
        async with AsyncClient(fake.target) as client:
            answers = await asyncio.gather(*(client.stream("Hello").fold() for _ in range(50)))
        return [text(answer) for answer in answers]

    assert asyncio.run(main()) == ["abcdefgh"] * 50


def test_an_asynchronous_client_may_be_made_before_the_loop(fake: FakeRouting) -> None:
    """A client in a module's globals belongs to the loop of its first call."""
    client = AsyncClient(fake.target)

    async def main() -> str:
        async with client:
            return text(await client.complete("Hello"))

    with pytest.raises(RuntimeError, match="no running event loop"):
        client.stream("Hello")
    assert asyncio.run(main()) == "Hello, world"
    asyncio.run(AsyncClient(fake.target).close())


class Counting(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Counts the calls that pass."""

    def __init__(self) -> None:
        self.calls = 0

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        self.calls += 1
        return continuation(details, request)

    intercept_unary_stream = intercept_unary_unary  # type: ignore[assignment] # the same for both kinds


class AsyncCounting(grpc.aio.UnaryUnaryClientInterceptor):
    """Counts the calls that pass, and waits for their code as tracing interceptors do."""

    def __init__(self) -> None:
        self.calls = 0

    async def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        self.calls += 1
        call = await continuation(details, request)
        await call.code()
        return call


def test_interceptors_see_every_call(fake: FakeRouting) -> None:
    """Tracing can be hung in, and calls work as before."""
    counting = Counting()
    with Client(fake.target, interceptors=[counting]) as client:
        assert text(client.complete("Hello")) == text(client.stream("Hello").fold()) == "Hello, world"
        fake.answer = plays()
        with pytest.raises(QuickthornError):
            client.complete("Hello")
    assert counting.calls == 3

    fake.answer = plays(*whole("Hello"))
    slow = AsyncCounting()

    async def main() -> str:
        async with AsyncClient(fake.target, interceptors=[slow]) as client:
            return text(await client.complete("Hello"))

    assert asyncio.run(main()) == "Hello"
    assert slow.calls == 1


def test_nothing_is_left_over(fake: FakeRouting) -> None:
    """Finished and abandoned streams raise nothing when they are collected, not even after their loop is gone."""
    kept: list[AsyncIterator[Any]] = []

    async def main() -> None:
        client = AsyncClient(fake.target)
        events = client.stream("Hello")
        await anext(events)
        kept.append(events)
        await client.close()

    asyncio.run(main())
    kept.clear()
    gc.collect()


def test_several_replicas_without_a_proxy(fake: FakeRouting) -> None:
    """The README's recipe for direct connections works: round robin over the addresses that say they are healthy."""
    recipe = '{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":""}}'
    with Client(fake.target, options=[("grpc.service_config", recipe)]) as client:
        assert text(client.complete("Hello")) == "Hello, world"
