"""The command line: `quickthorn`."""

from __future__ import annotations

import quickthorn_server.cli.environment  # noqa: F401 - before anything that imports gRPC

# isort: split
import click

from quickthorn_server import __version__
from quickthorn_server.cli.chat import chat
from quickthorn_server.cli.check import check
from quickthorn_server.cli.complete import complete
from quickthorn_server.cli.completion import completion
from quickthorn_server.cli.explain import explain
from quickthorn_server.cli.init import init
from quickthorn_server.cli.local import local
from quickthorn_server.cli.schema import schema
from quickthorn_server.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="quickthorn")
def main() -> None:
    """Route LLM calls over gRPC: one typed call in, the best living model answers.

    \b
    quickthorn serve                         start on an embedded model: no key, no file
    quickthorn complete "Why is rain wet?"   ask it
    quickthorn init                          write a commented quickthorn.yaml to grow from
    """  # noqa: D301 - click reads \b as: do not wrap


for command in (serve, check, init, schema, complete, chat, explain, local, completion):
    main.add_command(command)
