"""How long the lanes of one backend take that is asked first: what is known, until it is no longer true."""

from __future__ import annotations

from collections import deque
from math import exp, inf
from typing import NamedTuple

from quickthorn_server.execution.hedging.change import Watch
from quickthorn_server.execution.hedging.in_flight import Batch, InFlight, Told
from quickthorn_server.execution.hedging.sizes import Scale, Sized, scale, size_class, usual_size
from quickthorn_server.execution.hedging.survival import FINEST, Curve, Survival, bin_of

_MEMORY = 40_000.0  # lanes
_RECENT = 4_096  # races that are kept whole: those a change leaves, and those that sizes are learned from
_SIZES_FROM = 125  # lanes
_SOON = 4.0  # medians: whoever takes longer counts as slow, and when it speaks says nothing of a change ...
_SOON_AT_MOST = 20.0  # ... and seconds
_BATCHES = 16  # that begin in this time


class Heard(NamedTuple):
    """What one lane of a race told.  Times in seconds.

    *started*: after the first lane's start.  *seconds*: from its own start until it spoke (first content), or until it
    was stopped or timed out; then *spoke* is False, and it would have taken longer.
    """

    backend: str
    started: float
    seconds: float
    spoke: bool


class Race(NamedTuple):
    """A race that is decided: how large its input was, its lanes, the first one first, and when it began."""

    tokens: int
    lanes: tuple[Heard, ...]
    began: float

    @property
    def seconds(self) -> float:
        """How long it took from its start until it was decided."""
        return max(lane.started + lane.seconds for lane in self.lanes)


class FirstLanes:
    """Times of first lanes over what is usual for their size.  *known*: lanes learned from."""

    def __init__(self) -> None:
        self.recent = deque[Race](maxlen=_RECENT)
        self._watched = deque[float](maxlen=_RECENT)  # when they began
        self._scale: Scale | None = None
        self._scaled_at = 0
        self._soon = 0.05
        self._in_flight = InFlight(self._soon / _BATCHES)
        self._since = -inf
        self._changed_at: float | None = None
        self._forget()

    def _forget(self) -> None:
        self.known = 0
        self.curve = Curve(0, (), 0.0)
        self._times = Survival(_MEMORY)
        self._watch = Watch()

    @property
    def changed(self) -> bool:
        """Whether the latest lanes no longer fit with the others."""
        return self._changed_at is not None

    def factor(self, tokens: int) -> float:
        """Return by how much the times of an input are longer than usual."""
        return 1.0 if self._scale is None else self._scale.of(tokens)

    def start(self, tokens: int, now: float) -> None:
        """Count a call that begins."""
        self._in_flight.start(now, size_class(tokens), self.known)

    def leave(self, tokens: int, began: float) -> None:
        """Count a call no longer that taught nothing."""
        self._in_flight.end(began, size_class(tokens))
        self._pass(began)

    def settle(self, race: Race, now: float) -> bool:
        """Learn from a race that is decided *now*; return whether it tells anything.

        One that began before all that is learned from does not: its like, had they been quick, would be missing.
        """
        batch = self._in_flight.end(race.began, size_class(race.tokens))
        if race.began < self._since:
            return False
        self._learn(race, 0 if batch is None else self.known - batch.number)
        if batch is not None:
            batch.told.append(Told(race.began, race.tokens, *race.lanes[0][2:]))
        self._pass(now)
        return True

    def _pass(self, now: float) -> None:
        while (passed := self._in_flight.passed(now - self._soon)) is not None:
            self._compare(passed)

    def look(self, now: float) -> None:
        """Draw the curve anew, with all that are on their way counted as old as they are."""
        silent = [
            (self._place(age, usual_size(size)), count * exp((batch.number - self.known) / _MEMORY))
            for age, batch in self._in_flight.running(now)
            for size, count in batch.running.items()
        ]
        self._watch.compare_with(self._times.hazards(silent))
        self.curve = self._times.curve(silent)
        self._soon = min(_SOON * self.curve.reaches(0.5), _SOON_AT_MOST)
        self._in_flight.width = self._soon / _BATCHES

    def relearn(self) -> bool:
        """Begin anew where that is due, with what is not out of date; return whether it was."""
        if self._changed_at is not None:
            self._since = self._changed_at
        elif self._rescaled():
            self._since = sorted(race.began for race in self.recent)[len(self.recent) // 4]
        else:
            return False
        self._in_flight.forget(self._since)
        before = self.known
        self._forget()
        self._changed_at = None
        races, self.recent = self.recent, deque(maxlen=_RECENT)
        for race in races:
            if race.began >= self._since:
                self._learn(race)
        self._scaled_at = self.known
        self._in_flight.renumber(self.known - before)
        return True

    def _learn(self, race: Race, late: int = 0) -> None:
        """Learn from a race after which *late* others began that are known."""
        first = race.lanes[0]
        self.known += 1
        self.recent.append(race)
        self._times.add(self._place(first.seconds, race.tokens), first.spoke, late)

    def _place(self, seconds: float, tokens: int) -> int:
        """Return the bin of a time, with so much to read."""
        return bin_of(seconds if self._scale is None else seconds / self._scale.of(tokens))

    def _compare(self, batch: Batch) -> None:
        """Hold a batch against what is known, once its calls are heard of or slow.

        All of them at once, in the order in which they began: those that are heard of first are the quick ones.
        """
        for lane in batch.lanes(self._soon):
            self._watched.append(lane.began)
            latest = self._watch.add(self._place(lane.seconds, lane.tokens), lane.spoke)
            if latest:
                self._changed_at = self._watched[-min(latest, len(self._watched))]

    def _rescaled(self) -> bool:
        """Look at sizes where that is due; return whether they say something else than before."""
        if self.known < _SIZES_FROM or self.known - self._scaled_at < min(self._scaled_at, _RECENT):
            return False
        self._scaled_at = self.known
        old, new = self._scale, scale([_sized(race) for race in self.recent])
        if (old is None and new is None) or (old is not None and new is not None and not new.differs(old)):
            return False
        self._scale = new
        return True


def _sized(race: Race) -> Sized:
    """Return what the first lane of *race* says of its size; no time at all is as little as is told apart."""
    first = race.lanes[0]
    return Sized(race.tokens, max(first.seconds, FINEST), first.spoke)
