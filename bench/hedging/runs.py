"""Run the black box over every seed and setting of one population, one for each core, and have its answers judged."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.hedging.black_box import SIMULATE, Setting, simulate, write_rows, write_sample
from bench.hedging.oracle import Oracle, SingleR
from bench.hedging.populations import RATE, SHIFT_AT, Population
from bench.judge_hedging import Answered, Asked, Spent, Unsound, answered, asked, check, optimum, peeking, sample, spent

Times = NDArray[np.float64]

SURELY = 6.0  # standard deviations
AT_ONCE = os.cpu_count() or 1


class Drawn(IntEnum):
    """What is drawn, each from a stream of its own."""

    ROWS = 1
    KNOWN = 2
    COINS = 3


@dataclass(frozen=True, slots=True)
class Length:
    """How many requests a run has, how many of them are not scored, and how many arrive *per_second*."""

    count: int = 300_000
    warm_up: int = 60_000
    per_second: float = RATE


@dataclass(frozen=True, slots=True)
class Judged:
    """One run: what it was asked, what was answered, what the optimum would have taken, and what was spent."""

    asked: Asked
    answered: Answered
    oracle: Times
    spent: Spent
    warm_up: int

    @property
    def scored(self) -> tuple[Times, Times, Times]:
        """Latencies after warm-up without hedging, with the policy and with the optimum."""
        return self.between(self.warm_up, None)

    def between(self, first: int, behind: int | None) -> tuple[Times, Times, Times]:
        """Latencies of the requests from *first* up to *behind*, in the order of `scored`."""
        none, policy, oracle = self.asked.lanes[0], self.answered.latency, self.oracle
        return none[first:behind], policy[first:behind], oracle[first:behind]


@dataclass(frozen=True, slots=True)
class Job:
    """One run to be made: what is asked, in which file, and what is the best to do *before* and *after* a shift."""

    population: Population
    setting: Setting
    seed: int
    warm_up: int
    path: Path
    asked: Asked
    before: SingleR
    after: SingleR


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs share: the judge's *seed*, the command under test, and how much the optimum knows."""

    seed: int
    command: tuple[str, ...] = SIMULATE
    known: int = 2_000_000  # times of each lane

    def runs(
        self, population: Population, settings: Sequence[Setting], seeds: int, length: Length
    ) -> Mapping[Setting, list[Judged]]:
        """Return for every setting its runs, one for each of *seeds* draws of the population; raises `Unsound`."""
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as executor:
            jobs = list(self._jobs(population, settings, seeds, length, Path(folder)))
            try:
                found = list(executor.map(self._judged, jobs))
            except BaseException:
                executor.shutdown(cancel_futures=True)
                raise
        by_setting: dict[Setting, list[Judged]] = {setting: [] for setting in settings}
        for job, judged in zip(jobs, found, strict=True):
            by_setting[job.setting].append(judged)
        return by_setting

    def _jobs(
        self, population: Population, settings: Sequence[Setting], seeds: int, length: Length, folder: Path
    ) -> Iterator[Job]:
        before = self._known(population, folder, shifted=False)
        after = before if population.after is None else self._known(population, folder, shifted=True)
        best = {each: (before.best(each.share, each.budget), after.best(each.share, each.budget)) for each in settings}
        for seed in range(seeds):
            path = folder / f"{seed}.csv"
            write_rows(path, population.rows(self._chance(Drawn.ROWS, seed), length.count, length.per_second))
            questions = asked(path)
            for setting in settings:
                yield Job(population, setting, seed, length.warm_up, path, questions, *best[setting])

    def _known(self, population: Population, folder: Path, *, shifted: bool) -> Oracle:
        path = folder / "sample.csv"
        write_sample(path, *population.sample(self._chance(Drawn.KNOWN), self.known, shifted=shifted))
        return sample(path)

    def _chance(self, what: Drawn, seed: int = 0) -> Generator:
        return np.random.default_rng([self.seed, seed, what])  # never 0: seeds are padded with it

    def _judged(self, job: Job) -> Judged:
        try:
            answers = self._answers(job)
        except Unsound as fault:
            raise Unsound(f"{job.population.name} at {job.setting.budget:.1%}, seed {job.seed}: {fault}") from None
        coins = Drawn.COINS
        before, after = (optimum(job.asked, each, self._chance(coins, job.seed)) for each in (job.before, job.after))
        shift = SHIFT_AT if job.population.after else 0
        oracle = np.concatenate((before[:shift], after[shift:]))
        money = spent(job.asked, answers, job.setting.budget, job.setting.burst, job.warm_up)
        return Judged(job.asked, answers, oracle, money, job.warm_up)

    def _answers(self, job: Job) -> Answered:
        out = job.path.with_suffix(f".{job.setting.budget}.{job.setting.target}.csv")
        simulate(job.path, out, job.setting, self.seed + job.seed, self.command)
        answers = answered(out, job.asked)
        out.unlink()
        check(job.asked, answers)
        if job.population.independent and (surely := peeking(job.asked, answers)) > SURELY:
            raise Unsound(f"decisions know what is to come ({surely:.0f} standard deviations)")
        return answers
