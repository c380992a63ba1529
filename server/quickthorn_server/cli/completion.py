"""`quickthorn completion`: let the shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete this command.

    \b
    bash:  echo 'eval "$(quickthorn completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(quickthorn completion zsh)"' >> ~/.zshrc
    fish:  quickthorn completion fish > ~/.config/fish/completions/quickthorn.fish
    """  # noqa: D301 - click reads \b as: do not wrap
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click knows no {shell}")
    root = context.find_root().command
    click.echo(kind(root, {}, "quickthorn", "_QUICKTHORN_COMPLETE").source())
