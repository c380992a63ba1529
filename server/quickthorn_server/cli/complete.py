"""`quickthorn complete`: ask once."""

from __future__ import annotations

import sys

import click

from quickthorn import Client, CompletionFields, QuickthornError, messages, to_json
from quickthorn_server.cli.connection import calls_server
from quickthorn_server.cli.terminal import lanes_table, remark, say, show, show_whole, trace_table


@click.command()
@click.argument("prompt")
@click.option("--stream/--no-stream", default=None, help="Print the answer as it comes, or whole.  [default: stream]")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON; with --stream, every event.")
@click.option(
    "--trace", is_flag=True, help="Then print who was asked, why, and what came of it; also when the call fails."
)
@calls_server
def complete(
    prompt: str, *, stream: bool | None, as_json: bool, trace: bool, client: Client, fields: CompletionFields
) -> None:
    """Ask a running server once and print the answer.

    PROMPT is what to ask, or - to read it from standard input. The answer goes to standard output, everything else to
    standard error. Ctrl-C cancels the call all the way to the provider.

    Exit status: 0 answered, 1 the call failed, 2 the arguments cannot work, 130 Ctrl-C.

    \b
    quickthorn complete "Why is the sky blue?"
    quickthorn complete --trace --route cheap "Three names for a cat"
    git diff | quickthorn complete --system "Write a commit message." -
    quickthorn complete --json "Hello" | jq .usage
    """  # noqa: D301 - click reads \b as: do not wrap
    asked = sys.stdin.read() if prompt == "-" else prompt
    try:
        completion = _printed(client, asked, fields, stream=stream, as_json=as_json)
    except QuickthornError as error:
        if trace and error.attempts:
            say(lanes_table(error.attempts), err=True)
        raise
    if not as_json:
        remark(completion)
    if trace:
        say(trace_table(completion), err=True)


def _printed(
    client: Client, asked: str, fields: CompletionFields, *, stream: bool | None, as_json: bool
) -> messages.Completion:
    """Ask, print the answer in the form that is wanted, and return it."""
    if stream is False or (as_json and not stream):
        completion = client.complete(asked, **fields)
        if as_json:
            click.echo(to_json(completion, indent=2))
        else:
            show_whole(completion)
        return completion
    with client.stream(asked, **fields) as events:
        if not as_json:
            return show(events)
        for event in events:
            click.echo(to_json(event))
        return events.fold()
