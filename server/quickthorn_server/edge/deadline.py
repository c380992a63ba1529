"""How much of a caller's deadline a server may plan with."""

from __future__ import annotations

_ROUNDING = 0.967  # the wire rounds a deadline up by at most 3.3 %, so the server's own may be later than the client's
_ANSWERING = 0.010  # seconds: a status that leaves at the deadline arrives after it


def budget(time_remaining: float | None) -> float | None:
    """Return the seconds, at least 0, in which work must end for its status to reach the caller in time.

    *time_remaining* is what the RPC's context says when the call arrives; None = the caller set no deadline.
    """
    return None if time_remaining is None else max(0.0, time_remaining * _ROUNDING - _ANSWERING)
