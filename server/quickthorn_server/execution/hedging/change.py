"""Notice that lanes have come to take other times than they did.

The latest 64, 256, 1,024 and 4,096 lanes are held against all that is known.  Where and how often lanes should have
spoken follows from the known curve: a lane seen up to t has met the hazards up to t, which is how many should have
spoken there (the one-sample log-rank test, by bands of time).  Lanes stopped early have met fewer, so it does not
matter how many were hedged, or when.  Spoken and expected are compared as two Poisson counts, the known one no surer
than the lanes it rests on; the sum over the bands is a log-likelihood ratio, and chance alone takes it beyond the limit
about once in 10^9 looks.
"""

from __future__ import annotations

from collections import deque
from itertools import accumulate, pairwise
from math import log

from quickthorn_server.execution.hedging.survival import BINS, Hazards

_BLOCK = 32  # lanes that are counted together
_SPANS = (2, 8, 32, 128)  # blocks that are held against what is known
_LIMIT = 35.0  # natural logarithm of how much likelier a change is
_CUTS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02)  # survival where a band ends and the next begins
_BANDS = len(_CUTS) + 1

_Counts = list[float]  # for each band: lanes whose time ends in it, those of them that spoke, hazard they met in it


class Watch:
    """Takes lane after lane and says when they no longer fit."""

    def __init__(self) -> None:
        self._known = 0.0
        self._ends: list[int] = []
        self.compare_with(Hazards(0, [], []))

    def compare_with(self, hazards: Hazards) -> None:
        """Hold lanes against *hazards* from now on.

        Bands are cut anew, and latest lanes forgotten, only when twice as much is known as when they were last.
        """
        if sum(hazards.spoken) >= 2 * self._known:
            self._known = sum(hazards.spoken)
            self._ends = _ends_of_bands(hazards)
            self._begin_anew()
        self._lowest = hazards.lowest
        self._met: list[float] = []
        self._whole = [0.0] * _BANDS
        self._spoken = [0.0] * _BANDS
        start = 0
        for band, end in enumerate(self._ends):
            part = slice(start, max(start, end - hazards.lowest))
            met = list(accumulate(hazards.rates[part]))
            self._met += met
            self._whole[band] = met[-1] if met else 0.0
            self._spoken[band] = sum(hazards.spoken[part])
            start = part.stop

    def _begin_anew(self) -> None:
        self._band = [band for band, (a, b) in enumerate(pairwise((0, *self._ends))) for _ in range(b - a)] or [
            0
        ] * BINS
        self._block: _Counts = [0.0] * (3 * _BANDS)
        self._in_block = 0
        self._blocks = deque[_Counts](maxlen=max(_SPANS) + 1)
        self._sums = [[0.0] * (3 * _BANDS) for _ in _SPANS]
        self._done = 0

    def add(self, place: int, spoke: bool) -> int:
        """Take in a lane; return how many of the latest fit together and not with what is known, 0 = all is as it was.

        *place*: the bin of its time.
        """
        band, index = self._band[place], place - self._lowest
        met = 0.0 if index < 0 else self._met[index] if index < len(self._met) else self._whole[band]
        block = self._block
        block[band] += 1.0
        block[_BANDS + band] += spoke
        block[2 * _BANDS + band] += met
        self._in_block += 1
        return self._look() if self._in_block == _BLOCK else 0

    def _look(self) -> int:
        """Close a block, and look at the spans that are due."""
        self._blocks.append(self._block)
        self._block = [0.0] * (3 * _BANDS)
        self._in_block = 0
        self._done += 1
        changed = False
        for index, span in enumerate(_SPANS):
            total = [a + b for a, b in zip(self._sums[index], self._blocks[-1], strict=True)]
            if len(self._blocks) > span:
                total = [a - b for a, b in zip(total, self._blocks[-1 - span], strict=True)]
            self._sums[index] = total
            if len(self._blocks) >= span and self._done % max(1, span // 4) == 0:
                changed = changed or self._surprise(total) > _LIMIT
        return self._since() if changed else 0

    def _since(self) -> int:
        """Return how many of the latest lanes are new in kind: the run that surprises most, less its first block."""
        runs = list(accumulate(reversed(self._blocks), lambda a, b: [x + y for x, y in zip(a, b, strict=True)]))
        most = max(range(len(runs)), key=lambda each: self._surprise(runs[each]))
        return max(1, most) * _BLOCK

    def _surprise(self, counts: _Counts) -> float:
        """Return the log-likelihood ratio of a change against none."""
        total, beyond = 0.0, 0.0
        for band in range(_BANDS - 1, -1, -1):
            spoke, known, whole = counts[_BANDS + band], self._spoken[band], self._whole[band]
            expected = whole * beyond + counts[2 * _BANDS + band]
            finest = whole / known if known else 0.0  # what is between two known lanes is not known to be nothing
            total += _apart(spoke, max(expected, spoke * finest), known)
            beyond += counts[band]
        return total


def _ends_of_bands(hazards: Hazards) -> list[int]:
    """Return the bin behind the last one of each band."""
    ends, survival = list[int](), 1.0
    for place, hazard in enumerate(hazards.rates, hazards.lowest + 1):
        survival *= 1.0 - hazard
        while len(ends) < len(_CUTS) and survival <= _CUTS[len(ends)]:
            ends.append(place)
    return ends + [BINS] * (_BANDS - len(ends))


def _apart(spoke: float, expected: float, known: float) -> float:
    """Return the log-likelihood ratio of two Poisson counts, *spoke* and *known*, having rates of their own.

    Their exposures are as *expected* to *known*.
    """
    together = spoke + known
    if not together or expected + known <= 0.0:
        return 0.0
    rate = together / (expected + known)
    ratio = spoke * log(spoke / (expected * rate)) if spoke and expected > 0.0 else 0.0
    return max(0.0, ratio - (known * log(rate) if known else 0.0))
