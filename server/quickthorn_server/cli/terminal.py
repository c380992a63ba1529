"""What the commands print: answers, traces, tables and failures."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Protocol

import click

from quickthorn import Stream, messages, tool_calls

_COLOURS = {"won": "green", "failed": "red", "broke": "red", "kept": "green", "dropped": "red"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NANO, _MINUTE = 1_000_000_000, 60.0
_UNKNOWN = "-"


class Duration(Protocol):
    """A google.protobuf.Duration."""

    seconds: int
    nanos: int


def say(text: str, *, err: bool = False) -> None:
    """Print a line of ours; colours only on a terminal, and never with NO_COLOR (no-color.org)."""
    click.echo(text, err=err, color=False if os.environ.get("NO_COLOR") else None)


def show(events: Stream) -> messages.Completion:
    """Print an answer as it comes and return it whole.  Raises QuickthornError when the call fails."""
    last = ""
    try:
        for event in events:
            if piece := event.text.text or event.part.value.refusal:
                _write(piece)
                last = piece
    finally:
        if last and not last.endswith("\n"):
            _write("\n")
    return events.fold()


def show_whole(completion: messages.Completion) -> None:
    """Print an answer that came whole."""
    pieces = [part.text or part.refusal for part in completion.message.parts]
    answer = "".join(pieces)
    _write(answer if answer.endswith("\n") or not answer else f"{answer}\n")


def remark(completion: messages.Completion) -> None:
    """Say on standard error what the text alone does not show: why it is short, who wrote it, which tools it wants."""
    for call in tool_calls(completion):
        say(_safe(f"wants to call {call.name} {call.arguments_json}"), err=True)
    ends = {"LENGTH": "cut at the limit of output tokens", "CONTENT_FILTER": "cut by a filter", "REFUSAL": "refused"}
    reason = messages.FinishReason.Name(completion.finish_reason).removeprefix("FINISH_REASON_")
    if completion.trace.rung == "canned":
        say(click.style("(canned: no backend could answer)", dim=True), err=True)
    if reason in ends:
        say(click.style(f"({ends[reason]})", dim=True), err=True)


def trace_table(completion: messages.Completion) -> str:
    """Return who was asked, why and what came of it, and what the call cost in all."""
    return "\n".join([lanes_table(completion.trace.attempts), _totals(completion)])


def lanes_table(attempts: Iterable[messages.Attempt]) -> str:
    """Return one line per lane."""
    heads = ("lane", "backend", "cause", "started", "first content", "ended", "outcome", "tokens", "cost")
    rows = [_lane(place, attempt) for place, attempt in enumerate(attempts, start=1)]
    return "\n".join(table(heads, rows, right=(3, 4, 5, 7, 8)))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> list[str]:
    """Return the lines of a table; the columns in *right* are aligned to the right."""
    flush = dict.fromkeys(right, str.rjust)
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]

    def line(row: Sequence[str]) -> str:
        cells = [flush.get(column, str.ljust)(cell, widths[column]) for column, cell in enumerate(row)]
        return "  ".join(map(_coloured, cells)).rstrip()

    return [click.style(line(heads), bold=True), *map(line, rows)]


def duration(given: Duration) -> str:
    """Return a time for people: milliseconds below a second."""
    seconds = given.seconds + given.nanos / _NANO
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if seconds < _MINUTE else f"{seconds:.0f} s"


def dollars(nano_usd: int) -> str:
    """Return an amount of money, exact to the last of its billionths."""
    return f"${(Decimal(nano_usd) / _NANO).normalize():f}"


def _lane(place: int, attempt: messages.Attempt) -> tuple[str, ...]:
    outcome = messages.LaneOutcome.Name(attempt.outcome).removeprefix("LANE_OUTCOME_").lower()
    failure = f": {attempt.failure}" if attempt.failure else ""
    status = f" ({attempt.http_status})" if attempt.HasField("http_status") and failure else ""
    return (
        str(place),
        attempt.backend,
        messages.LaneCause.Name(attempt.cause).removeprefix("LANE_CAUSE_").lower(),
        *(duration(getattr(attempt, when)) if attempt.HasField(when) else _UNKNOWN for when in _MOMENTS),
        f"{outcome}{failure}{status}",
        tokens(attempt.usage),
        dollars(attempt.cost_nano_usd) if attempt.HasField("cost_nano_usd") else _UNKNOWN,
    )


_MOMENTS: tuple[str, ...] = ("started", "first_content", "ended")


def tokens(usage: messages.Usage) -> str:
    """Return what was read and written; `~` marks an estimate."""
    if not (usage.HasField("input_tokens") or usage.HasField("output_tokens")):
        return _UNKNOWN
    estimated = "~" if usage.source == messages.UsageSource.USAGE_SOURCE_ESTIMATED else ""
    known = [
        str(getattr(usage, field)) if usage.HasField(field) else "?" for field in ("input_tokens", "output_tokens")
    ]
    return f"{estimated}{known[0]} in {known[1]} out"


def _totals(completion: messages.Completion) -> str:
    trace = completion.trace
    told = [
        f"total {'tokens unknown' if (used := tokens(completion.usage)) == _UNKNOWN else used}",
        dollars(completion.cost_nano_usd) if completion.HasField("cost_nano_usd") else "cost unknown",
        f"hedging delay {duration(trace.hedge_delay)}" if trace.HasField("hedge_delay") else "",
        f"no hedge: {trace.no_hedge}" if trace.no_hedge else "",
        f"degraded: {trace.degraded}" if trace.degraded else "",
        f"escalated: {trace.escalation}" if trace.escalation else "",
        f"request {completion.request_id}" if completion.request_id else "",
    ]
    return click.style("; ".join(filter(None, told)), dim=True)


def _coloured(cell: str) -> str:
    word = cell.strip().split(":")[0]
    return click.style(cell, fg=_COLOURS[word]) if word in _COLOURS else cell


def _write(text: str) -> None:
    """Print what a model said: as it is into files and pipes, without control characters onto a terminal."""
    click.echo(_safe(text) if sys.stdout.isatty() else text, nl=False, color=True)


def _safe(text: str) -> str:
    """Return *text* without what could steer a terminal: a model may say anything."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
