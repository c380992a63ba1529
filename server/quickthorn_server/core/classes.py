"""The three classes of failures (ask again, ask elsewhere, ask nobody), and what a route makes of a status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from quickthorn_server.core.failures import MEANING, BackendError, Failure, Meaning, Reason
from quickthorn_server.core.word import Word


class FailureClass(Word):
    """What follows from a failure: RETRY also asks the same backend again, ELSEWHERE only others, TERMINAL nobody."""

    RETRY = "retry"
    ELSEWHERE = "elsewhere"
    TERMINAL = "terminal"


_WORDS = {Failure.TIMEOUT: "timeout", Failure.CONNECT: "connect", Failure.LOST: "connect"}

_TOLD_BY: Mapping[Failure, tuple[int, ...]] = {
    Failure.RATE_LIMITED: (429,),
    Failure.OVERLOADED: (503, 529),
    Failure.QUOTA_EXHAUSTED: (402,),
    Failure.UNAUTHENTICATED: (401,),
    Failure.FORBIDDEN: (403,),
    Failure.NOT_FOUND: (404,),
    Failure.INVALID: (400,),
    Failure.TOO_LARGE: (413,),
    Failure.UNAVAILABLE: (500,),
    Failure.PROTOCOL: (502,),  # what a gateway says to an answer that is none (RFC 9110, 15.6.3)
}
"""The statuses that would have told of a failure that came without one, or inside an answer."""

_OK = 200


def statuses(error: BackendError) -> tuple[int, ...]:
    """Return the HTTP statuses that *error* is judged by: its own, else what it named, or would have told it."""
    if error.http_status is not None and error.http_status != _OK:
        return (error.http_status,)
    return _TOLD_BY.get(error.failure, ()) if error.told_status is None else (error.told_status,)


def caused(error: BackendError, causes: frozenset[int | str]) -> bool:
    """Whether *error* is among *causes*: HTTP statuses, `timeout`, and `connect` for a connection failed or lost."""
    return _WORDS.get(error.failure) in causes or any(status in causes for status in statuses(error))


def classed(error: BackendError, on_status: Mapping[int, FailureClass]) -> FailureClass | None:
    """Return the class that a route gives to *error* by its status, None = it leaves that to the failure table."""
    if not on_status:
        return None
    return next((on_status[status] for status in statuses(error) if status in on_status), None)


def meaning(error: BackendError, on_status: Mapping[int, FailureClass]) -> Meaning:
    """Return what follows from *error* on a route; whom circuits blame is the table's, for routes share them.

    A failure that is terminal speaks for the call.  One that is not does so only where everybody failed like it, and
    one that is asked again never says that the request is bad.
    """
    of_table = MEANING[error.failure]
    match classed(error, on_status):
        case None:
            return of_table
        case FailureClass.TERMINAL:
            return replace(of_table, terminal=True, again=False, unanimous=False)
        case FailureClass.RETRY if of_table.alone is Reason.REJECTED:
            return replace(of_table, terminal=False, again=True, alone=Reason.ALL_FAILED)
        case again:
            unanimous = of_table.unanimous or of_table.terminal
            return replace(of_table, terminal=False, again=again is FailureClass.RETRY, unanimous=unanimous)
