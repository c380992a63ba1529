"""One call's identity and its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from quickthorn_server.core.value import value
from quickthorn_server.core.word import Word


class Rpc(Word):
    """What was called."""

    COMPLETE = "complete"
    STREAM = "stream"
    EMBED = "embed"


@value
class Call:
    """*id* is ours, *request_id* the client's (or ours where it chose none).

    *arrived* and *deadline* are instants of the event loop's clock, in seconds; no deadline = None.  *at* is the
    arrival in Unix time, in seconds.  *caller* is a configured name, "" where nobody is asked for a key.  *asked* is
    the request as it came, which nobody inside looks into; None unless content is kept.
    """

    id: str
    request_id: str
    arrived: float
    deadline: float | None = None
    rpc: Rpc = Rpc.COMPLETE
    at: float = 0.0
    caller: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    asked: object = None
