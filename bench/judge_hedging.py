"""The judge of the hedging benchmark: reads what the simulator was given and what it answered, and nothing else.

It knows no policy: requests, answers and, for the optimum, a sample of the population, all three as CSV.
Usage: python -m bench.judge_hedging IN.csv OUT.csv --budget 2% [--burst 50] [--target p99] [--warm-up 60000]
[--sample SAMPLE.csv]
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.hedging.oracle import Oracle, SingleR

Times = NDArray[np.float64]

SLACK = 2e-6  # seconds: what writing times to the microsecond may cost
WINDOW = 10.0  # seconds
FEW = 100  # requests from which nothing is concluded


class Unsound(Exception):  # noqa: N818 - it is a verdict
    """An answer contradicts the request, or itself; the message says where and how."""


@dataclass(frozen=True, slots=True)
class Asked:
    """IN.csv: when requests came, how large they are, and what each lane takes if run alone."""

    request: Times
    arrival: Times
    tokens: Times
    lanes: tuple[Times, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """OUT.csv: the planned delay (NaN: none), the hedges that were started, and what the request took."""

    delay: Times
    hedged: NDArray[np.int64]
    latency: Times


@dataclass(frozen=True, slots=True)
class Tail:
    """A percentile without hedging, with the policy and with the optimum, in seconds."""

    none: float
    policy: float
    oracle: float

    @property
    def regret(self) -> float:
        """0: as good as the optimum; 1: as if nothing had been hedged.  Below 0 where the optimum's coin fell badly."""
        gain = self.none - self.oracle
        return (self.policy - self.oracle) / gain if gain > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What was hedged: *rate* per request, *window*: the most per request in ten seconds, *overrun*: 1 at most.

    *overrun* counts a hedge with its request, *overrun_as_sent* when it was sent, among the requests that came then.
    """

    rate: float
    overrun: float
    overrun_as_sent: float
    window: float


def asked(path: Path) -> Asked:
    """Read IN.csv."""
    lanes = [name for name in _names(path) if name == "primary_s" or (name.startswith("hedge") and name.endswith("_s"))]
    request, arrival, tokens, *times = _columns(path, ("request", "arrival_s", "input_tokens", *lanes))
    return Asked(request, arrival, tokens, tuple(times))


def answered(path: Path, questions: Asked) -> Answered:
    """Read OUT.csv, whose rows must be those of IN.csv in the same order."""
    request, delay, hedged, latency = _columns(path, ("request", "delay_s", "hedged", "latency_s"))
    if not np.array_equal(request, questions.request):
        raise Unsound("the answers are not those of the requests, or in another order")
    return Answered(delay, hedged.astype(np.int64), latency)


def reasons(path: Path) -> list[str]:
    """Read what OUT.csv gives as reasons."""
    with path.open(newline="") as file:
        return [row["reason"] for row in csv.DictReader(file)]


def _names(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return next(csv.reader(file), [])


def _columns(path: Path, wanted: Sequence[str]) -> NDArray[np.float64]:
    """Return the *wanted* columns as numbers; what is empty is NaN."""
    names = _names(path)
    if missing := set(wanted) - set(names):
        raise Unsound(f"{path.name} lacks {', '.join(sorted(missing))}")
    places = [names.index(name) for name in wanted]
    text = StringIO(path.read_text().replace(",,", ",nan,"))
    try:
        return np.loadtxt(text, delimiter=",", quotechar='"', skiprows=1, usecols=places, unpack=True, ndmin=2)
    except ValueError as fault:
        raise Unsound(f"{path.name}: {fault}") from None


def check(questions: Asked, answers: Answered) -> None:
    """Raise `Unsound` unless every hedge began in silence, and every latency is that of the fastest lane."""
    most = len(questions.lanes) - 1
    _all((answers.hedged >= 0) & (answers.hedged <= most), f"hedged is not between 0 and {most}")
    _all((answers.hedged == 0) | ~np.isnan(answers.delay), "a hedge without a delay")
    _all(np.isnan(answers.delay) | (answers.delay >= 0), "a negative delay")
    best = questions.lanes[0]
    for lane, times in enumerate(questions.lanes[1:], start=1):
        starts = lane * answers.delay
        started = answers.hedged >= lane
        _all(~started | (best > starts - SLACK), f"hedge {lane} began although a lane had spoken")
        best = np.where(started, np.minimum(best, starts + times), best)
    _all(np.abs(answers.latency - best) <= SLACK, "the latency is not that of the fastest lane")


def _all(fine: NDArray[np.bool_], fault: str) -> None:
    if not fine.all():
        first = int(np.argmin(fine))
        raise Unsound(f"row {first + 1}: {fault} ({int(np.sum(~fine))} such rows)")


def percentile(times: Times, share: float) -> float:
    """Return the order statistic ceil(share n)."""
    place = math.ceil(round(share * len(times), 6)) - 1
    return float(np.partition(times, place)[place])


def overrun(hedged: NDArray[np.int64], budget: float, burst: int) -> float:
    """Return the most, over all runs of n consecutive requests, of (hedges - budget n) / burst."""
    return _worst_run(hedged.astype(np.float64) - budget) / burst


def _overrun_as_sent(questions: Asked, answers: Answered, budget: float, burst: int) -> float:
    sent = [
        questions.arrival[answers.hedged >= lane] + lane * answers.delay[answers.hedged >= lane]
        for lane in range(1, len(questions.lanes))
    ]
    instants = np.concatenate((questions.arrival, *sent))
    steps = np.where(np.arange(len(instants)) < len(questions.arrival), -budget, 1.0)
    return _worst_run(steps[np.argsort(instants, kind="stable")]) / burst


def _worst_run(steps: Times) -> float:
    """Return the greatest sum of consecutive *steps*."""
    level = np.concatenate(([0.0], np.cumsum(steps)))
    return float(np.max(level - np.minimum.accumulate(level)))


def spent(questions: Asked, answers: Answered, budget: float, burst: int, warm_up: int) -> Spent:
    """Return what was hedged: the rate after *warm_up*, overrun and windows from the first request on."""
    window = (questions.arrival // WINDOW).astype(np.int64)
    requests = np.bincount(window)
    shares = np.bincount(window, weights=answers.hedged) / np.maximum(1, requests)
    full = requests >= requests.max() / 2  # the last window ends with the requests
    return Spent(
        rate=float(answers.hedged[warm_up:].mean()),
        overrun=overrun(answers.hedged, budget, burst),
        overrun_as_sent=_overrun_as_sent(questions, answers, budget, burst),
        window=float(shares[full].max()),
    )


def tail(policy: Times, none: Times, oracle: Times, share: float) -> Tail:
    """Return the percentile *share* of the same requests under three policies."""
    return Tail(percentile(none, share), percentile(policy, share), percentile(oracle, share))


def optimum(questions: Asked, best: SingleR, chance: Generator) -> Times:
    """Return what the requests take under the optimum, with its own coin."""
    return best.latencies(questions.lanes[0], questions.lanes[1], chance)[0]


def peeking(questions: Asked, answers: Answered) -> float:
    """Return how surely decisions know what no server could, in standard deviations; for independent requests only.

    Whether and after which delay a hedge is planned cannot depend on how long the first lane is going to take, and
    whether it is started, given that the first lane is silent then, cannot depend on how long the hedge is going to.
    """
    planned = np.nan_to_num(answers.delay, nan=1e9)
    silent = questions.lanes[0] > planned
    pairs = [(planned, questions.lanes[0])]
    if not questions.lanes[2:]:  # with more, a later hedge depends on what an earlier one took
        pairs.append((answers.hedged[silent].astype(float), questions.lanes[1][silent]))
    return max(_dependence(*pair) for pair in pairs)


def _dependence(one: Times, other: Times) -> float:
    if len(one) < FEW or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    ranks = [np.unique(each, return_inverse=True)[1].astype(float) for each in (one, other)]
    return float(abs(np.corrcoef(ranks[0], ranks[1])[0, 1]) * math.sqrt(len(one)))


def sample(path: Path) -> Oracle:
    """Read what is known of a population: the times of first lanes and of hedges."""
    primary, hedge = np.loadtxt(path, delimiter=",", skiprows=1, unpack=True)
    return Oracle(primary, hedge)


def main(arguments: list[str] | None = None) -> int:
    """Judge one run and print one JSON object; 1 where it is unsound."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.judge_hedging", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("requests", type=Path, metavar="IN.csv")
    parser.add_argument("answers", type=Path, metavar="OUT.csv")
    parser.add_argument("--budget", type=lambda text: float(text.rstrip("%")) / 100, required=True, metavar="2%")
    parser.add_argument("--burst", type=int, default=50)
    parser.add_argument("--target", type=lambda text: float(text.lstrip("p")) / 100, default=0.99, metavar="p99")
    parser.add_argument("--warm-up", type=int, default=60_000)
    parser.add_argument("--sample", type=Path, metavar="SAMPLE.csv", help="what the optimum is computed from")
    parser.add_argument("--seed", type=int, default=0, help="of the optimum's coin")
    given = parser.parse_args(arguments)
    questions = asked(given.requests)
    try:
        answers = answered(given.answers, questions)
        check(questions, answers)
    except Unsound as fault:
        print(f"unsound: {fault}", file=sys.stderr)
        return 1
    found = asdict(spent(questions, answers, given.budget, given.burst, given.warm_up))
    if given.sample:
        best = sample(given.sample).best(given.target, given.budget)
        policy, none = answers.latency[given.warm_up :], questions.lanes[0][given.warm_up :]
        seen = tail(
            policy, none, optimum(questions, best, np.random.default_rng(given.seed))[given.warm_up :], given.target
        )
        found |= asdict(seen) | {"regret": seen.regret, "delay": best.delay, "probability": best.probability}
    print(json.dumps(found | {"peeking": peeking(questions, answers)}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
