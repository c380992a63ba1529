"""Break providers on purpose, and see what callers notice: `python -m tests.chaos --help`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos import callers, form, one_of_three, providers, soak
from tests.chaos.form import Form
from tests.chaos.house import House, Plan
from tests.chaos.judge import Verdict

SEED = 20261120
_MORE_TRIES = 2
Scenario = Callable[[int, Form], Verdict]

ALONE: Mapping[str, Scenario] = {
    "cancel": callers.cancel,
    "deadline": callers.deadline,
    "too_many": callers.too_many,
    "light_tail": providers.light_tail,
    "overload": callers.overload,
    "slow_readers": callers.slow_readers,
}
"""Those that need the machine for themselves."""

BESIDE: Mapping[str, Scenario] = {
    **{f"one_of_three/{name}": partial(one_of_three.run, name) for name in one_of_three.MODES},
    "total_outage": providers.total_outage,
    "brown_out": providers.brown_out,
}
"""Those that may run beside the soak and what follows it."""

SOAKING: Mapping[str, Scenario] = {
    "soak": soak.soak,
    "breaker_opens": providers.breaker_opens,
    "breaker_recovers": providers.breaker_recovers,
    "losers": providers.losers,
    "rescued": providers.rescued,
    "pool": providers.pool,
    "killed": providers.killed,
}
"""Mostly waiting."""

ALL: Mapping[str, Scenario] = {**ALONE, **BESIDE, **SOAKING}


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; return 0 when every scenario passed."""
    given = _arguments(arguments)
    chosen = [name for name in ALL if any(fnmatchcase(name, each) for each in given.scenario or ["*"])]
    if not chosen:
        sys.stderr.write(f"no such scenario; there are: {' '.join(ALL)}\n")
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="quickthorn-chaos-") as folder:
        where = Path(given.keep or folder)
        made = (form.short if given.form == "short" else form.full)(where)
        made = replace(made, rate=min(made.rate, given.rate or _rate(made, given.seed)))
        _say(f"{len(chosen)} scenarios, {made.calls} calls of each mode at {made.rate:.0f}/s", given)
        verdicts = _run(chosen, given.seed, made, lambda verdict: _say(verdict.line, given))
        again: list[str] = []
        for _ in range(0 if given.once else _MORE_TRIES):
            if missed := to_play_again(verdicts):
                again += missed
                _say(f"again, each alone: {', '.join(missed)}", given)
                verdicts = _played_again(verdicts, missed, given, made)
    result = summary(verdicts) | {"again": again}
    if given.out:
        _write(Path(given.out), result, verdicts, made, time.monotonic() - began)
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if result["failed"] else 0


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("form", nargs="?", choices=["full", "short"], default="full", help="17 or 7 minutes")
    parser.add_argument("--scenario", action="append", metavar="NAME", help="a pattern of names; may be repeated")
    parser.add_argument("--seed", type=int, default=SEED, help=f"default {SEED}")
    parser.add_argument(
        "--rate", type=float, help="calls a second; default: half of what the machine carries, at most 1000"
    )
    parser.add_argument("--once", action="store_true", help="play nothing twice (see `again` in the last line)")
    parser.add_argument("--json", action="store_true", help="print nothing but the last line")
    parser.add_argument("--out", metavar="FILE", help="write all figures to FILE")
    parser.add_argument("--keep", metavar="FOLDER", help="leave logs and configurations in FOLDER")
    return parser.parse_args(arguments)


def _rate(made: Form, seed: int) -> float:
    """Return half of the calls a second that the server carries with nothing wrong, as a round number."""
    with House("rate", seed, made.folder, Plan()) as house:
        house.warm()
        calls, _ = house.calls(house.job("rate", workers=48, seconds=3.0))
    return max(50.0, sum(seen.ok for seen in calls) / 3.0 / 2 // 50 * 50)


def _run(chosen: Sequence[str], seed: int, made: Form, tell: Callable[[Verdict], None]) -> list[Verdict]:
    """Run scenarios one after the other, two at a time where they do not disturb each other."""
    found: list[Verdict] = []

    def run_all(names: Mapping[str, Scenario]) -> None:
        for name in names:
            if name in chosen:
                found.append(verdict := _one(name, seed, made))
                tell(verdict)

    run_all(ALONE)
    soaking = threading.Thread(target=run_all, args=(SOAKING,))
    soaking.start()
    run_all(BESIDE)
    soaking.join()
    return found


def _one(name: str, seed: int, made: Form) -> Verdict:
    """Run one scenario; whatever goes wrong in it is its fault, for the others still run."""
    try:
        return ALL[name](seed, made)
    except Exception as error:  # noqa: BLE001 - the line above
        return Verdict(name, seed, 0, faults=[f"{type(error).__name__}: {error}"])


def _played_again(
    verdicts: Sequence[Verdict], missed: Sequence[str], given: argparse.Namespace, made: Form
) -> list[Verdict]:
    """Return *verdicts* with those of *missed* as they come out now, each by itself."""
    second: dict[str, Verdict] = {}
    for name in missed:
        second[name] = _one(name, given.seed, made)
        _say(second[name].line, given)
    return [second.get(verdict.name, verdict) for verdict in verdicts]


def to_play_again(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the scenarios to play again, alone, for they miss a figure: those in which no caller's call failed.

    Milliseconds are the machine's, too, and it has other guests; a failed call is nobody's but ours.
    """
    return [verdict.name for verdict in verdicts if verdict.faults and not verdict.failures]


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the figures by the names they are judged by; null = its scenario did not run."""
    figures = {name: value for verdict in verdicts for name, value in verdict.figures.items()}
    bounded = [verdict.amplification for verdict in verdicts if verdict.amplification is not None]
    return {
        "scenarios": len(verdicts),
        "passed": sum(not verdict.faults for verdict in verdicts),
        "failed": sum(bool(verdict.faults) for verdict in verdicts),
        "client_visible_failures": sum(verdict.failures for verdict in verdicts),
        "max_amplification": round(max(bounded), 3) if bounded else None,
        "cancel_p99_ms": figures.get("cancel_p99_ms"),
        "cancel_floor_p99_ms": figures.get("cancel_floor_p99_ms"),
        "rss_growth_mb": next((v.figures["rss_growth_mb"] for v in verdicts if v.name == "soak"), None),
    }


def _write(path: Path, result: dict[str, Any], verdicts: Sequence[Verdict], made: Form, took: float) -> None:
    ran = {"calls": made.calls, "rate": made.rate, "took_s": round(took), "cores": os.cpu_count()}
    machine = {"python": platform.python_version(), "load": [round(each, 2) for each in os.getloadavg()]}
    each = [asdict(verdict) for verdict in verdicts]
    path.write_text(json.dumps({**result, "ran": ran | machine, "verdicts": each}, indent=2) + "\n", "utf-8")


def _say(line: str, given: argparse.Namespace) -> None:
    if not given.json:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
