"""The judge of the hedging benchmark, its optimum, and that neither lets anybody cheat."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.hedging import cells, table
from bench.hedging.black_box import Setting
from bench.hedging.causality import leaks
from bench.hedging.cells import Cell
from bench.hedging.oracle import Oracle
from bench.hedging.populations import BROWNED, EPISODES, SCORED, SHIFTED, Population
from bench.hedging.runs import Bench, Judged, Length
from bench.hedging.samples import LATENCIES, bhope, grpc_java, stall
from bench.judge_hedging import Answered, Asked, Unsound, answered, asked, check, overrun, percentile, spent

ROOT = Path(__file__).resolve().parents[2]
TOY = (sys.executable, "-m", "tests.support.toy_simulator")
STALL = Population("stall-2", stall(0.02))
SHORT = Length(40_000, 10_000)

REQUESTS = "request,arrival_s,input_tokens,primary_s,hedge_s\n0,0.0,5,0.5,0.1\n1,0.1,5,2.0,0.3\n2,0.2,5,0.2,9.0\n"
ANSWERS = "request,delay_s,hedged,latency_s,reason\n0,0.6,0,0.5,\n1,0.6,1,0.9,\n2,,0,0.2,no gain\n"


def run(kind: str, budget: float, population: Population = STALL) -> Judged:
    """Have a toy answer, and the judge look at it."""
    setting = Setting(budget)
    return Bench(7, (*TOY, kind), known=200_000).runs(population, [setting], 1, SHORT)[setting][0]


@pytest.mark.parametrize(
    ("draw", "share", "budget", "seconds"),
    [
        (bhope, 0.99, 0.02, 0.0489),
        (bhope, 0.99, 0.05, 0.0204),
        (bhope, 0.99, 0.089, 0.0160),
        (stall(0.02), 0.99, 0.02, 0.89),
        (stall(0.02), 0.99, 0.05, 0.75),
        (stall(0.05), 0.99, 0.05, 1.03),
        (stall(0.05), 0.99, 0.10, 0.81),
        (stall(0.02), 0.999, 0.02, 1.34),
        (stall(0.005), 0.999, 0.01, 0.96),
    ],
)
def test_the_optimum_is_the_published_one(draw: object, share: float, budget: float, seconds: float) -> None:
    """SingleR reaches the times that were computed independently, within 2 % of sampling noise."""
    assert callable(draw)
    chance = np.random.default_rng(3)
    best = Oracle(draw(chance, 1_000_000), draw(chance, 1_000_000)).best(share, budget)
    assert best.time == pytest.approx(seconds, rel=0.02)


def test_the_optimum_keeps_its_budget_and_its_promise() -> None:
    """On rows it has not seen, the optimum hedges as often as it may and is as fast as it says."""
    chance = np.random.default_rng(4)
    best = Oracle(bhope(chance, 1_000_000), bhope(chance, 1_000_000)).best(0.99, 0.03)
    latencies, hedged = best.latencies(bhope(chance, 400_000), bhope(chance, 400_000), chance)
    assert hedged.mean() == pytest.approx(0.03, abs=0.001)
    assert percentile(latencies, 0.99) == pytest.approx(best.time, rel=0.03)


def test_the_optimum_of_certainty_is_certainty() -> None:
    """Lanes that never differ cannot rescue each other: the optimum is then the tail itself."""
    same = np.full(1000, 0.25)
    assert Oracle(same, same).best(0.99, 0.05).time == pytest.approx(0.25)


def test_knowing_the_optimum_leaves_no_regret() -> None:
    """A policy that is told the best delay and probability has a regret of about 0, and one that never hedges of 1."""
    best = run("best:0.573:0.7", 0.02)
    assert cells.regret("", STALL, Setting(0.02), [best]).figure < 0.01
    assert best.spent.rate == pytest.approx(0.02, abs=0.003)
    never = run("none", 0.02)
    assert cells.regret("", STALL, Setting(0.02), [never]).figure == 1
    assert never.spent.rate == never.spent.overrun == 0


@pytest.mark.parametrize("kind", ["peeks-at-its-own", "peeks-at-the-hedge", "hedges-the-fast"])
def test_knowing_what_a_server_cannot_is_found(kind: str) -> None:
    """Answers that depend on the very times they are about to reveal are unsound."""
    with pytest.raises(Unsound, match=r"know what is to come|a lane had spoken"):
        run(kind, 0.02)


@pytest.mark.parametrize("kind", ["peeks-ahead", "learns-too-early"])
def test_knowing_the_future_changes_with_it(kind: str) -> None:
    """With another future, other decisions: later rows, or requests under way whose end was used too early."""
    assert all(leaks(STALL, Setting(0.02), 3, 9_000, (*TOY, kind)).values())


@pytest.mark.parametrize("kind", ["none", "best:0.573:0.7"])
def test_the_past_alone_does_not(kind: str) -> None:
    """An honest policy decides the same whatever comes later."""
    assert not any(leaks(STALL, Setting(0.02), 3, 9_000, (*TOY, kind)).values())


def test_overspending_is_found() -> None:
    """A hedge for every third request breaks a budget of 2 %."""
    assert run("overspends", 0.02).spent.overrun > 100


def test_every_run_of_requests_is_held_against_the_budget() -> None:
    """The overrun is that of the worst run, found by looking at all of them."""
    chance = np.random.default_rng(5)
    for _ in range(20):
        hedged = chance.integers(0, 3, 60)
        sums = (hedged[first:last].sum() - 0.4 * (last - first) for first in range(60) for last in range(first + 1, 61))
        assert overrun(hedged, 0.4, 5) == pytest.approx(max(0.0, *sums) / 5)


@pytest.mark.parametrize(("share", "count", "place"), [(0.99, 100, 99), (0.99, 240_000, 237_600), (0.999, 5, 5)])
def test_percentiles_are_order_statistics(share: float, count: int, place: int) -> None:
    """The percentile is the ceil(share n)-th smallest time, never one in between."""
    assert place == math.ceil(round(share * count, 6))
    assert percentile(np.random.default_rng(1).permutation(count).astype(np.float64) + 1.0, share) == place


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ("0,0.4,1,0.5,\n1,0.6,1,0.9,\n2,,0,0.2,\n", None),
        ("0,0.6,1,0.5,\n1,0.6,1,0.9,\n2,,0,0.2,\n", "row 1: hedge 1 began although a lane had spoken"),
        ("0,0.6,0,0.5,\n1,0.6,1,2.0,\n2,,0,0.2,\n", "row 2: the latency is not that of the fastest lane"),
        ("0,0.6,0,0.5,\n1,0.6,1,0.9,\n2,,0,0.1,\n", "row 3: the latency"),
        ("0,0.6,0,0.5,\n1,,1,0.9,\n2,,0,0.2,\n", "row 2: a hedge without a delay"),
        ("0,0.6,0,0.5,\n1,0.6,2,0.9,\n2,,0,0.2,\n", "row 2: hedged is not between 0 and 1"),
        ("0,-1,0,0.5,\n1,0.6,1,0.9,\n2,,0,0.2,\n", "row 1: a negative delay"),
        ("1,0.6,0,0.5,\n0,0.6,1,0.9,\n2,,0,0.2,\n", "another order"),
        ("0,0.6,0,0.5,\n1,0.6,1,0.9,\n", "another order"),
        ("0,0.6,0,soon,\n1,0.6,1,0.9,\n2,,0,0.2,\n", "out.csv: could not convert"),
    ],
)
def test_answers_must_add_up(tmp_path: Path, wrong: str, fault: str | None) -> None:
    """Hedges begin in silence, latencies are those of the fastest lane, every request has one answer in its place."""
    Path(tmp_path, "in.csv").write_text(REQUESTS)
    Path(tmp_path, "out.csv").write_text(ANSWERS.splitlines(keepends=True)[0] + wrong)
    questions = asked(tmp_path / "in.csv")
    if fault is None:
        check(questions, answered(tmp_path / "out.csv", questions))
        return
    with pytest.raises(Unsound, match=fault):
        check(questions, answered(tmp_path / "out.csv", questions))


def test_the_judge_stands_alone(tmp_path: Path) -> None:
    """From files to the verdict, no module of the server or of the client is loaded."""
    Path(tmp_path, "in.csv").write_text(REQUESTS)
    Path(tmp_path, "out.csv").write_text(ANSWERS)
    Path(tmp_path, "sample.csv").write_text("primary_s,hedge_s\n" + "0.2,0.2\n" * 99 + "5,0.2\n")
    given = ["in.csv", "out.csv", "--budget", "5%", "--warm-up", "0", "--sample", "sample.csv"]
    program = f"""
import sys
from bench.judge_hedging import main
status = main({given!r})
assert not [name for name in sys.modules if name.startswith("quickthorn")]
sys.exit(status)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(  # noqa: S603 - our own words
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"rate": 0.333' in done.stdout


def test_populations_are_those_of_the_page() -> None:
    """Nine populations; grpc-java's sleeps, spells of 5 % of the time, and a shift at its request."""
    chance = np.random.default_rng(6)
    assert len(SCORED) * 6 - sum(map(len, cells.UNSCORED.values())) == 41
    slept = np.floor(grpc_java(chance, 400_000) + 0.5)
    assert [np.mean(slept == each) for each in (10, 5, 2)] == pytest.approx([0.01, 0.04, 0.05], abs=0.002)
    rows = EPISODES.rows(chance, 400_000)
    assert np.mean(rows.lanes[0] > 2) == pytest.approx(0.05, abs=0.003)
    times = SHIFTED[0].rows(chance, 300_000).lanes[1]
    assert np.median(times[160_000:]) == pytest.approx(4 * np.median(times[:160_000]), rel=0.02)


def ended(latency: NDArray[np.float64]) -> Judged:
    """Return a run of a request each second in which all lanes take 10 s and the optimum 1 s."""
    count = len(latency)
    questions = Asked(np.zeros(count), np.arange(count) / 1000, np.ones(count), (np.full(count, 10.0),) * 2)
    answers = Answered(np.full(count, 1.0), (latency < 10).astype(np.int64), latency)
    return Judged(questions, answers, np.full(count, 1.0), spent(questions, answers, 0.05, 50, 0), 0)


def test_recovery_takes_two_good_blocks() -> None:
    """The first ten thousand after the shift are bad, the next good, the next bad; from 30,000 on all are good."""
    latency = np.full(300_000, 1.0)
    latency[160_000:170_000] = latency[180_000:190_000] = 10.0
    assert cells.recovery(SHIFTED[0], Setting(0.05), [ended(latency)]).figure == 30_000
    assert cells.recovery(SHIFTED[0], Setting(0.05), [ended(np.full(300_000, 10.0))]).figure == 140_000


def test_a_brown_out_is_held_against_its_own_minute() -> None:
    """6 % of the requests of the minute were hedged, at a budget of 5 %: one point too many, whatever came before."""
    latency = np.full(300_000, 10.0)
    latency[:100_000] = 1.0
    latency[160_000:163_600] = 1.0
    assert cells.brown_out(BROWNED[0], Setting(0.05), [ended(latency)]).figure == pytest.approx(1.0, abs=0.001)


def test_the_summary_names_what_misses() -> None:
    """Figures stand beside their targets; common episodes count half; what was not measured is not missed."""
    base = Cell("scored", "bhope", 0.02, 0.03, rate=0.02, window=0.03, overrun=0.9, overrun_as_sent=0.9)
    some = [base, replace(base, figure=0.09, overrun=1.2), replace(base, group="common episodes", figure=0.009)]
    found = table.summary(some)
    assert (found["mean_regret"], found["worst_regret"], found["never_worse_hedge_rate"]) == (0.06, 0.09, 0.0045)
    assert found["p999_regret"] is None
    assert table.missed(found) == ["mean_regret 0.06 > 0.02", "max_budget_overrun 1.2 > 1"]
    assert table.missed({"cancel_p99_ms": 11.0, "cancel_floor_p99_ms": 6.0}) == []


@pytest.mark.skipif(not LATENCIES.exists(), reason="the measured latencies (../shared) are not on this machine")
def test_measured_times_are_smoothed_between_the_measured_ones() -> None:
    """Draws stay between the smallest and the largest time that was measured, and their median is the measured one."""
    together = next(each for each in SCORED if each.name == "together/13b")
    times = together.rows(np.random.default_rng(8), 100_000).lanes[0]
    assert times.max() == pytest.approx(100.4, rel=0.01)
    assert np.median(times) == pytest.approx(0.55, rel=0.01)
