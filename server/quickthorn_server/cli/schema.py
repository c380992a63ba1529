"""`quickthorn schema`: the configuration's JSON Schema, for editors."""

from __future__ import annotations

import json

import click

from quickthorn_server.config import json_schema


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration.

    \b
    quickthorn schema > quickthorn.schema.json
    # first line of quickthorn.yaml, for editors with a YAML language server:
    # yaml-language-server: $schema=quickthorn.schema.json
    """  # noqa: D301 - click reads \b as: do not wrap
    click.echo(json.dumps(json_schema(), indent=2))
