"""Read latency logs that are CSV: find the column with the time to first content, its unit, and what is beside it.

A unit is never guessed: a log in milliseconds that is taken for seconds gives a picture that looks right.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from quickthorn_server.simulation.logs import Faults, Log, LogError, Timed, calls_a_second, seconds_of

UNITS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
"""Units that `--unit` takes -> seconds."""

ONLY = "all"
"""What the backend is called in a log that names none."""

PAIR = ("primary", "hedge")
"""What the backends are called in a log that measured both lanes of each call."""

_FIRST_CONTENT = (
    *("ttft", "time_to_first_token", "first_token", "first_token_latency", "first_content", "time_to_first_content"),
    *("ttfc", "ttfb", "time_to_first_byte", "first_byte", "first_chunk"),
)
_WHOLE = ("latency", "response_time", "duration", "elapsed", "time", "end_to_end", "e2e", "total", "request_time")
_BACKEND = ("backend", "provider", "target", "endpoint", "deployment", "model")
_TOKENS = ("input_tokens", "prompt_tokens", "context_tokens", "contexttokens", "tokens_in", "input_length")
_ARRIVAL = ("arrival", "timestamp", "time_utc", "started", "start_time", "at", "date", "datetime", "ts")
_SUFFIXES = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "micros", "microseconds"), 1e-6),
}
_DELIMITERS = ",;\t|"
_MILLISECONDS = 1e11  # epoch times above this are not seconds


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked of the command line; "" and () = find it, or all."""

    column: str = ""
    unit: str = ""
    by: str = ""
    where: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where things are in a row; None = nowhere.  *scale*: seconds in a unit of the time."""

    time: int
    scale: float
    hedge: int | None
    backend: int | None
    tokens: int | None
    arrival: int | None
    where: tuple[tuple[int, str], ...]
    comma: bool


def read_csv(lines: Iterable[str], wanted: Wanted) -> Log:
    """Return what the CSV in *lines* says.  Raises LogError where no column can be used."""
    rows = iter(lines)
    head = next(rows, "")
    delimiter = max(_DELIMITERS, key=head.count)
    try:
        names = [_plain(name) for name in next(csv.reader([head], delimiter=delimiter), [])]
    except csv.Error as error:
        raise LogError(f"line 1 is no CSV: {error}") from None
    reader = csv.reader(rows, delimiter=delimiter)
    try:
        table = [(reader.line_num + 1, row) for row in reader]
    except csv.Error as error:
        raise LogError(f"line {reader.line_num + 1} is no CSV: {error}") from None
    while table and not table[-1][1]:
        table.pop()
    if len(names) > 1:  # of a single column an empty line is a call without a time
        table = [(line, row) for line, row in table if row]
    columns = _columns(names, [row for _, row in table], wanted, comma=delimiter == ";")
    return _Reading(names, columns).log(table)


class _Reading:
    """Goes through the rows once."""

    def __init__(self, names: Sequence[str], columns: _Columns) -> None:
        self._names, self._columns = names, columns
        self._faults = Faults()
        self._lanes: list[Timed] = []
        self._pairs: list[tuple[int, float, float]] = []
        self._arrivals: list[float] = []

    def log(self, table: Sequence[tuple[int, Sequence[str]]]) -> Log:
        """Return what the numbered rows of *table* say."""
        chosen = [(line, row) for line, row in table if self._is_wanted(row)]
        for line, row in chosen:
            self._take(line, row)
        name = self._names[self._columns.time]
        return Log(
            lanes=tuple(self._lanes),
            pairs=tuple(self._pairs),
            rows=len(chosen),
            says=f"column {name}",
            left_out=self._faults.left_out(),
            remarks=tuple(self._remarks(name)),
            rate=calls_a_second(self._arrivals),
        )

    def _is_wanted(self, row: Sequence[str]) -> bool:
        return all(_cell(row, place) == text for place, text in self._columns.where)

    def _take(self, line: int, row: Sequence[str]) -> None:
        columns = self._columns
        try:
            first = self._seconds(row, columns.time)
            hedge = None if columns.hedge is None else self._seconds(row, columns.hedge)
        except ValueError as error:
            self._faults.add(line, str(error))
            return
        tokens = 0 if columns.tokens is None else _tokens(_cell(row, columns.tokens))
        if columns.arrival is not None and (arrival := _instant(_cell(row, columns.arrival))) is not None:
            self._arrivals.append(arrival)
        if hedge is not None:
            self._pairs.append((tokens, first, hedge))
            self._lanes += [Timed(PAIR[0], first, True, tokens), Timed(PAIR[1], hedge, True, tokens)]
            return
        backend = ONLY if columns.backend is None else _cell(row, columns.backend) or "(none)"
        self._lanes.append(Timed(backend, first, True, tokens))

    def _seconds(self, row: Sequence[str], place: int) -> float:
        text = _cell(row, place)
        return seconds_of(text.replace(",", ".") if self._columns.comma else text, self._columns.scale)

    def _remarks(self, name: str) -> Iterator[str]:
        if _stem(name)[0] in _WHOLE:
            yield f"{name} may be the time of whole answers: a race is decided at the first content (--column)"
        yield "if calls were hedged while this was logged, their slowest lanes are not in it, and the tail is longer"


def _columns(names: Sequence[str], table: Sequence[Sequence[str]], wanted: Wanted, *, comma: bool) -> _Columns:
    if not any(names) or any(re.fullmatch(r"[-+0-9.eE]+", name) for name in names):
        raise LogError("its first line must name the columns")
    time = _chosen(names, wanted.column) if wanted.column else _time_column(names)
    hedge = _with_stem(names, PAIR[1:]) if _stem(names[time])[0] == PAIR[0] else None
    by = _chosen(names, wanted.by) if wanted.by else _with_stem(names, _BACKEND)
    where = tuple((_chosen(names, name), text) for name, text in wanted.where)
    return _Columns(
        time=time,
        scale=_scale(names[time], [_cell(row, time) for row in table], wanted.unit),
        hedge=hedge,
        backend=by,
        tokens=_with_stem(names, _TOKENS),
        arrival=_with_stem(names, _ARRIVAL),
        where=where,
        comma=comma,
    )


def _time_column(names: Sequence[str]) -> int:
    """Return the likeliest column: time to first content first, whole answers where there is nothing else."""
    found = _with_stem(names, (PAIR[0], *_FIRST_CONTENT, *_WHOLE))
    if found is None:
        raise LogError(
            f"none of its columns looks like a time to first content: name it with --column; there are {_listed(names)}"
        )
    return found


def _scale(name: str, cells: Sequence[str], unit: str) -> float:
    """Return the seconds in a unit of the column *name*."""
    if unit:
        return UNITS[unit]
    scale = _stem(name)[1]
    if scale is not None:
        return scale
    numbers = [float(cell) for cell in cells if re.fullmatch(r"[0-9]+(\.[0-9]+)?", cell)]
    known = f"; its median is {median(numbers):g}" if numbers else ""
    raise LogError(f"column {name} does not say its unit: add --unit s, ms or us{known}")


def _chosen(names: Sequence[str], name: str) -> int:
    if name not in names:
        raise LogError(f"it has no column {name}; there are {_listed(names)}")
    return names.index(name)


def _with_stem(names: Sequence[str], stems: Sequence[str]) -> int | None:
    """Return the column that is called like the earliest possible of *stems*."""
    found = {_stem(name)[0]: place for place, name in reversed(list(enumerate(names)))}
    return next((found[stem] for stem in stems if stem in found), None)


def _stem(name: str) -> tuple[str, float | None]:
    """Return the name without its unit, and the seconds in that unit: `TTFT (ms)` is ttft, 0.001."""
    words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    stem, _, suffix = words.rpartition("_")
    return (stem, _SUFFIXES[suffix]) if stem and suffix in _SUFFIXES else (words, None)


def _cell(row: Sequence[str], place: int) -> str:
    return row[place].strip() if place < len(row) else ""


def _plain(name: str) -> str:
    return name.strip().removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").strip('"')


def _tokens(text: str) -> int:
    """Return a count, 0 = unknown."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(2**63)) else 0


def _instant(text: str) -> float | None:
    """Return seconds since some start, from a number or an ISO date; None = neither."""
    try:
        number = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return number / 1000 if number > _MILLISECONDS else number


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name for name in names if name and name.isprintable())
