"""The times of late, and which percentiles they have: later ones count for more."""

from __future__ import annotations

from collections import deque

from quickthorn_server.execution.sketch import Sketch, blended, percentiles
from quickthorn_server.execution.window import Clock

_ROUND = 50  # lanes in one sub-window
_WINDOW = 200  # lanes that are kept, and up to one sub-window more; at 1 % of them slow, two are among them
_HALF = 100  # lanes after which a time counts half
_SLICE = 300.0  # seconds; a sub-window is closed then, however few lanes it has ...
_KEPT = 3600.0  # ... and forgotten then: what a backend did an hour ago says nothing of it
_FEW = 16  # times that are counted together: one by one each finds the caches cold, and takes five times as long ...
_APART = 1.0  # ... and at most this many seconds apart
_STALE = 20  # lanes after which percentiles are looked up anew, so that reading costs nothing


class _Round:
    """One sub-window, since *began*; *spoken* of its *lanes* were not stopped."""

    __slots__ = ("at_least", "began", "lanes", "spoken", "times")

    def __init__(self, began: float) -> None:
        self.began = began
        self.lanes = self.spoken = 0
        self.times = Sketch()
        self.at_least: Sketch | None = None  # most backends lose few races


class Recent:
    """Times in seconds of the last 200 to 250 lanes within the last hour.  *clock* never goes back.

    A time counts half after every 100 lanes that came later: by lanes and not by the clock, so that a quiet backend
    stays known.  Of a lane that was stopped only the age is known; ages are counted apart from times.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rounds: deque[_Round] = deque()
        self._lanes = 0
        self._new = 0
        self._known: dict[float, float] = {}
        self._waiting: list[float] = []
        self._waiting_at = 0.0

    @property
    def stale(self) -> bool:
        """Whether the next `percentile` is looked up anew."""
        return self._new + len(self._waiting) >= _STALE or not self._known

    def add(self, seconds: float) -> None:
        """Count a time, together with others of its second, or before anything is read."""
        now = self._clock()
        if self._waiting and now - self._waiting_at > _APART:
            self._count()
        self._waiting.append(seconds)
        self._waiting_at = now
        if len(self._waiting) >= _FEW:
            self._count()

    def outlasted(self, seconds: float) -> None:
        """Count the age of a lane that was stopped: it would have taken longer."""
        self._count()
        current = self._round(self._clock())
        if current.at_least is None:
            current.at_least = Sketch()
        current.at_least.add(seconds)

    def times(self) -> Sketch:
        """Return what was seen of late as one sketch, to be merged with that of another worker."""
        self._count()
        return blended((each.times, weight) for each, weight in self._weighed())

    def ages(self) -> Sketch:
        """Return the ages of the lanes that were stopped, likewise."""
        self._count()
        return blended((each.at_least, weight) for each, weight in self._weighed() if each.at_least is not None)

    def percentile(self, share: float, enough: int) -> float | None:
        """Return within how many seconds *share* (0..1) of the lanes end, as of at most twenty lanes ago.

        None = fewer than *enough* times are known.
        """
        self._count()
        if self._new >= _STALE:
            self._new, self._known = 0, {}
        if share not in self._known and sum(each.spoken for each in self._rounds) >= enough:
            self._known |= percentiles(self.times(), self.ages(), [share])
        return self._known.get(share)

    def _count(self) -> None:
        """Count the times that wait, as of when the last of them came."""
        waiting, self._waiting = self._waiting, []
        for seconds in waiting:
            current = self._round(self._waiting_at)
            current.spoken += 1
            current.times.add(seconds)

    def _round(self, now: float) -> _Round:
        """Return the sub-window for one more lane that ends *now*, which is counted."""
        rounds = self._rounds
        if not rounds or rounds[-1].lanes >= _ROUND or now - rounds[-1].began >= _SLICE:
            rounds.append(_Round(now))
        while self._lanes - rounds[0].lanes >= _WINDOW or now - rounds[0].began >= _KEPT:
            self._lanes -= rounds.popleft().lanes
        rounds[-1].lanes += 1
        self._lanes += 1
        self._new += 1
        return rounds[-1]

    def _weighed(self) -> list[tuple[_Round, float]]:
        """Return the sub-windows and what a time in each of them counts, the latest first."""
        later, found = 0, []
        for each in reversed(self._rounds):
            found.append((each, 0.5 ** (later / _HALF)))
            later += each.lanes
        return found
