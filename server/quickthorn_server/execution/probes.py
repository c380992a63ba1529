"""The places of a half-open circuit, and who holds them."""

from __future__ import annotations


class Probes:
    """*places* for probes; one that is held for *patience* seconds is free again.

    Without that a backend that hangs would hold its own circuit half-open, and never be probed again.
    """

    def __init__(self, places: int, patience: float) -> None:
        self._places = places
        self._patience = patience
        self._last = 0
        self._since: dict[int, float] = {}

    def take(self, now: float) -> int:
        """Return the number of a new probe, 0 = every place is held."""
        self._since = {probe: since for probe, since in self._since.items() if now - since < self._patience}
        if len(self._since) >= self._places:
            return 0
        self._last += 1
        self._since[self._last] = now
        return self._last

    def free(self, probe: int) -> None:
        """Give the place of *probe* back, if it still holds one."""
        self._since.pop(probe, None)

    def clear(self) -> None:
        """Give all places back."""
        self._since.clear()
