"""`quickthorn explain --replay`: a recorded call's plan, and the plan it would have now."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from quickthorn_server.cli.options import catalogue_of, fail
from quickthorn_server.cli.terminal import say, table
from quickthorn_server.edge.wire_replay import Replayed, ReplayError, replayed

Json = dict[str, Any]

_STDIN = "-"


def replay(record: str, identifier: str | None, config: Path | None, *, as_json: bool) -> None:
    """Print how the plan of *record* (FILE, FILE:LINE, FILE:ID, `-` for standard input) differs under *config*.

    Exits with 2 and one line that says why where there is no such record, or none that can be planned again.
    """
    catalogue, source = catalogue_of(config, resolve_secrets=False)
    file, place = _split(record)
    if place and identifier:
        raise click.UsageError("the record is named twice: by --id, and behind the file's name")
    with _opened(file) as lines:
        number, line = _chosen(lines, file, place, identifier)
    where = f"{'standard input' if file == _STDIN else file}:{number}"
    try:
        found = replayed(line, catalogue)
    except ReplayError as error:
        fail(f"{where}: {error}")
    if as_json:
        click.echo(json.dumps(_described(found, where, source), indent=2, ensure_ascii=False))
    else:
        say("\n".join(_told(found, where, source)))


def differences(found: Replayed) -> list[str]:
    """Return what differs between the two plans, in sentences; [] = nothing."""
    then, now, version = found.then, found.now, found.record.get("configVersion", "unknown")
    pairs = [
        ("configuration", version, found.version),
        ("strategy", found.record.get("strategy", "unknown"), found.strategy),
        *((name, _standing(each), _standing(other)) for name, each, other in _candidates(found)),
        ("order", *_orders(then, now)),
        ("hedging", _hedging(then), _hedging(now)),
        ("lanes", f"at most {then.get('maxAttempts', 0)}", f"at most {now.get('maxAttempts', 0)}"),
        ("failover", _failover(then), _failover(now)),
        ("upstream", _upstream(then), _upstream(now)),
        ("panic", _names(then, "panic"), _names(now, "panic")),
    ]
    return [f"{what}: was {before}; is {after}" for what, before, after in pairs if before != after]


def _split(record: str) -> tuple[str, str]:
    """Return the file, and the line or identifier behind it, "" = none.  A file of the whole name comes first."""
    file, colon, place = record.rpartition(":")
    return (file, place) if colon and file and not Path(record).exists() else (record, "")


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == _STDIN:
        yield sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as lines:
            yield lines
    except OSError as error:
        fail(f"{file}: {error.strerror or 'it cannot be read'}")


def _chosen(lines: Iterable[bytes], file: str, place: str, identifier: str | None) -> tuple[int, bytes]:
    """Return the number and the text of the line that was asked for; the last one where none was, or several fit."""
    wanted = identifier or (place if not place.isdecimal() else "")
    count, chosen = 0, None
    for count, line in enumerate(lines, start=1):
        fits = count == int(place) if place.isdecimal() else bool(line.strip()) and _is_of(line, wanted)
        chosen = (count, line) if fits else chosen
    if chosen is None and place.isdecimal():
        fail(f"{file}: there is no line {place}: it has {count}, counted from 1")
    if chosen is None:
        fail(f"{file}: there is no record of {wanted!r}" if wanted else f"{file}: it holds no record")
    return chosen


def _is_of(line: bytes, wanted: str) -> bool:
    """Whether the record in *line* is of the request, or the call, *wanted*; "" = any."""
    if not wanted:
        return True
    if wanted.encode() not in line:
        return False
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and wanted in {record.get("requestId"), record.get("id")}


def _described(found: Replayed, where: str, source: str) -> Json:
    return {
        "source": where,
        "config": {"source": source, "version": found.version},
        "record": found.record,
        "then": found.then,
        "now": found.now,
        "differs": differences(found),
        "assumed": list(found.assumed),
    }


def _told(found: Replayed, where: str, source: str) -> list[str]:
    record = found.record
    rows = [(name, _cell(each), _cell(other), _state(each)) for name, each, other in _candidates(found)]
    differs = differences(found)
    return [
        f"{where}: request {record.get('requestId', '-')}, {record.get('at', '-')}, {record.get('outcome', '-')}",
        f"route {record['route']}; configuration {record.get('configVersion')} then, now {found.version} ({source})",
        *table(("backend", "then", "now", "circuit then"), rows),
        f"order then: {_names(found.then, 'order')}",
        f"order now: {_names(found.now, 'order')}",
        *(f"differs: {difference}" for difference in differs),
        *([] if differs else ["the plan is the same"]),
        *(f"note: {note}" for note in found.assumed),
    ]


def _candidates(found: Replayed) -> list[tuple[str, Json | None, Json | None]]:
    """Return each backend as it was and as it is, None = not in the route; in today's order, who is gone last."""
    then = {each["backend"]: each for each in found.then["candidates"]}
    now = {each["backend"]: each for each in found.now["candidates"]}
    names = sorted({**now, **then}, key=lambda name: now.get(name, {}).get("position", len(now) + (name not in now)))
    return [(name, then.get(name), now.get(name)) for name in names]


def _standing(candidate: Json | None) -> str:
    if candidate is None:
        return "not in the route"
    if candidate.get("kept"):
        return "kept"
    detail = f" ({candidate['detail']})" if candidate.get("detail") else ""
    return f"dropped: {candidate.get('reason', '')}{detail}"


def _cell(candidate: Json | None) -> str:
    """Return the standing, with the place of who is kept."""
    standing = _standing(candidate)
    return f"kept: {candidate.get('position', 0) + 1}" if candidate and standing == "kept" else standing


def _state(candidate: Json | None) -> str:
    """Return how the backend was when the call was planned, in words."""
    if candidate is None:
        return "-"
    words = [candidate.get("circuit", "-").removeprefix("CIRCUIT_STATE_").lower()]
    if "slowStart" in candidate:
        words.append(f"recovering, {candidate['slowStart']:.0%} of its calls")
    return ", ".join(words)


def _orders(then: Json, now: Json) -> tuple[str, str]:
    """Return both orders, of those that are kept both times: who came or went is said of each by itself."""
    both = set(then.get("order", ())) & set(now.get("order", ()))
    first, second = (", ".join(name for name in plan.get("order", ()) if name in both) for plan in (then, now))
    return first, second


def _hedging(plan: Json) -> str:
    rule = plan.get("hedge", {})
    if "delay" not in rule:
        return f"none ({rule['noHedge']})" if rule.get("noHedge") else "none"
    aim = f" ({rule['target']})" if rule.get("target") else ""
    share = f" for {rule['probability']:.1%} of such calls" if "probability" in rule else ""
    to = f" on {', '.join(rule['to'])}" if rule.get("to") else ""
    return f"after {rule['delay']}{aim}{share}{to}, {rule.get('maxParallel', 0)} lanes at once"


def _failover(plan: Json) -> str:
    return "allowed" if plan.get("failover") else "forbidden"


def _upstream(plan: Json) -> str:
    return str(plan.get("upstream", "-")).removeprefix("UPSTREAM_MODE_").lower()


def _names(plan: Json, field: str) -> str:
    return ", then ".join(plan.get(field, ())) or "nobody"
