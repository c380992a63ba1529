"""Decision records of a whole server: one per call, in the file and in the process, and never what was said."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.rpc import status_pb2

from quickthorn.v1.completion_pb2 import CompletionRequest
from quickthorn.v1.embedding_pb2 import EmbeddingInput, EmbedRequest
from quickthorn.v1.failure_pb2 import RouteFailure
from quickthorn.v1.record_pb2 import RECORDED_RPC_COMPLETE, RECORDED_RPC_STREAM_COMPLETE, DecisionRecord
from quickthorn.v1.routing_service_pb2_grpc import RoutingStub
from quickthorn_server.config import parse
from quickthorn_server.main import Serving, serve
from tests.support.served import ask, channel, served

KEY = "planted-caller-key-4711"
PROMPT, ANSWER = "planted question", "planted answer"
CONFIG = """
callers: [{{name: web, api_key_env: CALLER_KEY}}]
records: {{file: '{file}', content: {content}}}
backends:
  - name: sick
    provider: scripted
    price: {{input: 0.123456789, output: 1.9}}
    script: [{{steps: [{{usage: {{input: 7}}}}, {{fail: overloaded, http_status: 503}}]}}]
    breaker: {{consecutive: 1000}}
  - name: well
    provider: scripted
    price: {{input: 0.333333333, output: 2.777777777}}
    script:
      - {{steps: [{{text: planted answer}}, {{usage: {{input: 12345, output: 678}}}}]}}
      - {{steps: [{{text: planted answer}}, {{usage: {{input: 3, output: 1}}}}]}}
  - name: breaks
    provider: scripted
    price: {{input: 0.777777777, output: 3}}
    script: [{{steps: [{{text: planted answer}}, {{usage: {{input: 5, output: 3}}}}, {{fail: lost, after: 50ms}}]}}]
    breaker: {{consecutive: 1000}}
  - {{name: slow, provider: scripted, script: [{{text: planted answer}}, {{text: planted answer, after: 30s}}]}}
routes:
  - {{name: default, backends: [sick, well]}}
  - {{name: breaking, backends: [breaks]}}
  - {{name: waiting, backends: [slow]}}
"""


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def config(file: Path, *, content: bool = False) -> str:
    return CONFIG.format(file=file, content=str(content).lower())


@asynccontextmanager
async def client(address: str) -> AsyncIterator[Any]:
    async with channel(address) as opened:
        yield RoutingStub(opened)


def records(file: Path) -> list[DecisionRecord]:
    return [json_format.Parse(line, DecisionRecord()) for line in file.read_text().splitlines()]


def told(error: grpc.aio.AioRpcError) -> RouteFailure:
    status = status_pb2.Status.FromString(dict(error.trailing_metadata() or ())["grpc-status-details-bin"])
    failure = RouteFailure()
    assert any(packed.Unpack(failure) for packed in status.details)
    return failure


async def cost(call: Any) -> int | None:
    """Return what the response to a call, unary or streamed, said that it cost."""
    try:
        if hasattr(call, "read"):
            said: Any = [event async for event in call][-1].finished
        else:
            said = await call
    except grpc.aio.AioRpcError as error:
        said = told(error)
    return said.cost_nano_usd if said.HasField("cost_nano_usd") else None


HEADERS = (("authorization", f"Bearer {KEY}"),)


def test_records_add_up_to_responses_on_the_wire(tmp_path: Path) -> None:
    """Answers, broken streams and refusals, all at once: each record's cost is what its response said."""
    file = tmp_path / "decisions.jsonl"

    async def main() -> None:
        async with served(config(file), {"CALLER_KEY": KEY}) as address, client(address) as stub:
            requests = [ask(PROMPT, ("default", "breaking", "waiting")[number % 3]) for number in range(21)]
            for number, request in enumerate(requests):
                request.request_id = str(number)
                if number % 3 == 2:
                    request.requirements.capabilities.append("vision")
            methods = [stub.Complete, stub.StreamComplete]
            calls = [methods[place // 3 % 2](each, metadata=HEADERS) for place, each in enumerate(requests)]
            costs.update(enumerate(await asyncio.gather(*map(cost, calls))))

    costs: dict[int, int | None] = {}
    run(main())
    found = {int(record.request_id): record for record in records(file)}
    assert len(found) == len(records(file)) == 21
    for number, said in costs.items():
        assert (found[number].cost_nano_usd if found[number].HasField("cost_nano_usd") else None) == said
    assert sum(record.cost_nano_usd for record in found.values()) == sum(said or 0 for said in costs.values()) > 0
    assert {record.outcome for record in found.values()} == {
        "answered",
        "ALL_FAILED",
        "STREAM_BROKEN",
        "NO_ELIGIBLE_BACKEND",
    }
    assert {record.rpc for record in found.values()} == {RECORDED_RPC_COMPLETE, RECORDED_RPC_STREAM_COMPLETE}


def test_a_record_tells_who_when_and_why(tmp_path: Path) -> None:
    """Caller, labels, candidates, lanes and configuration of one call that failed over."""
    file = tmp_path / "decisions.jsonl"

    async def main() -> None:
        async with served(config(file), {"CALLER_KEY": KEY}) as address, client(address) as stub:
            request = ask(PROMPT)
            request.labels["team"] = "blue"
            answers.append(await stub.Complete(request, metadata=HEADERS))

    answers: list[Any] = []
    run(main())
    (record,), (answer,) = records(file), answers
    assert (record.id, record.request_id) == (answer.id, answer.request_id)
    assert (record.caller, dict(record.labels), record.route) == ("web", {"team": "blue"}, "default")
    assert list(record.attempts) == list(answer.trace.attempts)
    assert (record.served_by, record.usage) == (answer.trace.served_by, answer.usage)
    assert list(record.plan.order) == ["sick", "well"]
    assert record.config_version == answer.trace.config_version
    assert record.delivered == len(ANSWER)
    assert [purse.purse for purse in record.purses] == ["hedges", "retries"]
    assert record.purses[1].level == record.purses[1].burst == 20  # the failover was free
    assert abs(record.at.ToDatetime().timestamp() - file.stat().st_mtime) < 24 * 3600
    assert record.duration.ToTimedelta() >= record.first_content.ToTimedelta()


@pytest.mark.parametrize("content", [False, True])
def test_what_was_said_is_recorded_only_when_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bool
) -> None:
    """By default no record holds a prompt or an answer; with content, both are whole.  A key is in neither."""
    file = tmp_path / "decisions.jsonl"

    async def main() -> None:
        async with served(config(file, content=content), {"CALLER_KEY": KEY}) as address, client(address) as stub:
            await stub.Complete(ask(PROMPT), metadata=HEADERS)
            [_ async for _ in stub.StreamComplete(ask(PROMPT), metadata=HEADERS)]
            await cost(stub.StreamComplete(ask(PROMPT, "breaking"), metadata=HEADERS))
            await cost(stub.Complete(ask(PROMPT, "breaking"), metadata=HEADERS))
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.Embed(EmbedRequest(inputs=[EmbeddingInput(text=PROMPT)]), metadata=HEADERS)

    with caplog.at_level(logging.DEBUG, "quickthorn"):
        run(main())
    text = file.read_text()
    assert KEY not in text
    assert "planted" not in caplog.text
    if not content:
        assert "planted" not in text
        return
    found = records(file)
    asked = [json_format.Parse(record.request_json, CompletionRequest()) for record in found[:4]]
    assert [request.messages[0].parts[0].text for request in asked] == [PROMPT] * 4
    assert PROMPT in found[4].request_json
    answered = [json.loads(record.answer_json) if record.answer_json else None for record in found]
    whole = {"role": "ROLE_ASSISTANT", "parts": [{"text": ANSWER}]}
    assert answered == [whole, whole, whole, None, None]  # what a unary caller never saw is not what it was answered


def test_a_caller_who_leaves_is_recorded_once(tmp_path: Path) -> None:
    """Cancelled before the first word: one record, without a cost, with the lane that was given up."""
    file = tmp_path / "decisions.jsonl"

    async def main() -> None:
        async with served(config(file), {"CALLER_KEY": KEY}) as address, client(address) as stub:
            await stub.Complete(ask(PROMPT, "waiting"), metadata=HEADERS)
            call = stub.StreamComplete(ask(PROMPT, "waiting"), metadata=HEADERS)
            waiting = asyncio.create_task(call.read())
            await asyncio.sleep(0.2)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    run(main())
    answered, left = records(file)
    assert (answered.outcome, left.outcome) == ("answered", "cancelled")
    assert not left.HasField("cost_nano_usd")
    assert not left.HasField("usage")
    assert [attempt.backend for attempt in left.attempts] == ["slow"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_harms_no_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every call is answered; every record is dropped and counted in the log."""
    file = tmp_path / "decisions.jsonl"
    file.symlink_to("/dev/full")

    async def main() -> None:
        async with served(config(file), {"CALLER_KEY": KEY}) as address, client(address) as stub:
            for _ in range(5):
                await stub.Complete(ask(PROMPT), metadata=HEADERS)
                await asyncio.sleep(0.06)

    with caplog.at_level(logging.WARNING, "quickthorn"):
        run(main())
    said = [record.getMessage() for record in caplog.records if record.name == "quickthorn.records"]
    assert said[0] == f"records dropped=1 in_all=1 file={file} why=No space left on device"
    assert "in_all=5" in said[-1]


def test_whoever_serves_in_process_may_listen() -> None:
    """The stream of records needs no file."""

    async def main() -> None:
        text = (
            "server: {listen: 127.0.0.1:0, drain: {quiet: 10ms, grace: 1s}}\n"
            "backends: [{name: a, provider: scripted, script: [{text: hi}]}]\nroutes: [{name: default, backends: [a]}]"
        )
        ready: asyncio.Future[Serving] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(serve(parse(text, "q.yaml", {}), ready.set_result))
        serving = await asyncio.wait_for(ready, 10)
        async with client(serving.address) as stub:
            with serving.records.subscribe() as listening:
                answer = await stub.Complete(ask())
                record = await asyncio.wait_for(anext(listening), 5)
        assert (record.id, record.outcome) == (answer.id, "answered")
        serving.stop()
        assert await running == 0

    run(main())
