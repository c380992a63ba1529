"""`quickthorn chat`: a conversation in the terminal."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress

import click

from quickthorn import Client, CompletionFields, QuickthornError, messages
from quickthorn_server.cli.connection import calls_server, tell
from quickthorn_server.cli.terminal import remark, say, show, trace_table

_COMMANDS = """\
/trace   who was asked for the last answer, why, and what came of it
/reset   forget the conversation
/help    this list
/exit    leave; Ctrl-D and Ctrl-C do too
Ctrl-C   during an answer: stop it, and forget what was asked"""


@click.command()
@calls_server
def chat(*, client: Client, fields: CompletionFields) -> None:
    """Talk with a model on a running server.

    Type a line, read the answer as it comes. The model remembers the conversation until /reset; /help lists all
    commands. Ctrl-C stops an answer, all the way to the provider, and forgets what was asked; at the prompt it leaves,
    as Ctrl-D does.

    Exit status: 0 left, 2 the arguments cannot work, 130 left by Ctrl-C.

    \b
    quickthorn chat
    quickthorn chat --route cheap --system "You are a pirate."
    printf 'Hello\\n/trace\\n' | quickthorn chat
    """  # noqa: D301 - click reads \b as: do not wrap
    if sys.stdin.isatty():
        with suppress(ImportError):
            importlib.import_module("readline")  # its import gives `input` line editing and a history
        say(click.style("/help lists the commands, /exit leaves", dim=True), err=True)
    conversation = Conversation(client, fields)
    while (line := _line()) is not None:
        if line.startswith("/"):
            if not conversation.obey(line):
                return
        elif line:
            conversation.ask(line)


class Conversation:
    """What was said so far, all parts of it: the next call sends them back as they came."""

    def __init__(self, client: Client, fields: CompletionFields) -> None:
        self._client = client
        self._fields = fields
        self._said: list[tuple[str, str] | messages.Message] = []
        self._last: messages.Completion | None = None

    def ask(self, line: str) -> None:
        """Print the answer to *line*.  What fails or is stopped is forgotten, question and all."""
        question = ("user", line)
        try:
            with self._client.stream([*self._said, question], **self._fields) as events:
                self._last = show(events)
        except QuickthornError as error:
            tell(error, self._client)
        except KeyboardInterrupt:
            say(click.style("(stopped; what you asked is forgotten)", dim=True), err=True)
        else:
            self._said += [question, self._last.message]
            remark(self._last)

    def obey(self, command: str) -> bool:
        """Do what *command* says; False = leave."""
        match command.split(maxsplit=1)[0]:
            case "/exit" | "/quit":
                return False
            case "/reset":
                self._said.clear()
            case "/trace" if self._last is not None:
                say(trace_table(self._last))
            case "/trace":
                say("nothing has been answered yet")
            case "/help":
                say(_COMMANDS)
            case unknown:
                say(f"there is no command {unknown}\n{_COMMANDS}")
        return True


def _line() -> str | None:
    """Return what was typed; None = there is no more."""
    interactive = sys.stdin.isatty()
    try:
        return input("> " if interactive else "").strip()
    except EOFError:
        if interactive:
            say("")
        return None
