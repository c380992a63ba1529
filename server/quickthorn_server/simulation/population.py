"""Calls to simulate, drawn from what a log says: how long each lane of a call would take if it ran alone."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import exp, inf, log

from quickthorn_server.simulation.engine import Row
from quickthorn_server.simulation.logs import Log, LogError, Timed

FEWEST = 100
"""Lanes of a backend that must have spoken for a log to say anything of its tail."""

BEYOND = 5
"""Times that must lie beyond a percentile for it to be known: p99 takes 500 rows, p99.9 takes 5,000."""

_FEW = f"{{:,}} usable times are too few to tell anything of a tail, which takes {FEWEST}"
_CLASSES, _CLASS_SIZE, _OTHER_CLASS = 16, 250, 50
_MOSTLY, _ROUNDING = 0.9, 1e-6
_SLOW, _FEWEST_SLOW, _SPELL = 0.95, 20, 4.0
_UNKNOWN_RATE = 100.0  # calls a second where the log has no arrivals: only what is in flight at once depends on it


@dataclass(frozen=True, slots=True)
class Population:
    """*draw*(lanes, random) returns the input tokens and the times of a call's lanes in seconds, anew each time.

    *name* for people, *lanes*: who is asked, in words.  *times*: how many are known of the first lane, None = all that
    can be.  *bound*: times as long may be longer, for lanes were stopped then; inf = all are whole.  *rate*: calls a
    second.  *remarks*: what it assumes.
    """

    name: str
    lanes: str
    draw: Callable[[int, random.Random], tuple[int, tuple[float, ...]]]
    times: int | None
    bound: float
    rate: float
    remarks: tuple[str, ...] = ()

    def knows(self, share: float) -> bool:
        """Whether enough times lie beyond the percentile *share* (0..1) for it to be told."""
        return self.times is None or self.times * (1 - share) >= BEYOND - _ROUNDING

    def rows(self, count: int, lanes: int, seed: int) -> list[Row]:
        """Return *count* calls of *lanes* lanes each that arrive at random (Poisson); the same for the same *seed*."""
        dice, arrival, found = random.Random(seed), 0.0, []  # noqa: S311 - a simulation wants the same dice again
        for _ in range(count):
            arrival += dice.expovariate(self.rate)
            found.append(Row(arrival, *self.draw(lanes, dice)))
        return found


class Curve:
    """How long lanes take, as Kaplan and Meier (1958) estimate it from times of which some are only lower bounds.

    *unknown*: the share of lanes that outlasted every time that was seen.  They are drawn as the longest time there is,
    which is then the *bound* of what is known; else it is inf.
    """

    def __init__(self, lanes: Sequence[Timed]) -> None:
        ordered = sorted(lanes, key=lambda lane: (lane.seconds, not lane.spoke))
        lasting, weights, self._logs = 1.0, list[float](), list[float]()
        for place, lane in enumerate(ordered):
            if lane.spoke:
                gone = lasting / (len(ordered) - place)
                lasting -= gone
                weights.append(gone)
                self._logs.append(log(lane.seconds))
        self.unknown = max(0.0, lasting) if ordered and not ordered[-1].spoke else 0.0
        self._longest = ordered[-1].seconds if ordered else 0.0
        self.bound = self._longest if self.unknown > _ROUNDING else inf
        # A time stands for the middle of its share, so that a log of n times is spread as (i - 1/2) / n.
        self._middles = [end - weight / 2 for end, weight in zip(accumulate(weights), weights, strict=True)]

    def at(self, share: float) -> float:
        """Return the time within which *share* (0..1) of lanes has spoken, log-linear between two times."""
        middles, logs = self._middles, self._logs
        place = bisect_right(middles, share)
        if share > 1 - self.unknown:
            return self._longest
        if place in {0, len(middles)}:
            return exp(logs[min(place, len(logs) - 1)])
        low, high = middles[place - 1], middles[place]
        return exp(logs[place - 1] + (logs[place] - logs[place - 1]) * (share - low) / (high - low))


def of_log(source: Log, first: str, hedges: Sequence[str]) -> Population:
    """Return calls whose first lanes take as long as those of *first* and whose hedges as those of *hedges*, in turn.

    Lanes of a call are independent, given the size of its input where the log tells it.  Raises LogError where too few
    lanes are known.
    """
    names = dict.fromkeys((first, *hedges))
    for name in names:
        spoke = sum(lane.spoke for lane in source.of(name))
        if spoke < FEWEST:
            raise LogError(f"{_called(name)}{_FEW.format(spoke)}")
    own = source.of(first)
    known = Curve(own)
    classes = _Classes(own, {name: source.of(name) for name in hedges})
    return Population(
        name=first,
        lanes=_route(source, first, hedges),
        draw=lambda lanes, dice: classes.draw([hedges[min(n, len(hedges) - 1)] for n in range(lanes - 1)], dice),
        times=len(own),
        bound=classes.bound,
        rate=source.rate or _UNKNOWN_RATE,
        remarks=(*_spells(own), *_cut(first, known), *classes.remarks()),
    )


def of_pairs(source: Log) -> Population:
    """Return calls whose first two lanes take as long as both of a call in the log, and further ones as any hedge."""
    pairs = source.pairs
    if len(pairs) < FEWEST:
        raise LogError(_FEW.format(len(pairs)))

    def draw(lanes: int, dice: random.Random) -> tuple[int, tuple[float, ...]]:
        tokens, first, hedge = dice.choice(pairs)
        return tokens, (first, hedge, *(dice.choice(pairs)[2] for _ in range(lanes - 2)))[:lanes]

    return Population(
        name="pairs",
        lanes="both lanes of each call as they were measured",
        draw=draw,
        times=len(pairs),
        bound=inf,
        rate=source.rate or _UNKNOWN_RATE,
    )


class _Classes:
    """Curves by size of the input, where the log tells it of most calls; else one for all."""

    def __init__(self, own: Sequence[Timed], others: dict[str, list[Timed]]) -> None:
        self._tokens, self._bounds = _bounds(own)
        self._own = [Curve(part) for part in self._parted(own)]
        self._others: dict[str, list[Curve]] = {}
        self._unsized: list[str] = []
        for name, lanes in others.items():
            whole, parts = Curve(lanes), self._parted(lanes)
            sized = all(sum(lane.spoke for lane in part) >= _OTHER_CLASS for part in parts)
            self._others[name] = [Curve(part) for part in parts] if sized else [whole] * len(parts)
            self._unsized += [] if sized else [name]
        self.bound = min(curve.bound for curves in (self._own, *self._others.values()) for curve in curves)

    def draw(self, hedges: Sequence[str], dice: random.Random) -> tuple[int, tuple[float, ...]]:
        """Return a call's input tokens and the times of its lanes."""
        tokens = dice.choice(self._tokens)
        place = bisect_right(self._bounds, tokens)
        first = self._own[place].at(dice.random())
        return tokens, (first, *(self._others[name][place].at(dice.random()) for name in hedges))

    def remarks(self) -> list[str]:
        """Return what is assumed of sizes."""
        said = f"the same size of input in all lanes of a call, in {len(self._own)} classes" if self._bounds else ""
        unsized = [
            f"{_called(name)}times by size of the input are not known, so all are mixed" for name in self._unsized
        ]
        return [*filter(None, [said]), *unsized]

    def _parted(self, lanes: Sequence[Timed]) -> list[list[Timed]]:
        parts: list[list[Timed]] = [[] for _ in range(len(self._bounds) + 1)]
        for lane in lanes:
            parts[bisect_right(self._bounds, lane.input_tokens)].append(lane)
        return parts


def _bounds(lanes: Sequence[Timed]) -> tuple[list[int], list[int]]:
    """Return the sizes of the calls, and those where classes begin."""
    sizes = sorted(lane.input_tokens for lane in lanes)
    if sizes[int(len(sizes) * (1 - _MOSTLY))] == 0 or sizes[0] == sizes[-1]:
        return sizes, []
    count = min(_CLASSES, len(sizes) // _CLASS_SIZE)
    cuts = sorted({sizes[len(sizes) * n // count] for n in range(1, count)} - {sizes[0]}) if count > 1 else []
    edges = [0, *(bisect_left(sizes, cut) for cut in cuts), len(sizes)]
    wide = [cut for cut, (low, high) in zip(cuts, pairwise(edges), strict=False) if high - low >= _CLASS_SIZE // 2]
    return sizes, wide


def _spells(lanes: Sequence[Timed]) -> list[str]:
    """Say so where slow calls follow each other more often than chance would have it."""
    times = [lane.seconds for lane in lanes]
    limit = sorted(times)[int(len(times) * _SLOW)]
    slow = [time >= limit for time in times]
    after = [next_ for before, next_ in pairwise(slow) if before]
    share, usual = sum(after) / max(1, len(after)), sum(slow) / len(slow)
    if len(after) < _FEWEST_SLOW or share < _SPELL * usual:
        return []
    spells = f"slow calls come in spells: {share:.0%} of calls behind one of the slowest {usual:.0%} are as slow"
    return [f"{spells}; a hedge to a backend that shares them meets the same spell and gains less than is shown"]


def _cut(name: str, known: Curve) -> list[str]:
    if known.bound == inf:
        return []
    share = f"the slowest {known.unknown:.2%}"
    return [f"{_called(name)}{share} were all stopped before they spoke; > marks what may be any longer for it"]


def _route(source: Log, first: str, hedges: Sequence[str]) -> str:
    counts = source.backends()
    others = " then ".join(f"{name} ({counts[name]:,})" for name in dict.fromkeys(hedges) if name != first)
    where = f"to {others}" if others else "to another backend that is as fast"
    return (
        f"asked first: {first} ({counts[first]:,} times); hedges go {where}"
        if len(counts) > 1
        else f"hedges go {where}"
    )


def _called(name: str) -> str:
    return f"{name}: "
