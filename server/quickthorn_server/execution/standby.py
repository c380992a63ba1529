"""Backends that wait for a certain failure: the backup of "primary, list of codes, backup"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.classes import caused
from quickthorn_server.core.failures import BackendError
from quickthorn_server.execution.refusal import CircuitOpen, KeyRefused, Refused

_KEY, _LIMIT, _FAULTS, _TIMEOUT = 401, 429, 500, 408
_WORDS = frozenset({"timeout", "connect"})


class Standby:
    """Those of *order* who wait, each for its own causes, in *causes* by name; who are asked in turn are not its own.

    Nobody is asked twice, and nobody before those of the order who come before it.
    """

    __slots__ = ("_called", "_causes", "_waiting")

    def __init__(self, order: Iterable[Backend], causes: Mapping[str, frozenset[int | str]]) -> None:
        self._causes = causes
        self._waiting: list[tuple[int, Backend]] = []  # and how many come before it
        self._called: set[str] = set()
        before = 0
        for backend in order:
            if backend.name in causes:
                self._waiting.append((before, backend))
            else:
                before += 1

    def failed(self, error: BackendError) -> None:
        """Take in that a lane failed: who waited for that may be asked from now on."""
        self._called.update(name for name, causes in self._causes.items() if caused(error, causes))

    def refused(self, refusal: Refused) -> None:
        """Take in that a backend may not be asked now, which stands for the failures that have led to it.

        Without it a backup would be there for the first failures of its primary, and gone once they open its circuit.
        """
        self._called.update(name for name, causes in self._causes.items() if _stands_for(refusal, causes))

    def may_ask(self, backend: Backend) -> bool:
        """Whether *backend* waits for nothing, or for nothing any more."""
        return backend.name not in self._causes or backend.name in self._called

    def take(self, asked: int, is_too_low: Callable[[Backend], bool] = lambda _: False) -> Backend | None:
        """Take who is next now that *asked* of the others were, and who is not too low."""
        for place, (before, backend) in enumerate(self._waiting):
            if before <= asked and backend.name in self._called and not is_too_low(backend):
                del self._waiting[place]
                return backend
        return None


def _stands_for(refusal: Refused, causes: frozenset[int | str]) -> bool:
    """Whether one of *causes* may have led to *refusal*: circuits hear faults of servers, timeouts and connections."""
    match refusal:
        case CircuitOpen():
            return any(cause in _WORDS or cause == _TIMEOUT or _is_fault(cause) for cause in causes)
        case KeyRefused():
            return _KEY in causes
        case _:  # a named wait, or a limit of ours that keeps us from provoking one
            return _LIMIT in causes


def _is_fault(cause: int | str) -> bool:
    return isinstance(cause, int) and cause >= _FAULTS
