"""What a race that is over teaches about its backends."""

from __future__ import annotations

from collections.abc import Iterable

from quickthorn_server.execution.lane import Lane
from quickthorn_server.execution.latency import Latency


def learn(latency: Latency, lanes: Iterable[Lane], *, whole: bool) -> None:
    """Record how long *lanes* took; *whole*: they were asked for their replies in one piece."""
    for lane in lanes:
        backend, input_tokens = lane.backend.name, lane.input_tokens
        took = None if lane.ended_at is None else lane.ended_at - lane.started_at
        if lane.end is not None and took is not None and not lane.waited:
            latency.ended(backend, took, input_tokens, per_token=None if whole else _per_token(lane, took))
        if whole:
            continue  # the time of a whole reply is no time to first content
        if lane.first_content is not None:
            latency.heard(backend, lane.first_content)
        if lane.spoke_at is not None:
            latency.spoke(backend, lane.spoke_at - lane.started_at, input_tokens)
        elif lane.error is None and took is not None:
            latency.outlasted(backend, took, input_tokens)


def _per_token(lane: Lane, took: float) -> float | None:
    """Return the seconds from one token to the next in a lane that ended, on average; None = unknown.

    Also where the backend thought: whether those tokens came before its first content or after it, nobody says.
    """
    usage, first = lane.usage, lane.first_content
    if usage is None or usage.output_tokens is None or usage.reasoning_tokens or first is None:
        return None
    spans = usage.output_tokens - 1
    return (took - first) / spans if spans > 0 else None
