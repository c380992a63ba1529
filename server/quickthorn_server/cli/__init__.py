"""The command line: `quickthorn`.

Commands are imported when they run: gRPC and a configuration's parser take most of a second that `--help`, and a shell
that completes a word, need not wait for.
"""

from __future__ import annotations

from importlib import import_module

import click

import quickthorn_server.cli.environment  # noqa: F401 - before anything that imports gRPC
from quickthorn_server import __version__

_COMMANDS = {
    "serve": "Start the service.",
    "check": "Validate the configuration and print the plan of every route.",
    "init": "Write a commented starter configuration.",
    "schema": "Print the JSON Schema of the configuration.",
    "complete": "Ask a running server once and print the answer.",
    "chat": "Talk with a model on a running server.",
    "explain": "Show what a running server would do with a request, and why.",
    "simulate": "Say what hedging would buy, from a latency log or a built-in profile.",
    "models": "List the models that are known: sizes, abilities, prices, ends.",
    "local": "Look after the embedded model.",
    "completion": "Print what makes SHELL complete this command.",
}


class _Lazy(click.Group):
    """A group whose commands live in modules of their names (click's documented LazyGroup)."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(f"quickthorn_server.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - the table names nothing else
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="quickthorn")
def main() -> None:
    """Route LLM calls over gRPC: one typed call in, the best living model answers.

    \b
    quickthorn serve                         start on an embedded model: no key, no file
    quickthorn complete "Why is rain wet?"   ask it
    quickthorn init                          write a commented quickthorn.yaml to grow from
    """  # noqa: D301 - click reads \b as: do not wrap
