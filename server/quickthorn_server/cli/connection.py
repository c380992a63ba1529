"""What the commands that call a server share: where it is, what to ask of it, and how a call's failure ends them."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from quickthorn import DEFAULT_TARGET, DEFAULT_TIMEOUT, Client, CompletionFields, QuickthornError, Tls
from quickthorn_server.cli.failure import failure_lines
from quickthorn_server.cli.terminal import say

CALL_FAILED = 1
"""Exit status: the call failed; why stands on standard error."""

INTERRUPTED = 130
"""Exit status: Ctrl-C, as shells report it."""

_DEFAULT_KEY = "QUICKTHORN_API_KEY"

_CONNECTION = (
    click.option(
        "--target", metavar="HOST:PORT", envvar="QUICKTHORN_TARGET", default=DEFAULT_TARGET, show_default=True,
        show_envvar=True, help="Where the server listens.",
    ),
    click.option(
        "--api-key-env", metavar="NAME", default=_DEFAULT_KEY, show_default=True,
        help="The environment variable that holds your key, if the server wants one.",
    ),
    click.option("--tls", is_flag=True, help="Speak TLS, trusting the usual authorities."),
    click.option(
        "--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Speak TLS, trusting the authorities in this PEM file.",
    ),
    click.option(
        "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", default=DEFAULT_TIMEOUT,
        show_default=True, help="Give up after so long.",
    ),
)  # fmt: skip
_REQUEST = (
    click.option("--route", metavar="NAME", help="Ask this route. Default: the server's own."),
    click.option("--backend", metavar="NAME", help="Ask this backend and no other."),
    click.option("--system", metavar="TEXT", help="What the model is told before the conversation."),
    click.option("--max-output-tokens", type=int, metavar="N", help="Write at most so many tokens."),
    click.option("--temperature", type=float, metavar="0..2", help="0 is nearly deterministic."),
)


def calls_server(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a call; *command* gets an open `client` and the request's `fields` instead.

    A failed call is told in a few lines and exits with 1, Ctrl-C with 130, arguments that cannot work with 2.
    """

    @functools.wraps(command)
    def called(target: str, api_key_env: str, tls: bool, ca: Path | None, timeout: float, **given: Any) -> None:
        try:
            key, trust = _key(api_key_env), Tls(ca=ca) if ca else tls
            client = Client(target, api_key=key, tls=trust, timeout=timeout)
        except (ValueError, OSError) as error:
            raise click.UsageError(str(error)) from None
        fields = _fields(**{name: given.pop(name) for name in _FIELDS})
        with client:
            _to_its_end(command, client, fields=fields, **given)

    for option in reversed((*_REQUEST, *_CONNECTION)):
        called = option(called)
    return called


def tell(error: QuickthornError, client: Client) -> None:
    """Print *error* of a call of *client* on standard error."""
    first, *others = failure_lines(error, client.target)
    say(click.style(first, fg="red"), err=True)
    for line in others:
        say(line, err=True)


_FIELDS = ("route", "backend", "system", "max_output_tokens", "temperature")


def _fields(backend: str | None, **plain: Any) -> CompletionFields:
    fields: CompletionFields = {**plain}  # type: ignore[typeddict-item] # the options are named after the fields
    if backend is not None:
        fields["directives"] = {"backend": backend}
    return fields


def _key(variable: str) -> str | None:
    key = os.environ.get(variable)
    if key is None and variable != _DEFAULT_KEY:
        raise ValueError(f"there is no environment variable {variable}")
    return key or None


def _to_its_end(command: Callable[..., None], client: Client, **given: Any) -> None:
    try:
        command(client=client, **given)
    except QuickthornError as error:
        tell(error, client)
        sys.exit(CALL_FAILED)
    except KeyboardInterrupt:
        say("", err=True)  # the shell's prompt starts a line of its own
        sys.exit(INTERRUPTED)
