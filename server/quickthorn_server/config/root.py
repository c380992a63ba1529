"""The form of the whole file, and of its `server` and `callers`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from quickthorn_server.config.backend import NO_KEYS, Backend
from quickthorn_server.config.kinds import Duration, HeartbeatDuration, PositiveDuration, Size
from quickthorn_server.config.route import Route
from quickthorn_server.config.strict import Strict
from quickthorn_server.config.words import Listen, Name, Text, Variable


class Tls(Strict):
    """PEM files of the listener."""

    cert_file: Text
    """The certificate chain, from this file's folder."""
    key_file: Text
    """Its private key, from this file's folder."""
    client_ca_file: Text | None = None
    """Set = clients must show a certificate signed by it."""


class Drain(Strict):
    """What happens on SIGTERM."""

    quiet: Duration | None = None
    """Calls are accepted until none has come for this long; default 1s."""
    grace: Duration | None = None
    """Then running calls have this long; default 60s."""


class Server(Strict):
    """The listener."""

    listen: Listen | None = None
    """host:port (0 = any free port) or unix:/path; default 127.0.0.1:50051."""
    tls: Tls | None = None
    """Left out = plain text."""
    max_in_flight: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Calls at once, more are refused; bulk ones from 80% of it on, critical ones at 110%; default 1000."""
    max_wait: PositiveDuration | None = None
    """Where calls wait longer than this for us, and that lasts, some are refused, bulk first; default 500ms."""
    write_stall: PositiveDuration | None = None
    """A stream whose client reads nothing for this long is ended, its provider first; default 30s."""
    heartbeat: HeartbeatDuration | None = None
    """A stream that says nothing for this long says that it goes on; at least 1s, default 15s."""
    drain: Drain = Drain()
    """What happens on SIGTERM."""


class Caller(Strict):
    """Who may call, known by a bearer key."""

    name: Name
    """Its name in logs and metrics."""
    api_key_env: Variable | None = None
    """The environment variable that holds its key."""
    api_key_file: Text | None = None
    """The file that holds its key, from this file's folder."""
    routes: Annotated[list[Name], Field(min_length=1)] | None = None
    """The routes it may use; left out = all."""
    api_key: Annotated[Any, NO_KEYS] = None
    """Never written here: see api_key_env and api_key_file."""


class Records(Strict):
    """Where decision records go: one line of JSON for every call."""

    file: Text
    """The file, from this file's folder."""
    max_size: Size | None = None
    """It is renamed to `file.1` before it grows beyond this; default 64MiB."""
    keep: Annotated[int, Field(ge=0, le=1000)] | None = None
    """How many older files are kept beside it; default 5."""
    content: bool | None = None
    """Whether records hold what was asked and answered, too; default false."""


class Config(Strict):
    """Configuration of Quickthorn."""

    server: Server = Server()
    """The listener."""
    callers: Annotated[list[Caller], Field(min_length=1)] | None = None
    """Who may call; left out = everybody who reaches the listener."""
    records: Records | None = None
    """Where decision records go; left out = nowhere."""
    backends: Annotated[list[Backend], Field(min_length=1)]
    """Whom to ask."""
    routes: Annotated[list[Route], Field(min_length=1)]
    """The names callers ask for."""
