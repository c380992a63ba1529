"""The hedging benchmark: draws requests, has `quickthorn simulate` answer them, and prints one JSON object at the end.

Usage: python -m bench.hedging [full|short] [--seed N] [--seeds N] [--keep FOLDER]
With --keep, figures, table and cells are kept, for `bench.hedging.plots` and `bench.hedging.page` to show.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shlex
import sys
import time
from pathlib import Path

from bench.hedging import table
from bench.hedging.black_box import SIMULATE
from bench.hedging.kept import keep
from bench.hedging.measure import FORMS, Form, cancelling, causality, measure
from bench.hedging.runs import Bench
from bench.hedging.samples import MEASURED
from bench.judge_hedging import Unsound
from bench.run import machine, say


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and the figures; 1 where an answer cannot be true."""
    parser = argparse.ArgumentParser(prog="python -m bench.hedging", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("form", nargs="?", choices=FORMS, default="full")
    parser.add_argument("--seed", type=int, default=None, help="of all draws; drawn where not given")
    parser.add_argument("--seeds", type=int, metavar="N", help="at most so many runs of each cell, for a quicker look")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep cells there, and figures beside it")
    parser.add_argument("--command", type=shlex.split, default=SIMULATE, help="what is run instead of the simulator")
    given = parser.parse_args(arguments)
    if FORMS[given.form].at_most(given.seeds).whole and not MEASURED.exists():
        parser.error(f"the measured latencies are not here ({MEASURED}); `short` needs none")
    seed = secrets.randbelow(2**31) if given.seed is None else given.seed
    try:
        _report(FORMS[given.form].at_most(given.seeds), Bench(seed, tuple(given.command)), given.keep)
    except Unsound as fault:
        print(f"unsound: {fault}", file=sys.stderr)
        return 1
    return 0


def _report(form: Form, bench: Bench, folder: Path | None) -> None:
    began, cells = time.perf_counter(), []
    say("seed", bench.seed)
    for name, cuts in causality(form, bench):
        say("causal", f"{name}, cut at {cuts}")
    for cell in measure(form, bench):
        cells.append(cell)
        say(
            f"{time.perf_counter() - began:5.0f} s",
            f"{cell.group}: {cell.population} {cell.budget:.1%}: {cell.figure:.4g}",
        )
    figures = table.summary(cells) | cancelling(form.cancels)
    found = {
        **figures,
        "seed": bench.seed,
        "n": form.counts,
        "machine": machine() | {"took_s": round(time.perf_counter() - began)},
    }
    lines = (*table.lines(cells), "", *table.early(cells), f"missed: {', '.join(table.missed(figures)) or 'nothing'}")
    print("\n".join((*lines, json.dumps(found, indent=2))))
    if folder:
        keep(folder, found, cells, lines)


if __name__ == "__main__":
    sys.exit(main())
