"""Help as it is read."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from quickthorn_server.cli import main


def _commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", [pytest.param(path, id=" ".join(path) or "quickthorn") for path in _commands(main)])
def test_examples_keep_their_lines(path: tuple[str, ...]) -> None:
    r"""Click keeps a paragraph as it is after a backspace character; a raw `\b` would be printed, its lines run on."""
    shown = CliRunner().invoke(main, [*path, "--help"]).output
    assert shown.startswith("Usage:")
    assert "\\b" not in shown


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    """The list is written down apart, so that it can be shown without importing the commands."""
    context = click.Context(main)
    listed = CliRunner().invoke(main, ["--help"], terminal_width=200).output
    told = {line.split()[0]: " ".join(line.split()[1:]) for line in listed.partition("Commands:")[2].splitlines()[1:]}
    assert list(told) == main.list_commands(context)
    for name, summary in told.items():
        command = main.get_command(context, name)
        assert command is not None
        assert (command.help or "").startswith(summary.removesuffix("."))
