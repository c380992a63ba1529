"""How long one backend takes that silence leads to: of lanes beside a first one that was silent so far."""

from __future__ import annotations

from quickthorn_server.execution.hedging.in_flight import InFlight
from quickthorn_server.execution.hedging.survival import Curve, Survival, bin_of

MEMORY = 50_000.0  # lanes of the first backend, hedged or not, after which a hedge counts 1/e
_WIDTH = 0.01  # seconds in which hedges begin that are counted together


class Hedges:
    """Times of one backend's hedges, over what is usual for their size, and those on their way."""

    __slots__ = ("_in_flight", "_times")

    def __init__(self) -> None:
        self._in_flight = InFlight(_WIDTH)
        self.forget()

    def forget(self) -> None:
        """Know nothing any more but who is on the way."""
        self._times = Survival(MEMORY)

    def start(self, size: int, now: float) -> None:
        """Count a hedge that starts *now*, of a size class."""
        self._in_flight.start(now, size, 0)

    def end(self, size: int, began: float) -> None:
        """Count it no longer."""
        self._in_flight.end(began, size)

    def add(self, seconds: float, spoke: bool) -> None:
        """Learn that a hedge spoke, or was stopped, after so many *seconds* over what is usual for its size."""
        self._times.add(bin_of(seconds), spoke)

    def fade(self, share: float) -> None:
        """Let all that is known count *share* (0..1) of what it did."""
        self._times.fade(share)

    def curve(self, now: float) -> Curve:
        """Return which share takes longer than a time, with those on their way as silent as they are *now*."""
        while self._in_flight.passed(now - _WIDTH) is not None:
            pass
        running = self._in_flight.running(now)
        return self._times.curve([(bin_of(age), sum(batch.running.values())) for age, batch in running])
