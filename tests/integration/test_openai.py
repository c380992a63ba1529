"""Chat completions over real sockets: good answers, bad upstreams, and recorded ones."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Chunk, End, FinishReason, Opened, TextDelta, UsageReport
from quickthorn_server.core.completion import Fold
from quickthorn_server.core.content import Message, Part, Reasoning, Refusal, Role, Text, ToolCall
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import Ask
from quickthorn_server.core.secret import Secret
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers import http_provider
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.http_provider import HttpProvider
from quickthorn_server.providers.openai import OpenAiFormat
from tests.support.loops import LOOPS, Run
from tests.support.upstream import (
    FOREVER,
    Exchange,
    Script,
    Upstream,
    babbles,
    finish_event,
    replies,
    resets,
    says,
    sends,
    silent,
    streams,
    text_event,
    upstream,
    whole_answer,
)

KEY = "sk-do-not-tell"
PROMPT = Prompt((Message(Role.USER, (Part(Text("what I asked")),)),))
RECORDED = Path(__file__).parents[3] / "shared/data/providers"


@asynccontextmanager
async def asking(script: Script, **backend: Any) -> AsyncIterator[tuple[HttpProvider, Upstream]]:
    """Give a provider and the upstream it asks."""
    async with upstream(script) as server, HttpClient() as http:
        yield (
            HttpProvider(OpenAiFormat(_backend(server.base_url, **backend)), http),
            server,
        )


def _backend(base_url: str, **more: Any) -> Backend:
    return Backend("b", "openai", "m", "m", base_url=base_url, api_key=Secret(KEY), **more)


async def bursts(provider: HttpProvider, *, whole: bool = False) -> list[list[Chunk]]:
    """Return the bursts of one answer."""
    async with aclosing(provider.stream(Ask(PROMPT, "req-1", 1.0, whole))) as stream:
        return [list(burst) async for burst in stream]


async def answer(provider: HttpProvider, *, whole: bool = False) -> list[Chunk]:
    """Return the chunks of one answer."""
    return [chunk for burst in await bursts(provider, whole=whole) for chunk in burst]


def answered(script: Script, *, whole: bool = False) -> list[Chunk]:
    async def main() -> list[Chunk]:
        async with asking(script) as (provider, _):
            return await answer(provider, whole=whole)

    return asyncio.run(main())


def failed(script: Script, *, whole: bool = False) -> BackendError:
    """Return what an answer fails with, within three seconds; the upstream must not be left writing."""

    async def main() -> BackendError:
        async with asking(script) as (provider, server), asyncio.timeout(3):
            with pytest.raises(BackendError) as caught:
                await answer(provider, whole=whole)
            while server.busy:  # noqa: ASYNC110 - the upstream has no event for it
                await asyncio.sleep(0.001)
        return caught.value

    error = asyncio.run(main())
    assert KEY not in repr(error)
    assert "asked" not in f"{error!r} {error}"
    return error


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize("whole", [False, True])
def test_an_answer(run: Run, whole: bool) -> None:
    """Streamed and whole: the same parts, the model that answered, usage, and a clean end."""

    async def main() -> list[Chunk]:
        async with asking(says("Hel", "lo", pause=0.005)) as (provider, _):
            return await answer(provider, whole=whole)

    chunks = run(main())
    fold = Fold()
    fold.add(chunks)
    assert fold.parts() == (Part(Text("Hello")),)
    assert chunks[0] == (Opened("m", "", 200) if whole else Opened("", "up-1", 200))
    assert [chunk.model for chunk in chunks if isinstance(chunk, Opened)][-1] == "m"
    assert chunks[-2:] == [UsageReport(Usage(3, 2)), End(FinishReason.STOP)]


def test_the_request_as_it_arrives() -> None:
    """Key, caller's request id, the backend's own headers; the body asks for a stream and its usage."""

    async def main() -> Exchange:
        async with asking(says("a"), headers={"X-Team": "t"}, path="/deployments/d/chat?v=1") as (provider, server):
            await answer(provider)
            return server.exchanges[0]

    exchange = asyncio.run(main())
    assert (exchange.method, exchange.path) == ("POST", "/v1/deployments/d/chat?v=1")
    wanted = {"authorization": f"Bearer {KEY}", "x-client-request-id": "req-1", "x-team": "t"}
    assert wanted.items() <= exchange.headers.items()
    assert exchange.headers["content-type"] == "application/json"
    assert "cookie" not in exchange.headers
    assert exchange.json == {
        "model": "m",
        "messages": [{"role": "user", "content": "what I asked"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_each_read_is_a_burst() -> None:
    """What the upstream sends apart comes apart, at once; what it sends together comes together."""

    async def script(exchange: Exchange) -> None:
        await exchange.head()
        for words in (["a"], ["b", "c", "d"], ["e"]):
            await asyncio.sleep(0.02)
            await exchange.chunk(b"".join(b"data: %b\n\n" % json.dumps(text_event(word)).encode() for word in words))
        await asyncio.sleep(0.02)
        await exchange.event(finish_event())
        await exchange.event("[DONE]")
        await exchange.finish()

    async def main() -> list[list[Chunk]]:
        async with asking(script) as (provider, _):
            return await bursts(provider)

    assert [[chunk.text for chunk in burst if isinstance(chunk, TextDelta)] for burst in asyncio.run(main())] == [
        [],
        ["a"],
        ["bcd"],
        ["e"],
        [],
    ]


@pytest.mark.parametrize("whole", [False, True])
def test_the_content_type_says_what_came(whole: bool) -> None:
    """A server that answers whole although a stream was asked for is understood, and the reverse."""
    payload = json.dumps(whole_answer("hello"))
    streamed = streams(text_event("hello"), finish_event())
    for script in (replies(200, payload), replies(200, payload, "application/json; charset=utf-8"), streamed):
        chunks = answered(script, whole=whole)
        assert TextDelta(0, "hello") in chunks
        assert chunks[-1] == End(FinishReason.STOP)


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/x-ndjson"])
def test_no_other_content_type_is_guessed_at(content_type: str) -> None:
    """Even if its body looks right: a page that a proxy made up may hold anything."""
    body = f"data: {json.dumps(text_event('a'))}\n\ndata: {json.dumps(finish_event())}\n\ndata: [DONE]\n\n"
    assert failed(replies(200, body, content_type)).failure is Failure.PROTOCOL
    assert answered(replies(200, body, ""))[-1] == End(FinishReason.STOP)


def test_connections_are_used_again_also_after_done() -> None:
    """The end of the body may come a moment after [DONE]; it is waited for, but the answer does not wait."""

    async def script(exchange: Exchange) -> None:
        await exchange.head()
        for payload in (text_event("a"), finish_event(), "[DONE]"):
            await exchange.event(payload)
        await asyncio.sleep(0.02)
        await exchange.finish()

    async def main() -> int:
        async with asking(script) as (provider, server):
            for _ in range(5):
                assert (await answer(provider))[-1] == End(FinishReason.STOP)
            return len(server.connections)

    assert asyncio.run(main()) == 1


def test_a_body_that_does_not_end_after_done_is_closed() -> None:
    """The answer is complete at [DONE]; what keeps the connection open then is not waited for."""

    async def script(exchange: Exchange) -> None:
        await exchange.head()
        for payload in (text_event("a"), finish_event(), "[DONE]"):
            await exchange.event(payload)
        await asyncio.sleep(FOREVER)

    async def main() -> float:
        async with asking(script) as (provider, server):
            began = time.monotonic()
            assert (await answer(provider))[-1] == End(FinishReason.STOP)
            await server.until_closed()
            return time.monotonic() - began

    assert asyncio.run(main()) < 0.5


BAD_STREAM = [
    (streams("{"), Failure.PROTOCOL),
    (streams("hello"), Failure.PROTOCOL),
    (streams(text_event("a"), '{"choices": [{"delta": {"content": "b'), Failure.PROTOCOL),
    (streams(text_event("a")), Failure.PROTOCOL),
    (streams(text_event("a"), done=False), Failure.PROTOCOL),
    (streams(done=False), Failure.PROTOCOL),
    (sends(b'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"choi'), Failure.PROTOCOL),
    (replies(200, "<html>hello</html>", "text/html"), Failure.PROTOCOL),
    (replies(200, "%PDF", "application/pdf"), Failure.PROTOCOL),
    (replies(200, "", "application/json"), Failure.PROTOCOL),
    (replies(200, '{"choices":', "application/json"), Failure.PROTOCOL),
    (replies(200, "[]", "application/json"), Failure.PROTOCOL),
    (replies(200, "{}", "application/json"), Failure.PROTOCOL),
    (replies(200, b"\x1f\x8b\x08garbage", headers={"content-encoding": "gzip"}), Failure.PROTOCOL),
    (replies(307, headers={"location": "http://127.0.0.1:1/"}), Failure.PROTOCOL),
    (replies(204), Failure.PROTOCOL),
    (sends(b"\x00\xff\xfe garbage\r\n\r\n"), Failure.PROTOCOL),
    (babbles(), Failure.PROTOCOL),
    (babbles(b"data: {}" * 100, b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"), Failure.PROTOCOL),
    (resets, Failure.LOST),
    (sends(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"), Failure.LOST),
    (sends(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{}"), Failure.LOST),
    (streams({"error": {"message": f"{KEY} is no good", "type": "server_error"}}), Failure.UNAVAILABLE),
    (streams(text_event("a"), {"error": {"message": "slow", "code": 429}}), Failure.RATE_LIMITED),
    (replies(200, json.dumps({"error": {"message": "m", "code": "context_length_exceeded"}})), Failure.CONTEXT_LENGTH),
]


@pytest.mark.parametrize(("script", "failure"), BAD_STREAM, ids=range(len(BAD_STREAM)))
@pytest.mark.parametrize("whole", [False, True])
def test_bad_upstreams_fail_cleanly(script: Script, failure: Failure, whole: bool) -> None:
    """Garbage, truncated JSON, endless heads, wrong content types, broken connections: one failure, a closed socket."""
    assert failed(script, whole=whole).failure is failure


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (401, '{"error":{"message":"sk-do-not-tell","code":"invalid_api_key"}}', {}, (Failure.UNAUTHENTICATED, None)),
        (429, '{"error":{"code":"rate_limit_exceeded"}}', {"retry-after": "7"}, (Failure.RATE_LIMITED, 7.0)),
        (429, "", {"retry-after-ms": "250", "retry-after": "1"}, (Failure.RATE_LIMITED, 0.25)),
        (
            429,
            "",
            {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"},
            (Failure.RATE_LIMITED, 360.0),
        ),
        (503, "<html>", {"retry-after": "99999999"}, (Failure.OVERLOADED, 99_999_999.0)),
        (503, "", {"Grpc-Retry-Pushback-Ms": "1500", "retry-after": "7"}, (Failure.OVERLOADED, 1.5)),
        (503, "", {"grpc-retry-pushback-ms": "-1"}, (Failure.OVERLOADED, None)),
        (400, '{"error":{"code":"context_length_exceeded"}}', {}, (Failure.CONTEXT_LENGTH, None)),
        (404, "{", {}, (Failure.NOT_FOUND, None)),
        (500, "x" * 200_000, {}, (Failure.UNAVAILABLE, None)),
    ],
)  # fmt: skip
def test_errors_with_a_status(status: int, body: str, headers: dict[str, str], expected: tuple[Failure, Any]) -> None:
    """Status, body and Retry-After together; the provider's id is kept, its prose is not."""
    error = failed(replies(status, body, headers={**headers, "x-request-id": "up-9", "connection": "close"}))
    assert (error.failure, error.retry_after) == expected
    assert error.pushed_back == ("grpc-retry-pushback-ms" in headers)
    assert (error.http_status, error.provider_request_id) == (status, "up-9")


def test_what_was_said_before_the_break_is_passed_on() -> None:
    """Text that arrived is delivered, then the lane fails: it is not for the provider to take it back."""

    async def script(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.event(text_event("a"))
        await asyncio.sleep(0.02)
        await exchange.chunk(b"data: %b\n\ndata: {\n\n" % json.dumps(text_event("b")).encode())

    heard: list[Chunk] = []

    async def hear(provider: HttpProvider) -> None:
        async with aclosing(provider.stream(Ask(PROMPT, "", 1.0))) as stream:
            async for burst in stream:
                heard.extend(burst)

    async def main() -> None:
        async with asking(script) as (provider, _):
            with pytest.raises(BackendError):
                await hear(provider)

    asyncio.run(main())
    assert [chunk.text for chunk in heard if isinstance(chunk, TextDelta)] == ["a", "b"]


def _then(how: Callable[[Exchange], Awaitable[None]], *payloads: object) -> Script:
    """Say a word and *payloads*, and go *how*."""

    async def script(exchange: Exchange) -> None:
        await exchange.head()
        for payload in (text_event("a"), *payloads):
            await exchange.event(payload)
        await asyncio.sleep(0.05)  # so that a reset takes nothing back
        await how(exchange)

    return script


async def _resets(exchange: Exchange) -> None:
    exchange.reset()


async def _cuts_an_event(exchange: Exchange) -> None:
    await exchange.chunk(b'data: {"usage": {"prompt_tok')
    exchange.close()


async def _hangs(exchange: Exchange) -> None:
    del exchange
    await asyncio.sleep(FOREVER)


async def _tells(exchange: Exchange) -> None:
    await exchange.event({"error": {"code": 502}})


@pytest.mark.parametrize("how", [_resets, _cuts_an_event, _hangs])
def test_an_answer_whose_end_was_told_is_whole_whatever_becomes_of_its_stream(
    how: Callable[[Exchange], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would else count as broken, and somebody would be asked to go on with what is finished."""
    monkeypatch.setattr(http_provider, "_LAST_WORDS", 0.2)
    assert answered(_then(how, finish_event("length")))[-2:] == [TextDelta(0, "a"), End(FinishReason.LENGTH)]


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        (_then(_resets), Failure.LOST),
        (_then(_cuts_an_event), Failure.LOST),
        (_then(_tells, finish_event()), Failure.UNAVAILABLE),
    ],
)
def test_an_end_that_was_not_told_or_was_taken_back_is_none(script: Script, failure: Failure) -> None:
    """Some providers tell of an error behind a finish reason."""
    assert failed(script).failure is failure


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize("script", [silent, says(*"abcdefgh", pause=0.05)])
def test_a_cancelled_call_closes_the_upstream(run: Run, script: Script) -> None:
    """The upstream sees it within milliseconds, whether it was silent or in the middle of its answer."""

    async def main() -> float:
        async with asking(script) as (provider, server):
            task = asyncio.create_task(answer(provider))
            await asyncio.sleep(0.12)
            cancelled = time.monotonic()
            task.cancel()
            await asyncio.wait([task])
            await server.until_closed()
            return (server.connections[0].closed or 0.0) - cancelled

    assert run(main()) < 0.02


def test_closing_the_generator_closes_the_upstream() -> None:
    """Whoever has heard enough hangs up."""

    async def main() -> None:
        async with asking(says(*"abcdefgh", pause=0.02)) as (provider, server):
            async with aclosing(provider.stream(Ask(PROMPT, "", 1.0))) as stream:
                await anext(stream)
                await anext(stream)
            await server.until_closed(0.2)

    asyncio.run(main())


def test_many_answers_at_once_do_not_mix() -> None:
    """200 streams over one client, each with its own words."""

    async def script(exchange: Exchange) -> None:
        said = exchange.headers["x-client-request-id"]
        await exchange.head()
        for letter in said:
            await exchange.event(text_event(letter))
            await asyncio.sleep(0.001)
        await exchange.event(finish_event())
        await exchange.finish()

    async def one(provider: HttpProvider, number: int) -> None:
        fold = Fold()
        async with aclosing(provider.stream(Ask(PROMPT, f"call-{number}", 5.0))) as stream:
            async for burst in stream:
                fold.add(burst)
        assert fold.parts() == (Part(Text(f"call-{number}")),)

    async def main() -> None:
        async with asking(script) as (provider, _):
            await asyncio.gather(*(one(provider, number) for number in range(200)))

    asyncio.run(main())


def _cases() -> Iterable[Any]:
    """Return the recorded cases of this format, by OpenAI and by what speaks like it on a machine of one's own."""
    index = RECORDED / "index.json"
    if not index.exists():
        return [
            pytest.param({}, marks=pytest.mark.skip(reason="the recorded traffic (../shared) is not on this machine"))
        ]
    cases = json.loads(index.read_text())["cases"]
    return [
        pytest.param(case, id=case["file"].removesuffix(".json"))
        for case in cases
        if case["api"] == "chat_completions" and case["provider"] in {"openai", "local"}
    ]


def _recorded(case: dict[str, Any], cut: Callable[[bytes], list[bytes]]) -> Script:
    response = json.loads((RECORDED / case["file"]).read_text())["response"]
    body = response["body"].encode()
    kept = {
        key: value
        for key, value in response["headers"].items()
        if key in {"x-request-id", "retry-after", "retry-after-ms"}
    }

    async def script(exchange: Exchange) -> None:
        await exchange.head(response["status"], response["headers"].get("content-type", ""), kept)
        for piece in cut(body):
            await exchange.chunk(piece)
            await asyncio.sleep(0)
        await exchange.finish()

    return script


def _anywhere(body: bytes) -> list[bytes]:
    places = sorted(random.Random(7).sample(range(1, max(len(body), 2)), min(20, max(len(body) - 1, 0))))
    return [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True) if a < b]


def _whole(body: bytes) -> list[bytes]:
    return [body] if body else []


@pytest.mark.parametrize("case", _cases())
@pytest.mark.parametrize("cut", [_whole, _anywhere])
def test_recorded_traffic(case: dict[str, Any], cut: Callable[[bytes], list[bytes]]) -> None:
    """What providers really sent, cut where it pleases: text, reasoning, calls, finish reason, usage and errors."""
    expected = case["expected"]
    if expected.get("error"):
        error = failed(_recorded(case, cut), whole=not case["streaming"])
        assert error.failure is not Failure.INTERNAL
        assert error.retry_after == expected["error"].get("retry_after_s")
        return
    chunks = answered(_recorded(case, cut), whole=not case["streaming"])
    fold = Fold()
    fold.add(chunks)
    kinds = [part.kind for part in fold.parts()]
    assert "".join(kind.text for kind in kinds if isinstance(kind, Text)) == (expected["text"] or "")
    assert "".join(kind.text for kind in kinds if isinstance(kind, Reasoning)) == (expected["reasoning_text"] or "")
    assert "".join(kind.text for kind in kinds if isinstance(kind, Refusal)) == (expected["refusal"] or "")
    legacy = (expected["extra"] or {}).get("legacy_function_call")
    calls = expected["tool_calls"] or ([legacy] if legacy else [])
    assert [(kind.id, kind.name, json.loads(kind.arguments_json)) for kind in kinds if isinstance(kind, ToolCall)] == [
        (call["id"] or f"function_call:{call['name']}", call["name"], call["arguments"]) for call in calls
    ]
    assert fold.end is not None
    assert fold.end.reason.value == ("refusal" if expected["refusal"] else expected["finish_reason_norm"])
    _same_usage(chunks, expected["usage"] or {})


def _same_usage(chunks: list[Chunk], expected: dict[str, Any]) -> None:
    reported = [chunk.usage for chunk in chunks if isinstance(chunk, UsageReport)]
    usage = reported[-1] if reported else Usage()
    assert (usage.input_tokens, usage.output_tokens) == (expected.get("input"), expected.get("output"))
    assert (usage.cache_read_tokens, usage.reasoning_tokens) == (expected.get("cached"), expected.get("reasoning"))
