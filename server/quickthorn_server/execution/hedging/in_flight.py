"""Calls by when they began, for as long as not all of their like are heard of.

Who hangs for a minute is heard of in a minute; until then only those who did not hang are known, and a learner that
looked at these alone would see no reason to hedge.  So calls are counted from their start on, with the age they have.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from quickthorn_server.execution.hedging.sizes import usual_size

_OLDEST = 600.0  # seconds: nobody waits longer for a first content, so whoever is still here was lost
_FINE = 32  # times as old as their batch is long are those that have passed, at least
_MANY = 4_096  # batches more than when it was last seen to that nobody is kept in vain
_TICK = 1e-6  # seconds that two clocks' sums may be apart


class Told(NamedTuple):
    """A call: when it began, how large its input was, and how many seconds it was silent; *spoke*: until it did."""

    began: float
    tokens: int
    seconds: float
    spoke: bool


class Batch:
    """Calls that began at about the same time, from *began* on and before *ends*, when *number* lanes were known.

    *running*: how many are on their way, by size class.  *told*: the others.
    """

    __slots__ = ("began", "ends", "number", "running", "told")

    def __init__(self, began: float, ends: float, number: int) -> None:
        self.began = began
        self.ends = ends
        self.number = number
        self.running: dict[int, int] = {}
        self.told: list[Told] = []

    def lanes(self, seconds: float) -> list[Told]:
        """Return them all in the order in which they began, those on their way as silent for *seconds*."""
        sizes = [usual_size(size) for size, count in self.running.items() for _ in range(count)]
        apart = (self.ends - self.began) / max(1, len(sizes))
        silent = [
            Told(self.began + (at + 0.5) * apart, tokens, seconds, spoke=False) for at, tokens in enumerate(sizes)
        ]
        return sorted(self.told + silent)

    def join(self, later: Batch) -> None:
        """Take in those of a *later* batch that are on their way."""
        self.ends = later.ends
        for size, count in later.running.items():
            self.running[size] = self.running.get(size, 0) + count


class InFlight:
    """Batches of calls, each *width* seconds long."""

    __slots__ = ("_batches", "_begins", "_most", "_passed", "width")

    def __init__(self, width: float) -> None:
        self.width = width
        self._batches: list[Batch] = []
        self._begins: list[float] = []
        self._passed = 0
        self._most = _MANY

    def start(self, now: float, size: int, number: int) -> None:
        """Count a call of a *size* class that begins when *number* lanes are known."""
        if not self._batches or now >= self._batches[-1].ends:
            if len(self._batches) >= self._most:
                self._keep(now - _OLDEST)
                self._most = len(self._batches) + _MANY
            self._batches.append(Batch(now, now + self.width, number))
            self._begins.append(now)
        running = self._batches[-1].running
        running[size] = running.get(size, 0) + 1

    def end(self, began: float, size: int) -> Batch | None:
        """Count a call no longer; return its batch, None = nothing is known of it any more."""
        index = bisect_right(self._begins, began + _TICK) - 1
        if index < 0:
            return None
        batch = self._batches[index]
        left = batch.running.get(size, 0) - 1
        if left < 0:
            return None
        if left:
            batch.running[size] = left
        else:
            del batch.running[size]
        return batch

    def passed(self, before: float) -> Batch | None:
        """Return the next batch all of whose calls began *before* an instant, each once."""
        if self._passed >= len(self._batches) or self._batches[self._passed].ends > before:
            return None
        self._passed += 1
        return self._batches[self._passed - 1]

    def running(self, now: float) -> Iterator[tuple[float, Batch]]:
        """Yield the batches of which any are on their way *now*, and how old those are."""
        self._keep(now - _OLDEST)
        for batch in self._batches:
            if batch.running:
                yield max(0.0, now - (batch.began + batch.ends) / 2), batch

    def renumber(self, by: int) -> None:
        """Take in that lanes are counted anew: a number of known ones is what it was and *by*, 0 at least."""
        for batch in self._batches:
            batch.number = max(0, batch.number + by)

    def forget(self, before: float) -> None:
        """Count calls no longer that began *before* an instant."""
        self._passed = max(self._passed, bisect_left(self._begins, before))
        self._keep(before)

    def _keep(self, since: float) -> None:
        """Keep those that have not passed, and those on their way *since* an instant, the older the coarser."""
        kept = list[Batch]()
        now = self._begins[-1] if self._begins else 0.0
        for batch in self._batches[: self._passed]:
            if not batch.running or batch.began < since:
                continue
            if kept and batch.ends - kept[-1].began < (now - batch.ends) / _FINE:
                kept[-1].join(batch)
            else:
                kept.append(batch)
        self._batches[: self._passed] = kept
        self._passed = len(kept)
        self._begins = [batch.began for batch in self._batches]
