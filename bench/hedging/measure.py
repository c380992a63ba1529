"""What the benchmark measures, and in which order."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.hedging import cells, table
from bench.hedging.black_box import Setting
from bench.hedging.causality import leaks
from bench.hedging.cells import Cell
from bench.hedging.populations import (
    BROWNED,
    EPISODES,
    GRPC_JAVA,
    NEVER_WORSE,
    RARE,
    RATE,
    SCORED,
    SHIFTED,
    Population,
)
from bench.hedging.runs import AT_ONCE, Bench, Length
from bench.judge_hedging import Unsound

PATIENCE = 300  # seconds for all cancels
BENCH = Path(__file__).resolve().parents[1]
BUDGETS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.10)
RARE_BUDGETS = (0.01, 0.02, 0.05)
CHANGE_BUDGETS = (0.02, 0.05)
GRPC_JAVA_BUDGET, GRPC_JAVA_CALLS = 0.111, 2_000


@dataclass(frozen=True, slots=True)
class Form:
    """What is measured: *populations* at *budgets*, *seeds* runs of *length* each; *lives*: runs from a cold start.

    *others* runs do for cells that are not scored and for brown-outs, *few* where hardly anybody is hedged.
    *causal*: the populations that are tested for causality; *whole*: all the other groups, too, and with *cancels*
    cancelled races how long a cancel takes.
    """

    populations: Sequence[Population]
    budgets: Sequence[float]
    seeds: int
    others: int
    few: int
    length: Length
    lives: int
    causal: Sequence[Population]
    cancels: int
    whole: bool

    def at_most(self, runs: int | None) -> Form:
        """Return the same with at most so many *runs* of each cell; None = as it is."""
        if runs is None:
            return self
        fewer = {name: min(runs, getattr(self, name)) for name in ("seeds", "others", "few", "lives")}
        return replace(self, **fewer)

    @property
    def counts(self) -> dict[str, int]:
        """How many requests and runs there are."""
        runs = {"seeds": self.seeds, "others": self.others, "few": self.few, "lives": self.lives}
        return {"requests": self.length.count, "warm_up": self.length.warm_up, **runs}


FORMS = {
    "full": Form(
        SCORED,
        BUDGETS,
        seeds=5,
        others=2,
        few=1,
        length=Length(),
        lives=8,
        causal=SCORED,
        cancels=200,
        whole=True,
    ),
    "short": Form(
        SCORED[:2],
        CHANGE_BUDGETS,
        seeds=1,
        others=1,
        few=1,
        length=Length(100_000, 20_000),
        lives=3,
        causal=SCORED[1:2],
        cancels=0,
        whole=False,
    ),
}


def measure(form: Form, bench: Bench) -> Iterator[Cell]:
    """Measure and yield every cell, one population after the other; raises `Unsound` where an answer cannot be true."""
    for population in form.populations:
        yield from _regrets(population, form, bench)
        yield from _lives(population, form, bench)
    for population in NEVER_WORSE if form.whole else NEVER_WORSE[:1]:
        yield from _rates("never worse", population, form, bench)
    if form.whole:
        yield from _rates("common episodes", EPISODES, form, bench)
        yield from _rare(form, bench)
        yield from _changes(form, bench)
        yield from _grpc_java(form, bench)


def causality(form: Form, bench: Bench) -> Iterator[tuple[str, Sequence[int]]]:
    """Cut runs at three points and yield where; raises `Unsound` where an earlier decision knew what came later."""
    with ThreadPoolExecutor(AT_ONCE) as executor:
        cut = partial(
            leaks, setting=Setting(0.05), seed=bench.seed, count=form.length.count // 3, command=bench.command
        )
        for population, found in zip(form.causal, executor.map(cut, form.causal), strict=True):
            if any(found.values()):
                raise Unsound(f"{population.name}: decisions that changed with what came later, by cut: {found}")
            yield population.name, tuple(found)


def cancelling(count: int) -> dict[str, float | None]:
    """Return how long after a race's cancel its connections are closed, beside a bare socket that is closed."""
    if not count:
        return {"cancel_p99_ms": None, "cancel_floor_p99_ms": None}
    command = [sys.executable, str(BENCH / "cancel_close.py"), str(count)]
    done = subprocess.run(  # noqa: S603 - our own
        command, check=True, capture_output=True, text=True, cwd=BENCH.parent, timeout=PATIENCE
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return {"cancel_p99_ms": found["cancel_race"]["p99"], "cancel_floor_p99_ms": found["floor_close"]["p99"]}


def _regrets(population: Population, form: Form, bench: Bench) -> Iterator[Cell]:
    found: list[Cell] = []
    for group, seeds in (("scored", form.seeds), ("not scored", form.others)):
        counts = [each for each in map(Setting, form.budgets) if cells.scored(population, each) == (group == "scored")]
        runs = bench.runs(population, counts, seeds, form.length) if counts else {}
        found += (cells.regret(group, population, *each) for each in runs.items())
    yield from sorted(found, key=lambda cell: cell.budget)


def _lives(population: Population, form: Form, bench: Bench) -> Iterator[Cell]:
    settings = [setting for setting in map(Setting, form.budgets) if cells.scored(population, setting)]
    for per_second in (RATE, cells.SELDOM):
        length = Length(max(cells.LIVES), 0, per_second)
        for setting, runs in bench.runs(population, settings, form.lives, length).items():
            for requests in cells.LIVES:
                yield cells.life(table.life(requests, per_second), requests, population, setting, runs)


def _rates(group: str, population: Population, form: Form, bench: Bench) -> Iterator[Cell]:
    for setting, runs in bench.runs(population, list(map(Setting, form.budgets)), form.few, form.length).items():
        yield cells.rate(group, population, setting, runs)


def _rare(form: Form, bench: Bench) -> Iterator[Cell]:
    settings = [Setting(budget, target="p99.9") for budget in RARE_BUDGETS]
    for setting, runs in bench.runs(RARE, settings, form.seeds, form.length).items():
        yield cells.regret("p99.9", RARE, setting, runs)


def _changes(form: Form, bench: Bench) -> Iterator[Cell]:
    settings = list(map(Setting, CHANGE_BUDGETS))
    for population in SHIFTED:
        for setting, runs in bench.runs(population, settings, form.seeds, form.length).items():
            yield cells.recovery(population, setting, runs)
    for population in BROWNED:
        for setting, runs in bench.runs(population, settings, form.others, form.length).items():
            yield cells.brown_out(population, setting, runs)


def _grpc_java(form: Form, bench: Bench) -> Iterator[Cell]:
    setting = Setting(GRPC_JAVA_BUDGET, max_parallel=3)
    for group, seeds, length in (
        ("grpc-java", form.seeds, form.length),
        ("grpc-java, 2,000 calls", form.lives, Length(GRPC_JAVA_CALLS, 0)),
    ):
        runs = bench.runs(GRPC_JAVA, [setting], seeds, length)[setting]
        yield from cells.grpc_java(group, setting, runs)
