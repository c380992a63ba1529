"""Broken streams that are continued, over real sockets: real bytes broken anywhere, a real server, plain stubs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from quickthorn import fold, text
from quickthorn.v1.completion_pb2 import CompletionRequest
from quickthorn.v1.directives_pb2 import ON_BREAK_CONTINUE, Directives
from quickthorn.v1.events_pb2 import CompletionEvent
from quickthorn.v1.routing_service_pb2_grpc import RoutingStub
from tests.support.served import ask, channel, served
from tests.support.upstream import Exchange, Script, finish_event, text_event, upstream, usage_event

WHOLE = "Über die See: 🌿\r\n| a | b |\r\n|---|---|\r\n" + "| 1 | 2 |\r\n" * 12 + "}\n}\n"
HALF = 91  # characters: it breaks inside a line of the table, behind a carriage return
BEGUN = WHOLE[:HALF]

Break = Callable[[Exchange], Awaitable[None]]


async def resets(exchange: Exchange) -> None:
    """Reset the connection."""
    exchange.reset()


async def cuts_a_character(exchange: Exchange) -> None:
    """Close inside of an event, inside of a character, inside of a chunk."""
    data = f"data: {json.dumps(text_event('🌿'), ensure_ascii=False)}\n\n".encode()
    await exchange.send(b"%x\r\n%b" % (len(data), data[: data.index("🌿".encode()) + 2]))
    exchange.close()


async def tells(exchange: Exchange) -> None:
    """Say inside of a good answer that it failed."""
    await exchange.event({"error": {"type": "server_error", "message": "sk-secret said: overloaded", "code": 503}})
    await exchange.finish()


async def forgets_the_end(exchange: Exchange) -> None:
    """End the body properly, and the answer not at all."""
    await exchange.finish()


async def stalls(exchange: Exchange) -> None:
    """Say nothing more."""
    del exchange
    await asyncio.sleep(60)


def breaking(how: Break) -> Script:
    """Say the first half, in pieces, then break."""

    async def script(exchange: Exchange) -> None:
        await exchange.head()
        for place in range(0, HALF, 7):
            await exchange.event(text_event(BEGUN[place : min(place + 7, HALF)]))
        await asyncio.sleep(0.05)  # so that a reset takes nothing back
        await how(exchange)

    return script


def continuing(answers: Callable[[list[dict[str, Any]]], str]) -> Script:
    """Say what *answers* makes of the messages that it is sent, in small pieces, as bytes of any length."""

    async def script(exchange: Exchange) -> None:
        said = answers(exchange.json["messages"])
        await exchange.head()
        payloads = [text_event(said[place : place + 3]) for place in range(0, len(said), 3)]
        data = b"".join(
            f"data: {json.dumps(each, ensure_ascii=False)}\n\n".encode()
            for each in (*payloads, finish_event(), usage_event(40, 30))
        )
        for place in range(0, len(data), 1000):
            await exchange.chunk(data[place : place + 1000])
        await exchange.event("[DONE]")
        await exchange.finish()

    return script


def begun(messages: list[dict[str, Any]]) -> str:
    """Return the assistant's turn."""
    (turn,) = [message["content"] for message in messages if message["role"] == "assistant"]
    assert BEGUN.startswith(turn)
    return str(turn)


def honours(messages: list[dict[str, Any]]) -> str:
    """Write on from the beginning of the answer, which is the last message."""
    assert messages[-1]["role"] == "assistant"
    return WHOLE.removeprefix(begun(messages))


def echoes(messages: list[dict[str, Any]]) -> str:
    """Do as Mistral does: the same, with that beginning once more."""
    assert messages[-1]["prefix"] is True
    return begun(messages) + honours(messages)


def repeats(messages: list[dict[str, Any]]) -> str:
    """Do as the last message asks."""
    anchor: str = messages[-1]["content"].partition("<repeat>")[2].removesuffix("</repeat>")
    assert anchor == BEGUN[-64:]
    return anchor + WHOLE.removeprefix(begun(messages))


def repeats_less(messages: list[dict[str, Any]]) -> str:
    """Repeat less than is asked."""
    return repeats(messages)[24:]


def restarts(messages: list[dict[str, Any]]) -> str:
    """Begin anew, with a word of its own."""
    del messages
    return "Of course! " + WHOLE


def goes_on(messages: list[dict[str, Any]]) -> str:
    """Repeat nothing."""
    return repeats(messages)[64:]


def config(first: str, second: str, provider: str = "openai", able: str = "text") -> str:
    price = "price: {input: 1, output: 2}"
    more = f"api_key_env: KEY, capabilities: [{able}], {price}"
    return f"""
    backends:
      - {{name: a, provider: openai, model: m, base_url: "{first}", timeouts: {{idle: 300ms}}, {price}}}
      - {{name: b, provider: {provider}, model: m, base_url: "{second}", {more}}}
    routes: [{{name: default, backends: [a, b], on_break: continue}}, {{name: strict, backends: [a, b]}}]
    """


async def streamed(settings: str, request: CompletionRequest | None = None) -> tuple[list[CompletionEvent], str]:
    """Return the events of a stream, and who is said to have served it."""
    async with served(settings, {"KEY": "k"}) as address, channel(address) as opened:
        stub: Any = RoutingStub(opened)
        call = stub.StreamComplete(request or ask(), timeout=10)
        events = [event async for event in call]
        return events, dict(await call.trailing_metadata())["quickthorn-served-by"]


@pytest.mark.parametrize("how", [resets, cuts_a_character, tells, forgets_the_end, stalls])
def test_however_a_stream_breaks_it_goes_on(how: Break) -> None:
    """A reset, half a character, an error inside of the answer, no end, silence: the whole is as it was meant."""

    async def main() -> None:
        async with upstream(breaking(how)) as first, upstream(continuing(repeats)) as second:
            events, server = await streamed(config(first.base_url, second.base_url))
            await first.until_closed()
        answer = fold(events)
        assert text(answer) == WHOLE
        (seam,) = [event.seam for event in events if event.HasField("seam")]
        assert (seam.part, seam.offset) == (0, len(BEGUN.encode()))
        assert (seam.from_backend, seam.to_backend, seam.method, seam.exact) == ("a", "b", "anchor", True)
        assert server == "b"
        assert answer.trace.served_by == 1
        assert answer.trace.degraded == "a broke, b continued (anchor)"
        used = [attempt.usage for attempt in answer.trace.attempts]
        assert answer.usage.input_tokens == used[0].input_tokens + 40
        assert answer.usage.output_tokens == used[0].output_tokens + 30
        assert answer.cost_nano_usd == sum(attempt.cost_nano_usd for attempt in answer.trace.attempts)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("says", "provider", "able", "method", "behind"),
    [
        (honours, "vllm", "text, prefill", "prefill", WHOLE[HALF:]),
        (honours, "openai", "text, prefill", "prefill", WHOLE[HALF:]),
        (echoes, "mistral", "text, prefill", "prefill", WHOLE[HALF:]),
        (repeats, "openai", "text", "anchor", WHOLE[HALF:]),
        (repeats_less, "openai", "text", "appended", WHOLE[HALF - 40 :]),
        (restarts, "openai", "text", "appended", "Of course! " + WHOLE),
        (goes_on, "openai", "text", "appended", WHOLE[HALF:]),
    ],
)
def test_whoever_goes_on_is_fitted_exactly_or_not_at_all(
    says: Callable[[list[dict[str, Any]]], str], provider: str, able: str, method: str, behind: str
) -> None:
    """By prefill, by anchor, or appended as it comes: every byte that was said, once and in order."""

    async def main() -> None:
        async with upstream(breaking(resets)) as first, upstream(continuing(says)) as second:
            events, _ = await streamed(config(first.base_url, second.base_url, provider, able))
        place = next(at for at, event in enumerate(events) if event.HasField("seam"))
        assert "".join(event.text.text for event in events[:place]) == BEGUN
        assert "".join(event.text.text for event in events[place:]) == behind
        assert (events[place].seam.method, events[place].seam.exact) == (method, method != "appended")

    asyncio.run(main())


def test_the_caller_may_ask_for_it_where_the_route_does_not() -> None:
    """`directives.on_break` is the caller's word, and counts first."""

    async def main() -> None:
        async with upstream(breaking(resets)) as first, upstream(continuing(repeats)) as second:
            request = ask(route="strict")
            request.directives.CopyFrom(Directives(on_break=ON_BREAK_CONTINUE))
            events, _ = await streamed(config(first.base_url, second.base_url), request)
        assert text(fold(events)) == WHOLE

    asyncio.run(main())
