"""The hedging benchmark: draws requests, has `quickthorn simulate` answer them, and prints one JSON object at the end.

Usage: python -m bench.hedging [full|short] [--seed N] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import json
import secrets
import shlex
import sys
import time
from dataclasses import asdict
from pathlib import Path

from bench.hedging import table
from bench.hedging.black_box import SIMULATE
from bench.hedging.measure import FORMS, Form, cancelling, causality, measure
from bench.hedging.runs import Bench
from bench.judge_hedging import Unsound
from bench.run import machine, say


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and the figures; 1 where an answer cannot be true."""
    parser = argparse.ArgumentParser(prog="python -m bench.hedging", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("form", nargs="?", choices=FORMS, default="full")
    parser.add_argument("--seed", type=int, default=None, help="of all draws; drawn where not given")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep figures and cells there, too")
    parser.add_argument("--command", type=shlex.split, default=SIMULATE, help="what is run instead of the simulator")
    given = parser.parse_args(arguments)
    seed = secrets.randbelow(2**31) if given.seed is None else given.seed
    try:
        _report(FORMS[given.form], Bench(seed, tuple(given.command)), given.keep)
    except Unsound as fault:
        print(f"unsound: {fault}", file=sys.stderr)
        return 1
    return 0


def _report(form: Form, bench: Bench, keep: Path | None) -> None:
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
        "n": {"requests": form.length.count, "warm_up": form.length.warm_up, "seeds": form.seeds, "lives": form.lives},
        "machine": machine() | {"took_s": round(time.perf_counter() - began)},
    }
    lines = (*table.lines(cells), "", *table.early(cells), f"missed: {', '.join(table.missed(figures)) or 'nothing'}")
    print("\n".join((*lines, json.dumps(found, indent=2))))
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        Path(keep, "hedging.json").write_text(json.dumps(found, indent=2) + "\n")
        rows = ",\n".join(json.dumps(asdict(cell)) for cell in cells)
        Path(keep, "table.txt").write_text("\n".join(lines) + "\n")
        Path(keep, "cells.json").write_text(f"[\n{rows}\n]\n")


if __name__ == "__main__":
    sys.exit(main())
