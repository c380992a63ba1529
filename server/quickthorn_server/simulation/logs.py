"""What a latency log says: lanes that can be used, rows that cannot and why, and what all of it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple

LONGEST = 86_400.0
"""Seconds of a day: no call takes longer, so a longer time is a slip of units."""

_NAMED = 5  # row numbers that are told of each fault


class LogError(ValueError):
    """The log cannot be used at all; the message says what to do."""


class Timed(NamedTuple):
    """One lane: *seconds* until it spoke.  *spoke* False: it was stopped then and would have taken longer."""

    backend: str
    seconds: float
    spoke: bool
    input_tokens: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that are not used: *why*, how many, and the first of their lines, counted from 1."""

    why: str
    count: int
    lines: tuple[int, ...]

    def __str__(self) -> str:
        more = ", ..." if self.count > len(self.lines) else ""
        return f"{self.count:,}: {self.why} (line{'s' * (self.count > 1)} {', '.join(map(str, self.lines))}{more})"


@dataclass(frozen=True, slots=True)
class Billed:
    """What lanes of a backend cost on average, in USD: those that *served*, and those that *lost*; None = unknown."""

    served: float | None
    lost: float | None


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it was read, in the order of the file.

    *pairs*: (input tokens, first lane, hedge) of calls of which both were measured; then *lanes* holds the same, apart.
    *rows* were read in all.  *says*: which column or records the times are.  *rate*: calls a second, None = unknown.
    *remarks*: what it rests on.  *order*: the backends as most calls would ask them, () = unknown.
    """

    lanes: tuple[Timed, ...]
    rows: int
    says: str
    left_out: tuple[LeftOut, ...] = ()
    pairs: tuple[tuple[int, float, float], ...] = ()
    remarks: tuple[str, ...] = ()
    rate: float | None = None
    order: tuple[str, ...] = ()
    billed: Mapping[str, Billed] = field(default_factory=dict)

    def of(self, backend: str) -> list[Timed]:
        """Return the lanes of *backend*."""
        return [lane for lane in self.lanes if lane.backend == backend]

    def backends(self) -> dict[str, int]:
        """Return each backend with the number of its lanes that spoke, the busiest first."""
        counts: dict[str, int] = {}
        for lane in self.lanes:
            counts[lane.backend] = counts.get(lane.backend, 0) + lane.spoke
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


class Faults:
    """Counts rows that are left out, by what is wrong with them."""

    def __init__(self) -> None:
        self._lines: dict[str, list[int]] = {}
        self._counts: dict[str, int] = {}

    def add(self, line: int, why: str) -> None:
        """Count the row in *line*."""
        self._counts[why] = self._counts.get(why, 0) + 1
        named = self._lines.setdefault(why, [])
        if len(named) < _NAMED:
            named.append(line)

    def left_out(self) -> tuple[LeftOut, ...]:
        """Return all faults, the most frequent first."""
        by_count = sorted(self._counts.items(), key=lambda item: -item[1])
        return tuple(LeftOut(why, count, tuple(self._lines[why])) for why, count in by_count)


def seconds_of(text: str, scale: float) -> float:
    """Return the time that *text* means, in seconds; *scale* = seconds in its unit.

    Raises ValueError with what is wrong: it is missing, no number, zero, negative or longer than a day.
    """
    if not text or text.isspace():
        raise ValueError("no time")
    try:
        seconds = float(text) * scale
    except ValueError:
        raise ValueError("the time is no number") from None
    if not isfinite(seconds):
        raise ValueError("the time is no number")
    if seconds == 0:
        raise ValueError("the time is 0")
    if seconds < 0:
        raise ValueError("the time is negative")
    if seconds > LONGEST:
        raise ValueError("the time is longer than a day")
    return seconds


def calls_a_second(arrivals: Iterable[float]) -> float | None:
    """Return the mean rate of *arrivals*, None where fewer than two differ."""
    known = list(arrivals)
    span = max(known) - min(known) if known else 0.0
    return (len(known) - 1) / span if span > 0 else None
