"""What the commands share: finding the configuration and telling what is wrong with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from quickthorn_server.config import ConfigError, default_catalogue, load
from quickthorn_server.core.catalogue import Catalogue
from quickthorn_server.providers.registry import check_options

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_FILE = Path("quickthorn.yaml")

BAD_CONFIG = 2
"""Exit status: the configuration or the command line is wrong, nothing was started."""


def config_option(command: F) -> F:
    """Add `--config`."""
    return click.option(
        "--config",
        "-c",
        "file",
        type=click.Path(path_type=Path),
        envvar="QUICKTHORN_CONFIG",
        help="The configuration. Default: ./quickthorn.yaml if there is one, else the embedded model.",
    )(command)


def catalogue_of(file: Path | None, *, resolve_secrets: bool = True) -> tuple[Catalogue, str]:
    """Return what is configured and where it stands; prints every problem and exits with 2 when it is wrong."""
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    try:
        if file is None:
            catalogue, source = default_catalogue(os.environ), "no file: the embedded model"
        else:
            catalogue, source = load(file, os.environ, resolve_secrets=resolve_secrets), str(file)
    except ConfigError as error:
        fail(*map(str, error.problems))
    problems = [
        f"{source}: backend {backend.name}: {problem}"
        for backend in catalogue.backends.values()
        for problem in check_options(backend)
    ]
    if problems:
        fail(*problems)
    return catalogue, source


def today() -> date:
    """Return the date by which models retire."""
    return datetime.now(UTC).date()


def fail(*lines: str) -> NoReturn:
    """Print *lines* on standard error and exit with 2."""
    for line in lines:
        click.echo(line, err=True)
    sys.exit(BAD_CONFIG)
