"""`quickthorn chat`: what it sends back, what it obeys, and how it is stopped."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from quickthorn import messages
from quickthorn_server.cli import main
from tests.support.fake_routing import (
    PATIENCE,
    FakeRouting,
    fails,
    finished,
    info,
    plays,
    say,
    serving,
    started,
    whole,
)

ROOT = Path(__file__).parents[2]
Part = messages.Part


@pytest.fixture
def fake() -> Iterator[FakeRouting]:
    """Return a server that says "Hello, world"."""
    with serving(FakeRouting()) as server:
        yield server


def typed(fake: FakeRouting, *lines: str) -> str:
    """Chat by typing *lines*; return what was printed, both streams."""
    runner = CliRunner(env={"QUICKTHORN_TARGET": fake.target})
    done = runner.invoke(main, ["chat", "--system", "Be brief."], input="\n".join(lines) + "\n", catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_the_conversation_goes_back_whole(fake: FakeRouting) -> None:
    """Every turn sends all turns before it; answers with all of their parts, not only their text."""
    state = messages.OpaqueState(provider="anthropic", data=b"signed")
    thought = messages.CompletionEvent(part=messages.PartEvent(value=Part(reasoning="Hm.", opaque=state)))
    fake.answer = plays(started(), thought, *say("Hi.", part=1), finished())
    assert typed(fake, "Hello", "And?") == "Hi.\nHi.\n"
    user, assistant = messages.Role.ROLE_USER, messages.Role.ROLE_ASSISTANT
    assert list(fake.requests[1].messages) == [
        messages.Message(role=user, parts=[Part(text="Hello")]),
        messages.Message(role=assistant, parts=[Part(reasoning="Hm.", opaque=state), Part(text="Hi.")]),
        messages.Message(role=user, parts=[Part(text="And?")]),
    ]
    assert [request.system[0].text for request in fake.requests] == ["Be brief."] * 2


def test_what_failed_is_forgotten(fake: FakeRouting) -> None:
    """A failed turn is told, leaves no trace in the conversation, and the chat goes on."""
    broken, well = fails(grpc.StatusCode.UNAVAILABLE, "it broke", info("STREAM_BROKEN")), plays(*whole("Hi."))

    def answer(
        request: messages.CompletionRequest, context: grpc.ServicerContext
    ) -> Iterator[messages.CompletionEvent]:
        return broken(request, context) if len(fake.requests) == 1 else well(request, context)

    fake.answer = answer
    printed = typed(fake, "Hello", "Again")
    assert "error: it broke" in printed
    assert [part.text for message in fake.requests[1].messages for part in message.parts] == ["Again"]


def test_commands_are_obeyed_and_not_sent(fake: FakeRouting) -> None:
    """/trace, /reset, /help, /exit; an unknown one is named."""
    printed = typed(fake, "/trace", "Hello", "/trace", "/reset", "", "   ", "Anew", "/nonsense", "/exit", "never")
    assert "nothing has been answered yet" in printed
    assert "1     fast" in printed
    assert "there is no command /nonsense" in printed
    assert [request.messages[-1].parts[0].text for request in fake.requests] == ["Hello", "Anew"]
    assert len(fake.requests[1].messages) == 1


class Running:
    """A command in a process of its own; *interactive*: on a terminal."""

    def __init__(self, fake: FakeRouting, *arguments: str, interactive: bool = False, no_color: str = "1") -> None:
        ours, theirs = pty.openpty() if interactive else os.pipe()
        path = os.pathsep.join([str(ROOT / "server"), str(ROOT / "clients" / "python")])
        self._out = ours
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-W", "error", "-m", "quickthorn_server", *arguments],
            stdin=theirs if interactive else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env={
                **os.environ,
                "PYTHONPATH": path,
                "QUICKTHORN_TARGET": fake.target,
                "NO_COLOR": no_color,
                "TERM": "dumb",  # or readline would steer it
            },
        )
        os.close(theirs)
        self._printed = ""

    def type(self, line: str) -> None:
        """Type *line*."""
        os.write(self._out, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def until(self, marker: str) -> str:
        """Wait until *marker* is printed; return what was printed since the last call."""
        while marker not in self._printed:
            self._printed += os.read(self._out, 4096).decode()
        before, _, self._printed = self._printed.partition(marker)
        return before

    def status(self) -> int:
        """Wait until it ends."""
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """End it, however it stands."""
        self._process.kill()
        self._process.wait()
        with suppress(OSError):
            os.close(self._out)


def test_ctrl_c_cancels_upstream(fake: FakeRouting) -> None:
    """`complete` exits with 130 at once, and the server learns of it."""
    fake.answer = fake.silent(started(), *say("Once upon"))
    with closing(Running(fake, "complete", "Hello")) as running:
        running.until("Once upon")
        before = time.monotonic()
        running.interrupt()
        assert running.status() == 130
        assert fake.seconds_until_gone() < 1.0
        assert time.monotonic() - before < 2.0


def test_ctrl_c_cancels_a_whole_answer_too(fake: FakeRouting) -> None:
    """Also where nothing has been printed yet."""
    fake.answer = fake.silent()
    with closing(Running(fake, "complete", "--no-stream", "Hello")) as running:
        assert fake.arrived.wait(PATIENCE)
        time.sleep(0.1)  # until the call is waited for
        running.interrupt()
        assert running.status() == 130
        assert fake.seconds_until_gone() < 1.0


def test_ctrl_c_in_a_chat_stops_the_answer_and_then_leaves(fake: FakeRouting) -> None:
    """During an answer it cancels upstream, forgets the turn and returns to the prompt; at the prompt it leaves."""
    fake.answer = fake.silent(started(), *say("Once upon"))
    with closing(Running(fake, "chat", interactive=True)) as running:
        running.until("> ")
        running.type("Hello")
        running.until("Once upon")
        running.interrupt()
        running.until("forgotten")
        assert fake.seconds_until_gone() < 1.0
        running.until("> ")
        fake.answer = plays(*whole("Here I am."))
        running.type("Anyone?")
        running.until("Here I am.")
        assert len(fake.requests[1].messages) == 1
        running.until("> ")
        time.sleep(0.1)  # until it reads
        running.interrupt()
        assert running.status() == 130


def test_ctrl_d_leaves_a_chat(fake: FakeRouting) -> None:
    """End of input at the prompt is a normal end."""
    with closing(Running(fake, "chat", interactive=True)) as running:
        running.until("> ")
        running.type("\x04")
        assert running.status() == 0


def test_nothing_steers_the_terminal(fake: FakeRouting) -> None:
    """On a terminal a model's control characters are shown as what they are: not obeyed."""
    fake.answer = plays(*whole("a\x1b[31mb\x07\n", "end"))
    with closing(Running(fake, "complete", "Hello", interactive=True)) as running:
        shown = running.until("end")
    assert "\x1b" not in shown
    assert "a\N{REPLACEMENT CHARACTER}[31mb\N{REPLACEMENT CHARACTER}" in shown


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals_that_want_them(fake: FakeRouting, no_color: str, coloured: bool) -> None:
    """The trace is coloured on a terminal, unless NO_COLOR is set to anything."""
    command = ("complete", "--trace", "Hello")
    with closing(Running(fake, *command, interactive=True, no_color=no_color)) as running:
        assert ("\x1b[" in running.until("request request-1")) is coloured
