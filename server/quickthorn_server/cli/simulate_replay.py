"""`quickthorn simulate --replay`: the same calls for every policy, from a table of lanes to a table of decisions.

For machines: every row counts, so one that is wrong ends it.
"""

from __future__ import annotations

import csv
import gc
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from operator import gt
from pathlib import Path
from typing import TextIO

from quickthorn_server.cli.options import fail
from quickthorn_server.cli.simulate_kinds import Delay
from quickthorn_server.simulation.engine import Outcome, Policy, Row, simulate
from quickthorn_server.simulation.policies import auto, fixed, none, percentile

HEAD = "request,delay_s,hedged,latency_s,reason\n"
"""The first line of what is written."""

_NEEDED = ("request", "arrival_s", "input_tokens", "primary_s", "hedge_s")
_LONGEST = 86_400.0
_MOST_TOKENS = 2**63 - 1
_QUOTE = '"'


@dataclass(frozen=True, slots=True)
class Setting:
    """One policy and its terms: *target* percentile and *budget* as fractions, *max_parallel* lanes of a call."""

    policy: Delay
    target: float
    budget: float
    burst: int
    max_parallel: int
    seed: int

    def made(self) -> Policy:
        """Return the policy."""
        match self.policy:
            case "none":
                return none()
            case "auto":
                return auto(self.target)
            case (share,):
                return percentile(share)
            case seconds:
                return fixed(float(seconds))


def play(file: Path, out: Path | None, setting: Setting) -> None:
    """Play the calls in *file* and write what becomes of them to *out*; None = standard output.

    Exits with 2 and one line where the file cannot be read, or is wrong, or nothing can be written.
    """
    with _spared_collections():
        names, rows = _read(file)
        outcomes = simulate(
            filled(rows, setting.max_parallel, setting.seed),
            setting.made(),
            budget=setting.budget,
            burst=setting.burst,
            max_parallel=setting.max_parallel,
            seed=setting.seed,
        )
        try:
            with nullcontext(sys.stdout) if out is None else out.open("w", encoding="utf-8") as written:
                write(written, names, outcomes)
        except OSError as error:
            fail(f"cannot write {out}: {error.strerror}")


def _read(file: Path) -> tuple[list[str], list[Row]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return read(lines)
    except OSError as error:
        fail(f"cannot read {file}: {error.strerror}")
    except (UnicodeDecodeError, csv.Error):
        fail(f"{file}: it is no CSV")
    except ReplayError as error:
        fail(f"{file}: {error}")


@contextmanager
def _spared_collections() -> Iterator[None]:
    """Keep the garbage collector from walking again and again over rows of which none is garbage: half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class ReplayError(ValueError):
    """The table cannot be replayed; the message names the row and what is wrong with it."""


def read(lines: TextIO) -> tuple[list[str], list[Row]]:
    """Return the names of the requests, and the calls.

    Columns: request, arrival_s, input_tokens, primary_s, hedge_s; further ones that begin with hedge and end with _s
    are the third lane and so on, in their order.  Raises ReplayError for the first row that is wrong.
    """
    reader = csv.reader(lines)
    head = [name.strip() for name in next(reader, [])]
    missing = [name for name in _NEEDED if name not in head]
    if missing:
        raise ReplayError(f"it has no column {missing[0]}: its first line must be {','.join(_NEEDED)}")
    places = [head.index("primary_s"), *(n for n, name in enumerate(head) if _is_hedge(name))]
    table = list(reader)
    while table and not table[-1]:
        table.pop()
    try:
        columns: Sequence[Sequence[str]] = list(zip(*table, strict=True))
        arrivals = list(map(float, columns[head.index("arrival_s")]))
        tokens = list(map(int, columns[head.index("input_tokens")]))
        lanes = [list(map(float, columns[place])) for place in places]
    except (ValueError, IndexError):
        columns, arrivals, tokens, lanes = [], [], [], []
    if len(columns) != len(head) or not _are_right(arrivals, tokens, lanes):
        raise ReplayError(_fault(head, table, places))
    names = columns[head.index("request")]
    return list(names), list(map(Row, arrivals, tokens, zip(*lanes, strict=True)))


def filled(rows: Sequence[Row], lanes: int, seed: int) -> list[Row]:
    """Return *rows* with as many *lanes* each; one that is missing takes the hedge's time of a random earlier row.

    What a row gets depends on no later row.
    """
    if len(rows[0].lanes) >= lanes:
        return list(rows)
    dice, found = random.Random(seed), []  # noqa: S311 - a simulation wants the same dice again
    for number, row in enumerate(rows):
        more = (rows[dice.randrange(max(1, number))].lanes[1] for _ in range(lanes - len(row.lanes)))
        found.append(row._replace(lanes=(*row.lanes, *more)))
    return found


def write(out: TextIO, names: Sequence[str], outcomes: Sequence[Outcome]) -> None:
    """Write what became of each request, in the order of *names*."""
    out.write(HEAD)
    out.writelines(
        f"{_quoted(name)},{'' if delay is None else repr(delay)},{hedged},{latency!r},{_quoted(reason)}\n"
        for name, (delay, hedged, latency, reason) in zip(names, outcomes, strict=True)
    )


@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    """Return *text* as a cell of CSV."""
    return f'"{text.replace(_QUOTE, _QUOTE * 2)}"' if any(mark in text for mark in ',"\r\n') else text


def _is_hedge(name: str) -> bool:
    return name.startswith("hedge") and name.endswith("_s")


def _are_right(arrivals: Sequence[float], tokens: Sequence[int], lanes: Sequence[Sequence[float]]) -> bool:
    """Whether there are calls, none comes before the one above it, and no number is out of range; NaN is not."""
    if not arrivals or not all(map(isfinite, arrivals)) or any(map(gt, arrivals, arrivals[1:])):
        return False
    return 0 <= min(tokens) <= max(tokens) <= _MOST_TOKENS and all(
        all(map(isfinite, lane)) and 0 < min(lane) <= max(lane) <= _LONGEST for lane in lanes
    )


def _fault(head: Sequence[str], table: Sequence[Sequence[str]], places: Sequence[int]) -> str:
    """Return what is wrong with the first row that is."""
    before = float("-inf")
    for number, row in enumerate(table, start=1):
        for message in _faults(head, row, places, before):
            return f"row {number}: {message}"
        before = float(row[head.index("arrival_s")])
    return "it holds no rows"


def _faults(head: Sequence[str], row: Sequence[str], places: Sequence[int], before: float) -> Iterator[str]:
    if len(row) != len(head):
        yield f"it has {len(row)} cells, and there are {len(head)} columns"
        return
    arrival = _number(float, row[head.index("arrival_s")])
    if arrival is None or not isfinite(arrival):
        yield f"arrival_s is {_shown(row[head.index('arrival_s')])}: write seconds"
    elif arrival < before:
        yield f"it arrives at {arrival:g} s, before the row above it ({before:g} s)"
    tokens = _number(int, row[head.index("input_tokens")])
    if tokens is None or not 0 <= tokens <= _MOST_TOKENS:
        yield f"input_tokens is {_shown(row[head.index('input_tokens')])}: write a whole number, 0 or more"
    for place in places:
        seconds = _number(float, row[place])
        if seconds is None or not 0 < seconds <= _LONGEST:
            yield f"{head[place]} is {_shown(row[place])}: write seconds, more than 0 and at most a day"


def _number(kind: Callable[[str], float], text: str) -> float | None:
    try:
        return kind(text)
    except ValueError:
        return None


def _shown(text: str) -> str:
    return repr(text[:40]) if text.strip() else "empty"
