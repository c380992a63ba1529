"""`quickthorn simulate` for people: try the rules on a log or a profile, print the table, draw the picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import click

from quickthorn_server.cli.options import fail
from quickthorn_server.cli.simulate_source import Asked, Given, given
from quickthorn_server.cli.terminal import say, table
from quickthorn_server.simulation import report as told
from quickthorn_server.simulation.profiles import PROFILES
from quickthorn_server.simulation.recommend import recommended
from quickthorn_server.simulation.report import Report
from quickthorn_server.simulation.trial import Trial, Tried

_POSSIBLE = (0.01, 0.02, 0.03, 0.05, 0.10, 0.20)
_CURVE = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12)
_NO_MATPLOTLIB = "--plot needs matplotlib: pip install 'quickthorn[plots]'"


def list_profiles() -> None:
    """Print the built-in populations."""
    say("\n".join(table(("profile", "what it is"), [(name, each.lanes) for name, each in PROFILES.items()])))


def simulate_for_people(asked: Asked) -> None:
    """Print what the rules come to; exits with 2 and a line that says why where nothing can be told."""
    if asked.plot is not None and find_spec("matplotlib") is None:
        fail(_NO_MATPLOTLIB)
    source = given(asked)
    report, curve = _report(asked, source)
    if asked.as_json:
        click.echo(json.dumps(told.described(report), indent=2))
    else:
        say("\n".join(_lines(report)))
    if asked.plot is not None:
        _draw(asked.plot, report, curve)


def _report(asked: Asked, source: Given) -> tuple[Report, list[Tried]]:
    """Return what was found, and the results at budgets from small to large."""
    every = sorted({*asked.budgets, *(_CURVE if asked.plot else ())})
    terms = source.terms
    with _progress(terms.requests * (1 + Trial.ROUNDS * len(every))) as progress:
        trial = Trial(source.population, terms, progress)
        found = {budget: trial.at(budget) for budget in every}
        tried = [found[budget] for budget in sorted(set(asked.budgets))]
        report = Report(
            source=source.source,
            population=source.population,
            terms=terms,
            without=trial.none,
            tried=tried,
            possible={budget: trial.possible(budget) for budget in _POSSIBLE},
            recommendation=recommended(trial.none, tried, terms),
        )
    return report, list(found.values())


def _lines(report: Report) -> Iterator[str]:
    yield from told.above(report)
    yield ""
    yield from table(told.HEADS, told.rows(report), right=told.RIGHT)
    yield ""
    yield from told.below(report)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how far it is."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=total, label="simulating", file=sys.stderr) as bar:
        yield bar.update


def _draw(file: Path, report: Report, curve: Sequence[Tried]) -> None:
    from quickthorn_server.simulation.plot import drawn  # noqa: PLC0415 - matplotlib is an extra, and slow to load

    try:
        file.write_bytes(drawn(report, curve, file.suffix[1:]))
    except OSError as error:
        fail(f"cannot write {file}: {error.strerror}")
    say(f"drawn: {file}", err=True)
