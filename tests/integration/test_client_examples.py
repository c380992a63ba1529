"""The examples run, and do what they say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from quickthorn import AsyncClient, Client, messages
from tests.support.fake_routing import PATIENCE, FakeRouting, fails, finished, info, plays, say, serving, started

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"
Event = messages.CompletionEvent


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRouting]:
    """Return a server that clients find by default."""
    with serving(FakeRouting()) as server:
        for client in (Client, AsyncClient):
            monkeypatch.setattr(client.__init__, "__defaults__", (server.target,))
        yield server


def run(fake: FakeRouting, name: str) -> None:
    """Run an example; the port that it names is that of *fake*."""
    path = EXAMPLES / f"{name}.py"
    source = path.read_text().replace("127.0.0.1:50051", fake.target)
    exec(compile(source, path, "exec"), {"__name__": "__main__"})  # noqa: S102 - our own file


def test_first_call(fake: FakeRouting, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the answer and who served it."""
    run(fake, "first_call")
    assert capsys.readouterr().out == "Hello, world\n-- served by fast, 0 tokens\n"


def test_first_call_where_nobody_could_answer(fake: FakeRouting, capsys: pytest.CaptureFixture[str]) -> None:
    """A canned answer was served by nobody, and needs no lane at all."""
    fake.answer = plays(started(), *say("Later."), finished(trace=messages.RouteTrace(rung="canned")))
    run(fake, "first_call")
    assert capsys.readouterr().out == "Later.\n-- served by nobody (canned), 0 tokens\n"


def test_stream(fake: FakeRouting, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the answer twice: synchronously and with asyncio."""
    run(fake, "stream")
    assert capsys.readouterr().out.count("Hello, world\n") == 2


def test_cancel(fake: FakeRouting, capsys: pytest.CaptureFixture[str]) -> None:
    """It stops three answers, and the server learns of each."""
    ended = threading.Semaphore(0)

    def endless(_request: messages.CompletionRequest, context: grpc.ServicerContext) -> Iterator[Event]:
        context.add_callback(ended.release)
        yield started()
        yield from say("four ", "five ")
        assert fake.gone.wait(PATIENCE)

    fake.answer = endless
    run(fake, "cancel")
    assert all(ended.acquire(timeout=1) for _ in range(3))
    printed = capsys.readouterr().out
    assert "that was enough" in printed
    assert "DEADLINE_EXCEEDED, said by the server: False" in printed
    assert "cancelled: True" in printed
    assert len(fake.requests) == 3


def test_errors(fake: FakeRouting, capsys: pytest.CaptureFixture[str]) -> None:
    """It tells what is known, waits as the server says, and asks again."""
    details = (
        info("ALL_FAILED"),
        error_details_pb2.RetryInfo(retry_delay=Duration(nanos=50_000_000)),
        messages.RouteFailure(attempts=[messages.Attempt(backend="fast", failure="connect")]),
    )
    broken, well = fails(grpc.StatusCode.UNAVAILABLE, "every backend failed", *details), fake.answer

    def answer(request: messages.CompletionRequest, context: grpc.ServicerContext) -> Iterator[Event]:
        return broken(request, context) if len(fake.requests) == 1 else well(request, context)

    fake.answer = answer
    run(fake, "errors")
    assert capsys.readouterr().out.splitlines() == [
        "UNAVAILABLE ALL_FAILED: every backend failed (from the server: True)",
        "  fast: connect",
        "Hello, world",
    ]


def test_tools(fake: FakeRouting, capsys: pytest.CaptureFixture[str]) -> None:
    """Calls are answered, broken arguments are told to the model, and the conversation goes back whole."""
    wishes = [messages.ToolCall(id=name, name="weather", arguments_json=text) for name, text in ARGUMENTS.items()]

    def answer(request: messages.CompletionRequest, _context: grpc.ServicerContext) -> Iterator[Event]:
        yield started()
        if len(request.messages) == 1:
            for index, wish in enumerate(wishes):
                yield Event(part=messages.PartEvent(part=index, value=messages.Part(tool_call=wish)))
        else:
            yield from say("Take one.")
        yield finished()

    fake.answer = answer
    run(fake, "tools")
    assert capsys.readouterr().out.endswith("Take one.\n")
    results = [part.tool_result for part in fake.requests[1].messages[2].parts]
    assert [(result.tool_call_id, result.is_error) for result in results] == [
        ("well", False),
        ("no json", True),
        ("no city", True),
        ("no object", True),
    ]
    assert [part.tool_call for part in fake.requests[1].messages[1].parts] == wishes


ARGUMENTS = {"well": '{"city": "Bergen"}', "no json": "{", "no city": "{}", "no object": "3"}
"""What a model may write, by the id of its call."""
