"""What a lane that was cut has used: as far as it was told, and estimated from there on."""

from __future__ import annotations

from dataclasses import replace

from quickthorn_server.core.attempt import Attempt
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage, UsageSource, cost_nano_usd

_CHARACTERS_PER_TOKEN = 4  # as inputs are estimated

_AFTER_SENDING = frozenset({Failure.TIMEOUT, Failure.LOST, Failure.PROTOCOL})
"""Failures that a backend which has not answered may have worked for; what it refuses outright it does not bill."""


def consumed(told: Usage | None, input_tokens: int, unreported: int) -> Usage:
    """Return what a cut lane used, of whose answer *unreported* characters came after it last *told* its usage.

    What is missing is estimated, *input_tokens* being the estimate of the prompt, and the whole marked as such.
    """
    more = -(-unreported // _CHARACTERS_PER_TOKEN)
    if told is None:
        return Usage(input_tokens, more, source=UsageSource.ESTIMATED)
    if not more and told.input_tokens is not None and told.output_tokens is not None:
        return told
    read = input_tokens if told.input_tokens is None else told.input_tokens
    written = (told.output_tokens or 0) + more
    return replace(told, input_tokens=read, output_tokens=written, source=UsageSource.ESTIMATED)


def whole_reply(attempt: Attempt, backend: Backend, served: Usage | None, most: int | None) -> Attempt:
    """Return a lane that was cancelled though its provider bills whole replies, as one of a whole reply.

    Nobody saw how long that was: as long as the one that *served*, else as long as the request allows (*most*), or the
    model; where none of these is known its cost is not, either.
    """
    usage = attempt.usage
    known = [limit for limit in (most, backend.max_output) if limit is not None]
    if served is not None and served.output_tokens is not None:
        known = [served.output_tokens]
    if not known:
        return replace(attempt, cost_nano_usd=None)
    output = min(known)
    if usage is None or output <= (usage.output_tokens or 0):
        return attempt
    usage = replace(usage, output_tokens=output, source=UsageSource.ESTIMATED)
    return replace(attempt, usage=usage, cost_nano_usd=cost_nano_usd(usage, backend.price))


def reached(error: BackendError | None) -> bool:
    """Whether a lane that heard nothing at all before it was cut, or failed with *error*, may have been worked for."""
    return error is None or error.failure in _AFTER_SENDING
