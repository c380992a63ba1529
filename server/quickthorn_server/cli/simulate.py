"""`quickthorn simulate`: what hedging would buy, and what it would cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from quickthorn_server.cli.simulate_options import LOG, SECTIONS, Sectioned
from quickthorn_server.cli.simulate_people import list_profiles, simulate_for_people
from quickthorn_server.cli.simulate_replay import Setting, play
from quickthorn_server.cli.simulate_source import Asked
from quickthorn_server.simulation.csv_logs import Wanted

_PICTURES = (".png", ".svg")
_OF_LOG = ("column", "unit", "by", "where", "backend", "hedge_to")
_OF_COLUMNS = {"column", "unit", "by", "where"}
_FOR_PEOPLE = ("profile", "plot", "as_json", *_OF_LOG)
_USUAL_BUDGET, _USUAL_TARGET = 0.05, 0.99


@click.command(cls=Sectioned, params=[LOG, *(option for options in SECTIONS.values() for option in options)])
def simulate(
    log: Path | None, *, replay: Path | None, policy: Any, out: Path | None, lists: bool, **options: Any
) -> None:
    """Say what hedging would buy, from a latency log or a built-in profile.

    LOG is a CSV with times to first content (`-`: standard input), or the decision records that `quickthorn serve
    --records` writes. Calls are drawn from it and played through five rules: none, a fixed delay, a percentile,
    `delay: auto`, and an oracle that knows every time beforehand. Nothing is sent to anybody.

    \b
    quickthorn simulate requests.csv                          what would 5 % more requests buy?
    quickthorn simulate requests.csv --budget 1% --budget 5%  which budget is enough?
    quickthorn simulate decisions.jsonl --plot hedging.png    decide from a picture
    quickthorn simulate log.csv --by provider --backend slow --hedge-to fast
    quickthorn simulate --profile stall --price 0.25,2.00     no log at hand; what would it cost?

    Rows without a usable time are left out, counted and named. A percentile is told only where five times or more lie
    beyond it: p99 takes 500 rows, p99.9 takes 5,000. From fewer than 100 nothing is told.

    For machines, --replay: IN is CSV with the columns request, arrival_s, input_tokens, primary_s, hedge_s (and
    hedge2_s, hedge3_s for more lanes), and every row must be right. OUT gets request, delay_s, hedged, latency_s,
    reason.

    Exit status 0: done. 2: the arguments, or what is in the file, are wrong; standard error says how.
    """  # noqa: D301 - click reads \b as: do not wrap
    if lists:
        list_profiles()
    elif replay is not None:
        play(replay, out, _setting(log, policy, options))
    elif out is not None:
        raise click.UsageError("--out belongs to --replay; for people there are --plot and --json")
    else:
        simulate_for_people(_asked(log, options))


def _setting(log: Path | None, policy: Any, options: dict[str, Any]) -> Setting:
    """Return how to play one policy; what is for people is refused, not ignored."""
    if log is not None:
        raise click.UsageError("--replay names the calls already: leave out LOG")
    if named := [name for name in _FOR_PEOPLE if options[name]]:
        raise click.UsageError(f"{_flag(named[0])} is of no use with --replay")
    if len(budgets := options["budgets"] or (_USUAL_BUDGET,)) > 1:
        raise click.UsageError("--replay plays one policy at one --budget")
    return Setting(
        policy=policy,
        target=options["target"] or _USUAL_TARGET,
        budget=budgets[0],
        burst=options["burst"],
        max_parallel=options["max_parallel"],
        seed=options["seed"],
    )


def _asked(log: Path | None, options: dict[str, Any]) -> Asked:
    """Return what was asked, as far as it can be understood without looking into the log."""
    if log is None and options["profile"] is None:
        raise click.UsageError("name a LOG, or a --profile: --list-profiles lists them")
    if log is not None and options["profile"] is not None:
        raise click.UsageError("name a LOG or a --profile, not both")
    if log is None and (named := [name for name in _OF_LOG if options[name]]):
        raise click.UsageError(f"{_flag(named[0])} is about a LOG, and none is named")
    if (plot := options["plot"]) is not None and plot.suffix not in _PICTURES:
        raise click.UsageError(f"--plot draws into {' or '.join(_PICTURES)}, not into {plot.name}")
    if options["hedge_price"] is not None and options["price"] is None:
        raise click.UsageError("--hedge-price needs --price beside it")
    wanted = Wanted(**{name: options[name] for name in _OF_COLUMNS})
    taken = {name: value for name, value in options.items() if name not in _OF_COLUMNS}
    return Asked(log=log, wanted=wanted, **{**taken, "budgets": taken["budgets"] or (_USUAL_BUDGET,)})


def _flag(name: str) -> str:
    return "--json" if name == "as_json" else f"--{name.replace('_', '-')}"
