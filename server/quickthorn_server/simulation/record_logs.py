"""Read decision records, one JSON object a line as the server writes them, as a latency log.

Every lane counts: one that spoke with its time, one that was stopped with its age, which it would have outlasted
(right-censored; taking ages for times would make a hedged backend look fast).  Lanes that failed tell no time, but for
timeouts, which were stopped, too.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from quickthorn_server.simulation.logs import Billed, Faults, Log, LogError, Timed, calls_a_second

Json = dict[str, Any]

_NANO = 1e9
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)s")
_STOPPED = {"LANE_OUTCOME_LOST", "LANE_OUTCOME_ABANDONED"}
_SILENCE = "LANE_CAUSE_SILENCE"


def read_records(lines: Iterable[str], where: tuple[tuple[str, str], ...] = ()) -> Log:
    """Return what the records in *lines* say; *where*: only those whose field is that word, for instance route."""
    reading = _Reading(where)
    for number, line in enumerate(lines, start=1):
        if line.strip():
            reading.take(number, line)
    return reading.log()


class _Reading:
    """Goes through the records once."""

    def __init__(self, where: tuple[tuple[str, str], ...]) -> None:
        self._where = where
        self._faults = Faults()
        self._lanes: list[Timed] = []
        self._arrivals: list[float] = []
        self._orders = Counter[tuple[str, ...]]()
        self._costs: dict[tuple[str, bool], list[float]] = {}
        self._rows = self._hedged = 0

    def take(self, number: int, line: str) -> None:
        """Take in the record in line *number*."""
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            self._rows += 1
            self._faults.add(number, "no JSON object")
        elif all(record.get(name, "") == word for name, word in self._where):
            self._rows += 1
            try:
                why = self._taken(record)
            except (AttributeError, KeyError, TypeError, ValueError):
                why = "no decision record"
            if why:
                self._faults.add(number, why)

    def log(self) -> Log:
        """Return what all of them say."""
        if self._rows == 0:
            raise LogError("it holds no record that was asked for")
        order = max(self._orders, key=self._orders.__getitem__, default=())
        return Log(
            lanes=tuple(self._lanes),
            rows=self._rows,
            says="decision records, each lane by itself",
            left_out=self._faults.left_out(),
            remarks=tuple(self._remarks()),
            rate=calls_a_second(self._arrivals),
            order=order,
            billed=self._billed(),
        )

    def _taken(self, record: Json) -> str:
        """Take in the lanes of *record*; return why there was nothing to take in, or ""."""
        plan, attempts = record["plan"], record["attempts"]
        if record.get("rpc") == "RECORDED_RPC_EMBED":
            return "vectors always come whole"
        if plan.get("upstream") == "UPSTREAM_MODE_WHOLE":
            return "the reply came whole, so its first content is its last"
        if not attempts:
            return "nobody was asked"
        tokens = int(plan.get("estimatedInputTokens", 0))
        lanes = [lane for attempt in attempts if (lane := _timed(attempt, tokens)) is not None]
        if not lanes:
            return "every lane failed"
        self._lanes += lanes
        self._hedged += any(attempt.get("cause") == _SILENCE for attempt in attempts)
        self._orders[tuple(plan.get("order", ())[:4])] += 1
        self._note_costs(attempts)
        if (at := _instant(record.get("at", ""))) is not None:
            self._arrivals.append(at)
        return ""

    def _note_costs(self, attempts: list[Json]) -> None:
        for attempt in attempts:
            if "costNanoUsd" in attempt:
                served = attempt.get("outcome") == "LANE_OUTCOME_WON"
                costs = self._costs.setdefault((attempt.get("backend", ""), served), [])
                costs.append(int(attempt["costNanoUsd"]) / _NANO)

    def _billed(self) -> Mapping[str, Billed]:
        def mean(backend: str, served: bool) -> float | None:
            costs = self._costs.get((backend, served))
            return sum(costs) / len(costs) if costs else None

        return {backend: Billed(mean(backend, True), mean(backend, False)) for backend, _ in self._costs}

    def _remarks(self) -> Iterator[str]:
        if stopped := sum(not lane.spoke for lane in self._lanes):
            yield (
                f"{stopped:,} of {len(self._lanes):,} lanes were stopped before they spoke: it is only known that they "
                "would have taken longer"
            )
        if self._hedged:
            yield (
                f"{self._hedged:,} of {self._rows:,} calls were hedged: backends that only got hedges are known from "
                "calls that were slow elsewhere"
            )


def _timed(attempt: Json, tokens: int) -> Timed | None:
    """Return what a lane tells, None = nothing."""
    started, spoke, ended = (_seconds(attempt.get(name)) for name in ("started", "firstContent", "ended"))
    backend = attempt.get("backend", "")
    if started is None:
        return None
    if spoke is not None and spoke > started:
        return Timed(backend, spoke - started, True, tokens)
    was_stopped = attempt.get("outcome") in _STOPPED or attempt.get("failure") == "timeout"
    if spoke is None and ended is not None and ended > started and was_stopped:
        return Timed(backend, ended - started, False, tokens)
    return None


def _seconds(span: Any) -> float | None:
    """Return the seconds of a proto3 JSON Duration."""
    found = _SPAN.fullmatch(span) if isinstance(span, str) else None
    return float(found[1]) if found else None


def _instant(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
