"""Why a backend may not be asked now, and how long that lasts."""

from __future__ import annotations

from math import inf


class Refused(Exception):  # noqa: N818 - it says what is, not that something went wrong
    """*backend* may not be asked for the next *retry_after* seconds."""

    def __init__(self, backend: str, retry_after: float, why: str) -> None:
        super().__init__(why)
        self.backend = backend
        self.retry_after = retry_after


class CircuitOpen(Refused):
    """The backend has failed, or been slow, too often lately to be tried."""

    def __init__(self, backend: str, retry_after: float) -> None:
        super().__init__(backend, retry_after, f"the circuit of {backend} is open")


class RateGated(Refused):
    """The backend is well, and has asked to be left alone for a while."""

    def __init__(self, backend: str, retry_after: float) -> None:
        super().__init__(backend, retry_after, f"{backend} asked to wait")


class KeyRefused(Refused):
    """The provider does not take the backend's key; waiting does not help."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend, inf, f"the key of {backend} was refused")


class AtLimit(Refused):
    """The backend's configured limits leave no room."""

    def __init__(self, backend: str, retry_after: float) -> None:
        super().__init__(backend, retry_after, f"{backend} is at its limit")
