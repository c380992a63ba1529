"""`quickthorn init`: a commented configuration to grow from."""

from __future__ import annotations

from pathlib import Path

import click

from quickthorn_server.cli.options import DEFAULT_FILE, fail
from quickthorn_server.config import starter


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=DEFAULT_FILE)
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
def init(file: Path, force: bool) -> None:
    """Write a commented starter configuration to FILE (default: quickthorn.yaml).

    It works as it is, on the embedded model; real providers are in it as comments.
    """
    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(starter())
    except FileExistsError:
        fail(f"{file} is there already; use --force to overwrite it, or name another file")
    except OSError as error:
        fail(f"cannot write {file}: {error.strerror}")
    click.echo(f"wrote {file}; next: quickthorn check --config {file}")
