"""Leave for one attempt, and the ways in which an attempt may end for its backend's circuit."""

from __future__ import annotations

from typing import Protocol

from quickthorn_server.core.failures import MEANING, BackendError, Failure


class Circuitry(Protocol):
    """What a permit reports to.  *era* and *probe* say which permit it was, *key* which key it was sent with."""

    def settle(
        self, era: int, probe: int, error: BackendError | None = None, *, first_content: float | None = None
    ) -> None:
        """Count a failure with *error*, a success without."""
        ...

    def release(self, era: int, probe: int, age: float | None = None) -> None:
        """Count nothing, unless *age* is too old."""
        ...

    def limited(self, retry_after: float | None) -> None:
        """Take in a rate limit."""
        ...

    def key_refused(self, key: int) -> None:
        """Take in that the provider refused the backend's key."""
        ...


class Permit:
    """Leave for one attempt.  Exactly one of its methods is called when the attempt ends; times in seconds."""

    __slots__ = ("_breaker", "_era", "_key", "_probe")

    def __init__(self, breaker: Circuitry, era: int, probe: int = 0, key: int = 0) -> None:
        self._breaker = breaker
        self._era = era
        self._probe = probe
        self._key = key

    def succeeded(self, first_content: float | None = None) -> None:
        """Say that the backend answered, *first_content* after it was asked (None: the answer came in one piece)."""
        self._breaker.settle(self._era, self._probe, first_content=first_content)

    def failed(self, error: BackendError) -> None:
        """Say that the attempt failed; one that the backend is not to blame for counts neither way."""
        if error.failure is Failure.RATE_LIMITED:
            self._breaker.limited(error.retry_after)
        elif error.failure is Failure.UNAUTHENTICATED:
            self._breaker.key_refused(self._key)
        if MEANING[error.failure].blame:
            self._breaker.settle(self._era, self._probe, error)
        else:
            self._breaker.release(self._era, self._probe)

    def abandoned(self, age: float | None = None) -> None:
        """Say that we stopped the attempt ourselves after *age* of silence (None: its silence would say nothing)."""
        self._breaker.release(self._era, self._probe, age)
