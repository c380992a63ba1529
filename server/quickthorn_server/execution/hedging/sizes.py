"""How much longer a lane takes because its input is larger.

Reading the input is most of the time to first content, and grows with it; a lane that is slow because it has much to
read is not late, and a second one would have as much to read.  So times are divided by what is usual for their size
before anything else is learned from them.  What is usual is the median of a class of sizes, four to the octave, drawn
out between the classes; where classes differ by no more than chance would have it, size says nothing and is left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import exp, log, sqrt
from typing import NamedTuple

_ENOUGH = 40  # lanes in a class
_LEAST = 1.1  # the slowest class over the quickest; less is not worth a difference
_SAME = 0.05  # natural logarithm of what is still the same scale


class Sized(NamedTuple):
    """A lane: what it had to read, in tokens, and how long it took, or was seen to be silent."""

    tokens: int
    seconds: float
    spoke: bool


@lru_cache(maxsize=16_384)
def size_class(tokens: int) -> int:
    """Return the class of a size: a quarter of what is between two powers of two."""
    bits = tokens.bit_length()
    return bits << 2 | tokens >> max(0, bits - 3) & 3


def usual_size(size: int) -> int:
    """Return the tokens in the middle of a size class."""
    bits, quarter = divmod(size, 4)
    return (9 + 2 * quarter << bits) >> 4


class Scale:
    """The usual time of a size over that of the usual size.

    *knots*: tokens and factor, by tokens.  *unsure*: the natural logarithm by which a factor is off, typically.
    """

    __slots__ = ("_factors", "_slope", "_tokens", "_unsure")

    def __init__(self, knots: Sequence[tuple[float, float]], unsure: float = 0.0) -> None:
        self._unsure = unsure
        self._tokens = [tokens for tokens, _ in knots]
        self._factors = [factor for _, factor in knots]
        self._slope = max(0.0, (self._factors[-1] - self._factors[0]) / (self._tokens[-1] - self._tokens[0]))

    def of(self, tokens: int) -> float:
        """Return by how much a time of *tokens* is to be divided.

        Drawn straight from class to class, beyond the last as all of them rise, and level below the first.
        """
        above = bisect_right(self._tokens, tokens)
        if above == 0:
            return self._factors[0]
        left, factor = self._tokens[above - 1], self._factors[above - 1]
        if above == len(self._tokens):
            return factor + (tokens - left) * self._slope
        return factor + (self._factors[above] - factor) * (tokens - left) / (self._tokens[above] - left)

    def differs(self, other: Scale) -> bool:
        """Whether *other* says something else."""
        apart = [abs(log(other.of(round(each)) / self.of(round(each)))) for each in self._tokens]
        return sum(apart) / len(apart) > _SAME + self._unsure + other._unsure


def scale(lanes: Iterable[Sized]) -> Scale | None:
    """Return what *lanes* say of sizes; None = nothing."""
    classes = defaultdict[int, list[Sized]](list)
    for lane in lanes:
        classes[size_class(lane.tokens)].append(lane)
    known = [each for _, each in sorted(classes.items()) if len(each) >= _ENOUGH]
    if len(known) < 2 or not _differ(known):  # noqa: PLR2004 - a difference takes two
        return None
    medians = [_median(each) for each in known]
    if max(medians) < _LEAST * min(medians):
        return None
    usual = exp(
        sum(len(each) * log(median) for each, median in zip(known, medians, strict=True)) / sum(map(len, known))
    )
    sizes = [sum(lane.tokens for lane in each) / len(each) for each in known]
    unsure = sum(map(_unsure, known)) / len(known)
    return Scale([(size, median / usual) for size, median in zip(sizes, medians, strict=True)], unsure)


def _differ(classes: Sequence[list[Sized]]) -> bool:
    """Whether the share of a class that takes longer than the median of all differs more than chance would have it.

    Mood's median test; the limit is passed by chance about once in 10^6 times.
    """
    middle = _median([lane for each in classes for lane in each])
    surprise = 0.0
    for each in classes:
        judged = [lane.seconds > middle for lane in each if lane.spoke or lane.seconds > middle]
        surprise += (2 * sum(judged) - len(judged)) ** 2 / max(1, len(judged))
    free = len(classes) - 1
    return surprise > free + 5 * sqrt(2 * free) + 15


def _unsure(lanes: Sequence[Sized]) -> float:
    """Return the standard deviation of the logarithm of a median, read from the times about it."""
    times, off = sorted(lane.seconds for lane in lanes), round(sqrt(len(lanes)) / 2)
    middle = len(times) // 2
    return log(times[middle + off] / times[middle - off]) / 2


def _median(lanes: Sequence[Sized]) -> float:
    """Return Kaplan's and Meier's median, or the longest time there is."""
    level, left = 1.0, len(lanes)
    ordered = sorted((lane.seconds, not lane.spoke) for lane in lanes)
    for seconds, stopped in ordered:
        if not stopped:
            level *= 1 - 1 / left
            if level <= 0.5:  # noqa: PLR2004 - half of them: that is what a median is
                return seconds
        left -= 1
    return ordered[-1][0]
