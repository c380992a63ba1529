"""`quickthorn serve`: start, say where, run until told to stop."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import click
import uvloop

from quickthorn_server.cli.local import ensure_local_models
from quickthorn_server.cli.options import catalogue_of, config_option, fail, today
from quickthorn_server.config.check import warnings
from quickthorn_server.core.catalogue import Catalogue, RecordRule
from quickthorn_server.edge.port import ListenError
from quickthorn_server.main import Serving
from quickthorn_server.main import serve as run
from quickthorn_server.providers.local_model import LocalModelMissing, PullFailed
from quickthorn_server.telemetry.log import log_to_stderr


@click.command()
@config_option
@click.option("--listen", metavar="HOST:PORT", help="Listen here instead of where the configuration says.")
@click.option(
    "--records", type=click.Path(dir_okay=False), metavar="FILE", help="Write a line of JSON for every call to FILE."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="One line per call at info. Prompts, answers and keys are never logged.",
)
def serve(file: Path | None, listen: str | None, records: str | None, log_level: str) -> None:
    """Start the service.

    Without a configuration it serves a small embedded model: no key needed; the model comes once from your
    package index. SIGTERM or Ctrl-C drains: health says NOT_SERVING, running calls end, then the process does.
    A second signal stops at once.

    \b
    quickthorn serve
    quickthorn serve --config quickthorn.yaml
    """  # noqa: D301 - click reads \b as: do not wrap
    log_to_stderr(log_level.upper())
    catalogue, source = catalogue_of(file)
    if listen:
        catalogue = replace(catalogue, server=replace(catalogue.server, listen=listen))
    if records:
        rule = catalogue.records
        catalogue = replace(catalogue, records=replace(rule, file=records) if rule else RecordRule(records))
    for warning in warnings(catalogue, today()):
        click.echo(f"warning: {warning}", err=True)
    try:
        ensure_local_models(catalogue)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            status = runner.run(run(catalogue, lambda serving: _announce(serving, catalogue, source)))
    except (ListenError, LocalModelMissing, PullFailed) as error:
        fail(str(error))
    sys.exit(status)


def _announce(serving: Serving, catalogue: Catalogue, source: str) -> None:
    routes = ", ".join(catalogue.routes)
    click.echo(f"quickthorn listens on {serving.address} ({source}; routes: {routes})")
    sys.stdout.flush()
