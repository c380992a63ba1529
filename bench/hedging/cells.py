"""What a cell of the benchmark, one population at one budget, comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from bench.hedging.black_box import Setting
from bench.hedging.populations import BROWN_OUT, GRPC_JAVA, SHIFT_AT, Population
from bench.hedging.runs import Judged
from bench.judge_hedging import Tail, percentile, tail

Times = NDArray[np.float64]

BLOCK = 10_000  # requests
RECOVERED = 0.25  # regret
LIVES = (2_000, 5_000, 20_000)  # requests, cold start included
SELDOM = 20.0  # requests a second: at 1,000, 5,000 of them are over before a stall of 5 s is seen to be one

# Cells that are printed and not scored: there the optimum itself gains under 20 %, or a budget of 5 % more or less
# moves it by over a tenth of the gain.
UNSCORED = {
    "bhope": (0.01, 0.03),
    "stall-2": (0.01,),
    "stall-5": (0.01, 0.02),
    "replicate/70b": (0.01, 0.02),
    "replicate/70b -> groq/70b": (0.01, 0.02, 0.03),
    "replicate/70b -> together/70b": (0.01, 0.02, 0.03),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of the table.  Times in milliseconds, means over the runs; None where the cell has no such figure.

    *figure* is what the group is judged by; *rate*: hedges per request after warm-up; *window*: the most in any ten
    seconds; *overrun* is the most of any run, *overrun_as_sent* the same with hedges counted when they are sent.
    """

    group: str
    population: str
    budget: float
    figure: float
    rate: float
    window: float
    overrun: float
    overrun_as_sent: float
    none_ms: float | None = None
    oracle_ms: float | None = None
    policy_ms: float | None = None
    worst: float | None = None


def scored(population: Population, setting: Setting) -> bool:
    """Return whether the cell counts."""
    return setting.budget not in UNSCORED.get(population.name, ())


def regret(group: str, population: Population, setting: Setting, runs: Sequence[Judged]) -> Cell:
    """Return the mean regret over the runs; one below 0 counts as 0."""
    tails = [_tail(run.scored, setting) for run in runs]
    return _with_tails(group, population, setting, runs, tails)


def life(group: str, requests: int, population: Population, setting: Setting, runs: Sequence[Judged]) -> Cell:
    """Return the regret over the first *requests* of all runs put together: from a cold start, nothing left out."""
    together = [np.concatenate(each) for each in zip(*(run.between(0, requests) for run in runs), strict=True)]
    return _with_tails(group, population, setting, runs, [_tail(together, setting)])


def rate(group: str, population: Population, setting: Setting, runs: Sequence[Judged]) -> Cell:
    """Return the share of hedges after warm-up, the largest of the runs."""
    tails = [_tail(run.scored, setting) for run in runs]
    none, policy = fmean(each.none for each in tails) * 1e3, fmean(each.policy for each in tails) * 1e3
    return _cell(group, population, setting, runs, max(run.spent.rate for run in runs), none=none, policy=policy)


def recovery(population: Population, setting: Setting, runs: Sequence[Judged]) -> Cell:
    """Return how many requests after the shift the regret is small again, the most of the runs."""
    return _cell("shift", population, setting, runs, max(_recovered(run, setting) for run in runs))


def brown_out(population: Population, setting: Setting, runs: Sequence[Judged]) -> Cell:
    """Return by how many points of requests the hedges of those that came in the brown-out exceed the budget."""
    extra = max(_in_brown_out(run) for run in runs) - setting.budget
    return _cell("brown-out", population, setting, runs, extra * 100)


def grpc_java(group: str, setting: Setting, runs: Sequence[Judged]) -> Iterator[Cell]:
    """Yield p95 and p99 in ms of all runs put together, and those of grpc-java's own policy on the same requests.

    That makes 3 attempts, 1 s apart.
    """
    theirs = [_attempts(run.asked.lanes, 3, 1.0) for run in runs]
    extra = fmean(load for _, load in theirs)
    none, policy = (np.concatenate([run.scored[place] for run in runs]) for place in (0, 1))
    own = np.concatenate([times[run.warm_up :] for (times, _), run in zip(theirs, runs, strict=True)])
    for share in (0.95, 0.99):
        name = f"{group}, p{share * 100:.0f}"
        without, ours, other = (percentile(times, share) * 1e3 for times in (none, policy, own))
        mine = _cell(name, GRPC_JAVA, setting, runs, ours, none=without, policy=ours)
        yield mine
        yield replace(mine, group=f"{name}, its own policy", figure=other, policy_ms=other, rate=extra)


def _attempts(lanes: Sequence[Times], attempts: int, apart: float) -> tuple[Times, float]:
    """Return what requests take, and the extra load, if attempts start *apart* seconds after each other in silence."""
    best, extra = lanes[0], 0.0
    for lane in range(1, attempts):
        silent = best > lane * apart
        extra += float(silent.mean())
        best = np.where(silent, np.minimum(best, lane * apart + lanes[lane]), best)
    return best, extra


def _tail(times: Sequence[Times], setting: Setting) -> Tail:
    none, policy, oracle = times
    return tail(policy, none, oracle, setting.share)


def _with_tails(
    group: str, population: Population, setting: Setting, runs: Sequence[Judged], tails: Sequence[Tail]
) -> Cell:
    found = [max(0.0, each.regret) for each in tails]
    none, oracle, policy = (fmean(getattr(each, name) for each in tails) * 1e3 for name in ("none", "oracle", "policy"))
    return _cell(
        group, population, setting, runs, fmean(found), none=none, oracle=oracle, policy=policy, worst=max(found)
    )


def _cell(
    group: str,
    population: Population,
    setting: Setting,
    runs: Sequence[Judged],
    figure: float,
    *,
    none: float | None = None,
    oracle: float | None = None,
    policy: float | None = None,
    worst: float | None = None,
) -> Cell:
    return Cell(
        group,
        population.name,
        setting.budget,
        figure,
        rate=fmean(run.spent.rate for run in runs),
        window=max(run.spent.window for run in runs),
        overrun=max(run.spent.overrun for run in runs),
        overrun_as_sent=max(run.spent.overrun_as_sent for run in runs),
        none_ms=none,
        oracle_ms=oracle,
        policy_ms=policy,
        worst=worst,
    )


def _recovered(run: Judged, setting: Setting) -> int:
    blocks = range(SHIFT_AT, len(run.asked.arrival), BLOCK)
    fine = [_tail(run.between(first, first + BLOCK), setting).regret <= RECOVERED for first in blocks]
    both = (place for place in range(len(fine) - 1) if fine[place] and fine[place + 1])
    return next(both, len(fine)) * BLOCK


def _in_brown_out(run: Judged) -> float:
    arrival = run.asked.arrival
    begins = arrival[SHIFT_AT]
    inside = (arrival >= begins) & (arrival < begins + BROWN_OUT)
    return float(run.answered.hedged[inside].mean())


def figures(cells: Iterable[Cell], group: str) -> list[float]:
    """Return what the cells of *group* came to."""
    return [cell.figure for cell in cells if cell.group == group]
