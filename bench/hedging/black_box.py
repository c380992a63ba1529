"""The simulator as a black box: a file goes in, a file comes out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.hedging.populations import Rows
from bench.judge_hedging import Unsound

Times = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[2]
SIMULATE = (sys.executable, "-m", "quickthorn_server", "simulate")
PATIENCE = 300  # seconds


@dataclass(frozen=True, slots=True)
class Setting:
    """What the policy is told: the budget as a share of requests, the rest as the command has it."""

    budget: float
    target: str = "p99"
    burst: int = 50
    max_parallel: int = 2

    @property
    def share(self) -> float:
        """The target percentile as a share of requests."""
        return round(float(self.target.removeprefix("p")) / 100, 6)

    @property
    def words(self) -> tuple[str, ...]:
        """The options of the command."""
        budget = f"{round(self.budget * 100, 6):g}%"
        told = {"target": self.target, "budget": budget, "burst": self.burst, "max-parallel": self.max_parallel}
        return tuple(str(word) for name, value in told.items() for word in (f"--{name}", value))


def write_rows(path: Path, rows: Rows) -> None:
    """Write IN.csv."""
    hedges = ["hedge_s", *(f"hedge{lane}_s" for lane in range(2, len(rows.lanes)))]
    columns: Iterable[list[float]] = (each.tolist() for each in (rows.arrival, rows.tokens, *rows.lanes))
    lines = (",".join(map(repr, row)) for row in zip(range(len(rows)), *columns, strict=True))
    path.write_text("\n".join((",".join(("request", "arrival_s", "input_tokens", "primary_s", *hedges)), *lines, "")))


def write_sample(path: Path, primary: Times, hedge: Times) -> None:
    """Write what the judge may know of a population."""
    lines = (f"{one:.9g},{other:.9g}" for one, other in zip(primary.tolist(), hedge.tolist(), strict=True))
    path.write_text("\n".join(("primary_s,hedge_s", *lines, "")))


def simulate(requests: Path, answers: Path, setting: Setting, seed: int, command: tuple[str, ...] = SIMULATE) -> None:
    """Run `quickthorn simulate` over *requests*; raises `Unsound` with its words where it fails."""
    words = ("--replay", str(requests), "--policy", "auto", *setting.words, "--seed", str(seed), "--out", str(answers))
    done = subprocess.run(  # noqa: S603 - our own command
        (*command, *words), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode:
        raise Unsound(f"{' '.join((*command, *words))} ended with {done.returncode}: {done.stderr.strip()}")
