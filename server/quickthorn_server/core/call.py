"""One call's identity and its time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """*id* is ours, *request_id* the client's (or ours where it chose none).

    *arrived* and *deadline* are instants of the event loop's clock, in seconds; no deadline = None.
    """

    id: str
    request_id: str
    arrived: float
    deadline: float | None = None
