"""Recorded traffic through the whole server, over real sockets and real gRPC, however the network cuts it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import grpc
import pytest

from quickthorn import AsyncClient, QuickthornError, fold, tool_calls
from quickthorn import messages as pb
from quickthorn_server.core.content import ToolCall
from quickthorn_server.core.usage import Usage
from tests.support.formats import supported
from tests.support.recorded import Case, cases, check_calls, check_usage
from tests.support.replaying import replaying

AT_ONCE = 16

REASONS = {
    "stop": {"STOP"},
    "length": {"LENGTH"},
    "tool_calls": {"TOOL_CALLS"},
    "content_filter": {"CONTENT_FILTER", "REFUSAL"},
    "other": {"OTHER"},
}
STATUSES = {
    400: {"REJECTED"},
    401: {"BACKEND_MISCONFIGURED"},
    402: {"RATE_LIMITED"},
    403: {"BACKEND_MISCONFIGURED"},
    404: {"BACKEND_MISCONFIGURED"},
    413: {"CONTEXT_TOO_LONG"},
    422: {"REJECTED"},
    424: {"ALL_FAILED"},
    429: {"RATE_LIMITED"},
}
TOLD_BETTER = {
    "context_length": "CONTEXT_TOO_LONG",
    "content_filter": "CONTENT_FILTERED",
    "model_not_found": "BACKEND_MISCONFIGURED",
}
MISCONFIGURED = (
    "API key not valid",
    "User location is not supported",
    "Incorrect API key provided",
    "The provided model identifier is invalid",
)
"""What Google, xAI and Bedrock say with 400 and mean as 401, 403 and 404: another provider may well answer."""

NOT_REPLAYED = Counter(
    {
        "bedrock invoke": 1,  # each maker's own format behind one address: Converse says it better
        "bedrock invoke-with-response-stream": 1,
        "ollama native_chat": 3,  # Ollama is spoken to as to OpenAI
        "ollama native_embeddings": 1,
        "vertex_anthropic streamRawPredict": 1,
    }
)
"""Recordings of APIs that are not in the support table."""

CODES = {
    "REJECTED": grpc.StatusCode.INVALID_ARGUMENT,
    "CONTEXT_TOO_LONG": grpc.StatusCode.FAILED_PRECONDITION,
    "BACKEND_MISCONFIGURED": grpc.StatusCode.FAILED_PRECONDITION,
    "CONTENT_FILTERED": grpc.StatusCode.INVALID_ARGUMENT,
    "RATE_LIMITED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ALL_FAILED": grpc.StatusCode.UNAVAILABLE,
    "STREAM_BROKEN": grpc.StatusCode.UNAVAILABLE,
}


def groups() -> list[Any]:
    """Return the groups of cases that are replayed; skips where there are none."""
    found = {(case.provider, case.api) for case in cases() if supported(case)}
    absent = pytest.mark.skip(reason="the recorded traffic is not beside the project")
    return [pytest.param(*each, id="-".join(each)) for each in sorted(found)] or [pytest.param("", "", marks=absent)]


@pytest.mark.parametrize("cut", ["whole", "anywhere", "everywhere"])
@pytest.mark.parametrize(("provider", "api"), groups())
def test_what_a_provider_said_is_what_the_caller_hears(provider: str, api: str, cut: str) -> None:
    """Words, thinking, calls, finish reason, usage, vectors and failures of every recorded case of an API."""
    asyncio.run(_replayed(cases((provider, api)), cut))


def test_what_is_not_replayed_is_known_by_name() -> None:
    """A recorded case is replayed, or its API is one of these; no case is skipped in silence."""
    left = Counter(f"{case.provider} {case.api}" for case in cases() if not supported(case))
    assert left <= NOT_REPLAYED
    assert left.total() < 30


async def _replayed(found: list[Case], cut: str) -> None:
    async with replaying(found, lambda case, _: _pieces(case.body, cut, case.id)) as (client, _):
        room = asyncio.Semaphore(AT_ONCE)

        async def one(place: int, case: Case) -> None:
            async with room:
                await _judged(client, case, f"r{place}")

        async with asyncio.TaskGroup() as group:
            for place, case in enumerate(found):
                group.create_task(one(place, case), name=case.id)


async def _judged(client: AsyncClient, case: Case, route: str) -> None:
    try:
        if case.expected["embeddings"] is not None:
            await _check_vectors(client, case, route)
        else:
            _check(case, *await _heard(client, case, route))
    except AssertionError as error:
        raise AssertionError(f"{case.id}: {error}") from error


def _pieces(body: bytes, cut: str, seed: str) -> list[bytes]:
    if cut == "whole":
        return [body]
    if cut == "everywhere":
        return [body[at : at + 1] for at in range(len(body))]
    draw = random.Random(seed)
    places = sorted(draw.randrange(len(body) + 1) for _ in range(draw.randint(1, 60)))
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True) if start < end]


async def _heard(client: AsyncClient, case: Case, route: str) -> tuple[pb.Completion, QuickthornError | None]:
    """Ask for a case and return all that came of it; an answer that broke is as long as it got."""
    events: list[pb.CompletionEvent] = []
    try:
        if not case.streaming:
            return await client.complete("hi", route=route, timeout=120), None
        async with client.stream("hi", route=route, timeout=120) as stream:
            events.extend([event async for event in stream])
    except QuickthornError as error:
        return pb.Completion(), error
    return fold(events), None


def _check(case: Case, answer: pb.Completion, error: QuickthornError | None) -> None:
    expected = case.expected
    if case.fails:
        assert error is not None, "it must fail"
        return _check_failure(case, error)
    assert error is None, f"{error and error.reason}: {error}"
    assert _words(answer, "text") == (expected["text"] or "")
    assert _words(answer, "reasoning") == (expected["reasoning_text"] or "")
    assert _words(answer, "refusal") == (expected["refusal"] or "")
    calls = [ToolCall(call.id, call.name, call.arguments_json) for call in tool_calls(answer)]
    check_calls(expected["tool_calls"] or [], calls)
    if expected["finish_reason_norm"] is not None and not expected["refusal"]:
        reason = pb.FinishReason.Name(answer.finish_reason).removeprefix("FINISH_REASON_")
        assert reason in REASONS[expected["finish_reason_norm"]]
    if case.usage is not None:
        assert answer.HasField("usage"), "the usage is lost"
        check_usage(case.usage, _usage(answer.usage))
    return None


def _check_failure(case: Case, error: QuickthornError) -> None:
    told = case.expected["error"] or {}
    wanted = STATUSES.get(case.status, {"ALL_FAILED"})
    if case.status == 200:
        wanted = {"ALL_FAILED", "STREAM_BROKEN", "RATE_LIMITED", "REJECTED"}
    for tag, reason in TOLD_BETTER.items():
        if tag in {*case.tags, told.get("code")}:
            wanted = {reason}
    if str(told.get("message")).startswith(MISCONFIGURED):
        wanted = {"BACKEND_MISCONFIGURED"}
    assert error.reason in wanted, f"{error.reason} instead of {wanted}: {error}"
    if error.reason == "STREAM_BROKEN":
        assert error.failure is not None
        assert error.failure.delivered == len((case.expected["text"] or "").encode())
    assert error.code is CODES[error.reason], f"{error.code} for {error.reason}"
    if told.get("retry_after_s") and error.reason == "RATE_LIMITED":
        assert error.retry_delay is not None, "the wait is lost"
        assert abs(error.retry_delay.total_seconds() - told["retry_after_s"]) < 2
    prose = told.get("message") or ""
    assert len(prose) < 12 or prose not in f"{error} {error.info} {error.failure}", "the provider's prose got out"


async def _check_vectors(client: AsyncClient, case: Case, route: str) -> None:
    expected = case.expected["embeddings"]
    answer = await client.embed(["hi"] * expected["count"], route=route, timeout=120)
    assert len(answer.embeddings) == expected["count"]
    assert {len(each.values) for each in answer.embeddings} == {expected["dims"]}
    for wanted, got in zip(expected["first3"], answer.embeddings, strict=False):
        assert list(got.values[:3]) == pytest.approx(wanted, rel=1e-6)
    if case.usage is not None:
        assert answer.usage.input_tokens == case.usage.input_tokens


def _words(answer: pb.Completion, kind: str) -> str:
    return "".join(getattr(part, kind) for part in answer.message.parts if part.WhichOneof("kind") == kind)


def _usage(told: pb.Usage) -> Usage:
    def number(name: str) -> int | None:
        return getattr(told, name) if told.HasField(name) else None

    return Usage(
        number("input_tokens"),
        number("output_tokens"),
        number("cache_read_tokens"),
        number("cache_write_tokens"),
        reasoning_tokens=number("reasoning_tokens"),
    )
