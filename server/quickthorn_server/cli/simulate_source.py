"""Where the calls of `quickthorn simulate` come from: what was asked, and the log or the profile that it names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from quickthorn_server.cli.options import fail
from quickthorn_server.simulation.csv_logs import Wanted, read_csv
from quickthorn_server.simulation.logs import Billed, Log, LogError
from quickthorn_server.simulation.measure import Bill
from quickthorn_server.simulation.population import FEWEST, Population, of_log, of_pairs
from quickthorn_server.simulation.profiles import PROFILES
from quickthorn_server.simulation.record_logs import read_records
from quickthorn_server.simulation.report import Source, tells, why_untold
from quickthorn_server.simulation.trial import Terms
from quickthorn_server.simulation.words import name as called

_TARGETS = (0.99, 0.95, 0.9)
_MILLION = 1e6
_LISTED = 12  # backends in a message
_STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked on the command line, understood; one of *log* and *profile* is set."""

    log: Path | None
    profile: str | None
    wanted: Wanted
    backend: str | None
    hedge_to: tuple[str, ...]
    budgets: tuple[float, ...]
    target: float | None
    max_parallel: int
    burst: int
    fixed: float | None
    percentile: float
    price: tuple[float, float] | None
    hedge_price: tuple[float, float] | None
    tokens: tuple[float, float]
    cancelled: str
    requests: int
    seed: int
    plot: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class Given:
    """What is simulated: the calls, on which *terms*, and where they come from."""

    source: Source
    population: Population
    terms: Terms


def given(asked: Asked) -> Given:
    """Return the calls that were asked for; exits with 2 and a line that says why where there are none."""
    bill = _priced(asked)
    if asked.log is None:
        population = PROFILES[asked.profile or ""]
        return _on_terms(asked, Source(population.name, None, (), population.lanes), population, bill)
    name = "standard input" if asked.log == _STDIN else str(asked.log)
    log: Log | None = None
    try:
        log = _read(asked.log, asked.wanted)
        first, hedges, remarks = _backends(log, asked)
        population = of_pairs(log) if log.pairs and not asked.backend else of_log(log, first, hedges)
    except LogError as error:
        fail(f"{name}: {error}", *(f"  left out {each}" for each in (log.left_out if log else ())))
    except OSError as error:
        fail(f"cannot read {name}: {error.strerror}")
    known = log.billed.get(first), log.billed.get(hedges[0])
    if bill is None and known[0] is not None:
        bill = _billed(known[0], known[1] or known[0])
    source = Source(name, log.rows, log.left_out, log.says, (*log.remarks, *remarks))
    return _on_terms(asked, source, population, bill)


def _read(file: Path, wanted: Wanted) -> Log:
    """Return the log in *file*.  Raises LogError where it is none, OSError where it cannot be read."""
    text = sys.stdin.read() if file == _STDIN else file.read_text(encoding="utf-8-sig", errors="replace")
    if not text.strip():
        raise LogError("it is empty")
    if "\0" in text:
        raise LogError("it is no text; unpack it first if it is packed")
    lines = StringIO(text, newline="")
    return read_records(lines, wanted.where) if text.lstrip().startswith("{") else read_csv(lines, wanted)


def _backends(log: Log, asked: Asked) -> tuple[str, tuple[str, ...], list[str]]:
    """Return who is asked first, who gets the hedges, and what was assumed of that."""
    names = log.backends()
    if not names:
        raise LogError("it holds no time that can be used")
    for name in filter(None, (asked.backend, *asked.hedge_to)):
        if name not in names:
            raise LogError(f"it has no backend {name}; there are {_counted(names)}")
    if asked.backend is not None:
        return asked.backend, asked.hedge_to or (asked.backend,), []
    if log.order and names.get(log.order[0]):
        return log.order[0], *_in_turn(log.order, names, asked)
    if len(names) > 1 and not log.pairs:
        raise LogError(f"it has {len(names)} backends: say with --backend who is asked first; {_counted(names)}")
    first = next(iter(names))
    return first, asked.hedge_to or (first,), []


def _in_turn(order: Sequence[str], names: dict[str, int], asked: Asked) -> tuple[tuple[str, ...], list[str]]:
    """Return who gets the hedges of recorded calls: the next ones in their order, as far as they are known."""
    if asked.hedge_to:
        return asked.hedge_to, []
    known = tuple(name for name in order[1:] if names.get(name, 0) >= FEWEST)
    if known or len(order) == 1:
        return known or (order[0],), []
    few = f"{order[1]} has {names.get(order[1], 0):,} known times, {FEWEST} are the least: hedges are drawn as if from"
    return (order[0],), [f"{few} {order[0]}"]


def _counted(names: dict[str, int]) -> str:
    listed = [f"{name} ({count:,})" for name, count in names.items()]
    return ", ".join(
        listed if len(listed) <= _LISTED else [*listed[: _LISTED - 1], f"{len(listed) - _LISTED + 1} more"]
    )


def _on_terms(asked: Asked, source: Source, population: Population, bill: Bill | None) -> Given:
    """Settle which percentile is aimed at: the one that was asked for, else the highest that can be told."""
    terms = Terms(
        target=asked.target or _TARGETS[0],
        max_parallel=asked.max_parallel,
        burst=asked.burst,
        requests=asked.requests,
        seed=asked.seed,
        delay=asked.fixed,
        share=asked.percentile,
        bill=bill or Bill(),
        bound=population.bound,
    )
    told = [target for target in _TARGETS if tells(population, terms, target)]
    if tells(population, terms, terms.target):
        return Given(source, population, terms)
    why = why_untold(population, terms, terms.target)
    if not told or asked.target is not None:
        hint = f"; --target {called(told[0])} can" if told else ""
        fail(f"{source.name}: {called(terms.target)} cannot be told: {why}{hint}")
    source = replace(source, remarks=(f"so the target is {called(told[0])}", *source.remarks))
    return Given(source, population, replace(terms, target=told[0]))


def _priced(asked: Asked) -> Bill | None:
    """Return what calls cost by the prices that were given, None = none were."""
    if asked.price is None:
        return None
    first, hedge = (_costs(price, asked) for price in (asked.price, asked.hedge_price or asked.price))
    if not first[0]:
        fail("--price and --tokens make a call cost nothing, so there is no share of it: leave --price out")
    return Bill(*first, *hedge, known=True)


def _costs(price: tuple[float, float], asked: Asked) -> tuple[float, float]:
    """Return what a usual call costs, in USD, and what a cancelled one does."""
    read, written = (each * count / _MILLION for each, count in zip(price, asked.tokens, strict=True))
    return read + written, {"free": 0.0, "so_far": read, "full": read + written}[asked.cancelled]


def _billed(first: Billed, hedge: Billed) -> Bill | None:
    """Return what recorded calls cost; a cancelled lane of which nobody told is taken as billed in full."""
    if not first.served:
        return None
    served = hedge.served if hedge.served is not None else first.served
    lost = [full if each.lost is None else each.lost for each, full in ((first, first.served), (hedge, served))]
    return Bill(first.served, lost[0], served, lost[1], known=True)
