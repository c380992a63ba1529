"""What is drawn from a log is what the log says, and the oracle is the best that one delay and one coin can do."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice, product
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickthorn_server.simulation.engine import Row
from quickthorn_server.simulation.logs import Log, Timed
from quickthorn_server.simulation.measure import Bill, Measured, measured, percentile
from quickthorn_server.simulation.oracle import Oracle
from quickthorn_server.simulation.population import Curve, of_log
from quickthorn_server.simulation.profiles import PROFILES
from quickthorn_server.simulation.recommend import recommended
from quickthorn_server.simulation.trial import Terms, Trial, Tried


def lanes(*times: float, backend: str = "a", tokens: int = 0) -> list[Timed]:
    """Return lanes; a negative time is that of one that was stopped."""
    return [Timed(backend, abs(time), time > 0, tokens) for time in times]


def rows(*pairs: tuple[float, ...]) -> list[Row]:
    """Return calls with these lanes."""
    return [Row(float(place), 0, pair) for place, pair in enumerate(pairs)]


@pytest.mark.parametrize(
    ("times", "shares", "expected", "unknown"),
    [
        ((1, 2, 4, 8), (0.0, 0.125, 0.25, 0.375, 0.875, 1.0), (1, 1, 2**0.5, 2, 8, 8), 0.0),
        ((1, -1, 4), (0.1, 5 / 12, 0.9), (1, 2, 4), 0.0),
        ((1, 2, -3, -3), (0.1, 0.4, 0.51, 0.9), (1, 2, 3, 3), 0.5),
        ((5,), (0.0, 0.3, 1.0), (5, 5, 5), 0.0),
    ],
)
def test_a_curve_is_kaplan_and_meiers(
    times: tuple[float, ...], shares: tuple[float, ...], expected: tuple[float, ...], unknown: float
) -> None:
    """The share of a lane that was stopped goes to those that lasted longer; behind the last, it is unknown."""
    curve = Curve(lanes(*times))
    assert [curve.at(share) for share in shares] == pytest.approx(list(expected))
    assert curve.unknown == pytest.approx(unknown)


def test_drawn_calls_have_the_distribution_of_the_log() -> None:
    """Both lanes, and the same calls for the same seed."""
    dice = random.Random(3)
    log = Log(tuple(lanes(*(dice.lognormvariate(0, 1) for _ in range(2000)))), 2000, "x", rate=50.0)
    population = of_log(log, "a", ("a",))
    drawn = population.rows(20_000, 2, seed=5)
    assert drawn == population.rows(20_000, 2, seed=5)
    for place, share in product((0, 1), (0.1, 0.5, 0.9, 0.99)):
        there = percentile(sorted(lane.seconds for lane in log.lanes), share)
        assert percentile(sorted(row.lanes[place] for row in drawn), share) == pytest.approx(there, rel=0.1)
    assert drawn[-1].arrival == pytest.approx(20_000 / 50, rel=0.05)


def test_sizes_bind_the_lanes_of_a_call() -> None:
    """Where the log has sizes, a long input is long for the hedge, too: it is slow as well."""
    sized = [Timed("a", 1.0 + tokens / 100, True, tokens) for tokens in range(1, 1001)] * 2
    drawn = of_log(Log(tuple(sized), 2000, "x"), "a", ("a",)).rows(2000, 2, seed=1)
    assert all(abs(row.lanes[0] - row.lanes[1]) < 1.5 for row in drawn)
    assert min(row.lanes[0] for row in drawn) < 2
    assert max(row.lanes[0] for row in drawn) > 10


def test_what_was_stopped_bounds_what_is_known() -> None:
    """A percentile that no lane was let reach is at least so long; an early stop bounds nothing."""
    log = Log(tuple(lanes(*[0.5] * 9800, *[-0.8] * 200)), 10_000, "x")
    population = of_log(log, "a", ("a",))
    assert population.bound == 0.8
    assert population.remarks == (
        "a: the slowest 2.00% were all stopped before they spoke; > marks what may be any longer for it",
    )
    assert of_log(Log(tuple(lanes(*[0.5] * 200, -0.4)), 201, "x"), "a", ("a",)).bound == inf


def brute(calls: list[Row], share: float, budget: float) -> float:
    """Return the least percentile over all delays, each with the largest probability that the budget pays."""
    allowed = len(calls) - round(share * len(calls))
    ends = sorted({row.lanes[0] for row in calls})
    least = (
        ends[len(calls) - allowed - 1] if len(ends) == len(calls) else sorted(r.lanes[0] for r in calls)[-allowed - 1]
    )
    for delay in (0.0, *ends):
        silent = [row for row in calls if row.lanes[0] > delay]
        if not silent:
            continue
        q = min(1.0, budget * len(calls) / len(silent))
        for time in sorted({*ends, *(delay + row.lanes[1] for row in silent)}):
            slow = [row for row in calls if row.lanes[0] > time]
            rescued = sum(delay + row.lanes[1] <= time for row in slow if row.lanes[0] > delay)
            if len(slow) - q * rescued <= allowed + 1e-9:
                least = min(least, time)
    return least


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.1, 0.3]), st.sampled_from([0.8, 0.9]))
def test_the_oracle_finds_the_best(seed: int, budget: float, share: float) -> None:
    """As trying every delay and every time does."""
    dice = random.Random(seed)
    calls = rows(*((dice.lognormvariate(0, 1.5), dice.lognormvariate(0, 1.5)) for _ in range(30)))
    best = Oracle(calls).best(share, budget, 2)
    assert best.time == pytest.approx(brute(calls, share, budget), rel=1e-6)


@pytest.mark.parametrize(
    ("stalls", "target", "budget", "lanes", "below"), [(0.02, 0.99, 0.02, 2, 1.0), (0.1, 0.995, 0.115, 3, 2.0)]
)
def test_the_oracle_keeps_to_its_budget(stalls: float, target: float, budget: float, lanes: int, below: float) -> None:
    """By its coin, and counting every lane of a call that starts more than one hedge."""
    dice = random.Random(1)
    times = iter(lambda: 20.0 if dice.random() < stalls else dice.lognormvariate(-1.4, 0.35), None)
    calls = rows(*(tuple(islice(times, 4)) for _ in range(20_000)))
    oracle = Oracle(calls)
    best = oracle.best(target, budget, 4)
    assert best.lanes == lanes
    found = measured("oracle", "", calls, oracle.outcomes(calls, best, 1), Bill())
    assert found.load == pytest.approx(budget, rel=0.05)
    assert found.at(target) == pytest.approx(best.time, rel=0.1)
    assert best.time < below < oracle.best(target, budget / 10, 4).time


def test_the_oracle_gains_nothing_where_lanes_are_alike() -> None:
    """For it looks at both lanes of a call together."""
    dice = random.Random(1)
    times = [dice.lognormvariate(0, 1.5) for _ in range(1000)]
    calls = rows(*((time, time) for time in times))
    assert Oracle(calls).best(0.99, 0.1, 2).time == pytest.approx(percentile(sorted(times), 0.99), rel=1e-6)


def test_warm_up_does_not_count() -> None:
    """The first fifth of the calls teaches the rules, and is in no percentile."""
    terms = replace(TERMS, requests=1000)
    trial = Trial(PROFILES["stall"], terms, lambda _: None)
    drawn = PROFILES["stall"].rows(1000, 2, terms.seed)
    assert trial.none.times == sorted(row.lanes[0] for row in drawn[200:])
    assert [len(rule.times) for rule in trial.at(0.05).rules] == [800] * 4


TERMS = Terms(target=0.5, max_parallel=2, burst=50, requests=100, seed=1, delay=None, share=0.95, bill=Bill())


def result(rule: str, setting: str, *times: float) -> Measured:
    """Return what a rule came to."""
    return Measured(rule, setting, sorted(times), 0.05, 0.05, 0.05)


def tried(budget: float, fixed: float, auto: float, oracle: float, far: float = 9.0) -> Tried:
    """Return what the rules came to at one budget; *far*: the longest time with a fixed delay."""
    return Tried(
        budget,
        fixed=result("fixed", "12ms", fixed, fixed, far),
        percentile=result("percentile", "p95", 10, 10, 10),
        auto=result("auto", "p50", auto, auto, 9),
        oracle=result("oracle", "p50", oracle, oracle, 9),
    )


@pytest.mark.parametrize(
    ("found", "budget", "delay"),
    [
        ([tried(0.05, fixed=4, auto=2, oracle=1)], 0.05, "auto, target: p50"),
        ([tried(0.05, fixed=2, auto=2.05, oracle=1)], 0.05, "auto, target: p50"),
        ([tried(0.05, fixed=2, auto=4, oracle=1)], 0.05, "12ms"),
        ([tried(0.01, fixed=9, auto=8, oracle=1), tried(0.1, fixed=9, auto=2, oracle=1)], 0.1, "auto, target: p50"),
        ([tried(0.01, fixed=9, auto=2.3, oracle=1), tried(0.1, fixed=9, auto=2, oracle=1)], 0.01, "auto, target: p50"),
        ([tried(0.05, fixed=10, auto=9.5, oracle=1)], None, ""),
        ([tried(0.05, fixed=10, auto=10, oracle=9.5)], None, ""),
    ],
)
def test_what_is_recommended(found: list[Tried], budget: float | None, delay: str) -> None:
    """The smallest budget with 95 % of the gain; auto unless a plain delay clearly beats it; nothing for no gain."""
    told = recommended(result("none", "", 10, 10, 10), found, TERMS)
    assert told.budget == budget
    hedge, purse = told.settings or ("", "")
    assert (hedge, purse) == (
        f"hedge: {{delay: {delay}, max_parallel: 2}}" if delay else "",
        f"budget: {{hedges: {budget or 0:.0%}, burst: 50}}" if delay else "",
    )


def test_what_hedging_saved_is_not_in_a_log_that_was_hedged() -> None:
    """A gain is at least so large; none is not for lack of a tail, but for lack of times."""
    cut = replace(TERMS, bound=10.0)
    told = recommended(result("none", "", 10, 10, 10), [tried(0.05, fixed=4, auto=2, oracle=1)], cut)
    assert told.why.startswith("5% and `delay: auto` bring p50 from > 10 s to 2 s (at least 80% less) for 5% more")
    none = recommended(result("none", "", 10, 10, 10), [tried(0.05, fixed=10, auto=10, oracle=10)], cut)
    why = "how much longer than 10 s p50 is without hedging is not in this log, which was hedged"
    assert none.why == (f"{why}: log some hours without")


def test_a_plain_delay_that_does_more_beyond_the_target_is_named() -> None:
    """For whoever looks at p99.9 too: a target is all that auto looks at."""
    found = [tried(0.05, fixed=2, auto=2, oracle=1, far=3)]
    assert recommended(result("none", "", 10, 10, 10), found, TERMS).beside == (
        "`delay: 12ms` does as much, and p99.9 is 3 s with it instead of 9 s: try --target p99.9"
    )
    assert not recommended(result("none", "", 10, 10, 10), [tried(0.05, fixed=2, auto=2, oracle=1)], TERMS).beside


def test_percentiles_are_order_statistics() -> None:
    """ceil(share n), as the benchmark has it."""
    times = [float(n) for n in range(1, 101)]
    assert [percentile(times, share) for share in (0.5, 0.95, 0.99, 0.991, 1.0)] == [50, 95, 99, 100, 100]
    assert percentile([1.0, 2.0], 0.5) == 1
    assert percentile([7.0], 0.001) == 7
