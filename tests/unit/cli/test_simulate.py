"""`quickthorn simulate` as an operator sees it: what was read, what was tried, what to write, what cannot be known."""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from quickthorn_server.cli import main
from quickthorn_server.config import parse
from quickthorn_server.core.attempt import Cause, Outcome
from quickthorn_server.simulation.profiles import PROFILES
from tests.unit.cli.test_simulate_logs import lane, recorded

Draw = Callable[[random.Random], float]


def simulated(*words: str | Path, text: str | None = None) -> Result:
    """Run the command over few calls."""
    return CliRunner().invoke(main, ["simulate", "--requests", "4000", *map(str, words)], input=text)


def described(*words: str | Path) -> dict[str, Any]:
    """Run the command and read its JSON."""
    done = simulated(*words, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def stalling(dice: random.Random) -> float:
    """Draw a time of which one in 20 is a stall."""
    return dice.uniform(5, 60) if dice.random() < 0.05 else dice.lognormvariate(-1.4, 0.35)


def steady(dice: random.Random) -> float:
    """Draw a time without a tail."""
    return dice.uniform(0.2, 0.3)


def log(file: Path, count: int, draw: Draw, head: str = "ttft_s") -> Path:
    """Write a log of *count* times."""
    dice = random.Random(7)
    file.write_text("\n".join((head, *(f"{draw(dice):.6f}" for _ in range(count)), "")))
    return file


def test_a_log_is_read_tried_and_judged(tmp_path: Path) -> None:
    """The whole of it: what was read, the table, what to write, and what it rests on."""
    file = log(tmp_path / "log.csv", 6000, stalling)
    with file.open("a") as more:
        more.write("0\n-1\n0\n")
    told = simulated(file, "--budget", "10%").stdout.splitlines()
    assert told[:5] == [
        f"{file}: 6,003 rows, 6,000 used; column ttft_s",
        "  left out 2: the time is 0 (lines 6002, 6004)",
        "  left out 1: the time is negative (line 6003)",
        "hedges go to another backend that is as fast",
        "4,000 calls drawn from it (seed 1), the first 800 to warm up; target p99, at most 2 lanes, burst 50",
    ]
    assert told[6].split() == ["budget", "rule", "p50", "p95", "p99", "p99.9", "extra", "load", "extra", "cost"]
    assert [line[8:].split()[0] for line in told[7:12]] == ["none", "fixed", "percentile", "auto", "oracle"]
    assert told[13].startswith("=> 10% and `delay: ")
    assert told[14] == "   into the route:"
    assert told[16].strip() == "budget: {hedges: 10%, burst: 50}"
    assert (
        "note: if calls were hedged while this was logged, their slowest lanes are not in it, and the tail is longer"
        in told
    )
    assert "note: lanes of a call are taken as independent of each other, and as no slower for the extra load" in told


def test_the_oracle_is_never_beaten_at_its_target(tmp_path: Path) -> None:
    """It knows all; the others gain a good part of it, within their budget."""
    found = described(log(tmp_path / "log.csv", 6000, stalling), "--budget", "10%", "--requests", "10000")
    rules = {rule["rule"]: rule for rule in found["budgets"][0]["rules"]}
    before = found["none"]["p99_s"]
    assert before > 30
    assert rules["oracle"]["p99_s"] < 2
    assert all(rules["oracle"]["p99_s"] * 0.98 <= rule["p99_s"] <= before for rule in rules.values())
    assert rules["auto"]["p99_s"] < before / 5
    assert all(rule["extra_load"] <= 0.1 + 50 / 8000 for rule in rules.values())


@pytest.mark.parametrize(("lanes", "more"), [("2", []), ("4", ["retry: {attempts: 4}"])])
def test_what_is_recommended_can_be_configured(lanes: str, more: list[str]) -> None:
    """The lines are those of a route, as the configuration understands them: a call has as many lanes as they say."""
    words = ("--profile", "stall", "--budget", "2%", "--requests", "10000", "--max-parallel", lanes)
    settings = described(*words)["recommendation"]["settings"]
    hedge = f"hedge: {{delay: auto, target: p99, max_parallel: {lanes}}}"
    assert settings == [hedge, "budget: {hedges: 2%, burst: 50}", *more]
    backends = f"backends: [{', '.join(f'{{name: {name}, provider: local}}' for name in 'abcd')}]"
    route = "\n    ".join(("  - name: r", "backends: [a, b, c, d]", *settings))
    understood = parse(f"{backends}\nroutes:\n{route}\n", "q.yaml", {}).routes["r"]
    assert understood.hedge is not None
    assert (understood.hedge.target, understood.hedge.max_parallel) == (0.99, int(lanes))


def test_the_smallest_budget_that_does_is_recommended() -> None:
    """Of several; they are tried from small to large."""
    found = described("--profile", "stall", "--budget", "20%", "--budget", "5%", "--requests", "10000")
    assert [each["budget"] for each in found["budgets"]] == [0.05, 0.2]
    assert found["recommendation"]["budget"] == 0.05


@pytest.mark.parametrize("profile", ["light", "long-inputs"])
def test_hedging_that_buys_nothing_is_said(profile: str) -> None:
    """No setting is recommended then, although the budget would allow it."""
    told = described("--profile", profile)["recommendation"]
    assert (told["budget"], told["settings"]) == (None, [])
    assert told["why"].startswith("hedging buys nothing here: at 5% even the oracle takes only ")
    assert told["why"].endswith(" off p99; leave `hedge` out")


def test_what_a_small_log_cannot_know_is_not_told(tmp_path: Path) -> None:
    """The target falls to what can be told, unless it was asked for; percentiles above are left open."""
    file = log(tmp_path / "log.csv", 150, stalling)
    found = described(file)
    assert found["target"] == 0.95
    assert (found["none"]["p95_s"] is None, found["none"]["p99_s"], found["none"]["p99.9_s"]) == (False, None, None)
    assert "p99 cannot be told: it takes 500 times, and there are 150" in found["notes"]
    assert "p99.9 cannot be told: it takes 5,000 times, and there are 150" in found["notes"]
    assert "p95 rests on the 8 slowest of 150 times: other ones may tell otherwise" in found["notes"]
    assert "so the target is p95" in found["notes"]
    asked = simulated(file, "--target", "p99")
    assert asked.exit_code == 2
    assert asked.output == f"{file}: p99 cannot be told: it takes 500 times, and there are 150; --target p95 can\n"
    calls = simulated("--profile", "stall", "--target", "p99.9")
    assert (
        calls.output
        == "stall: p99.9 cannot be told: it takes 5,000 calls, and 3,200 of --requests count; --target p99 can\n"
    )


def test_too_few_times_tell_nothing(tmp_path: Path) -> None:
    """Nothing is extrapolated."""
    file = log(tmp_path / "log.csv", 99, stalling)
    done = simulated(file)
    assert (done.exit_code, done.output) == (
        2,
        f"{file}: all: 99 usable times are too few to tell anything of a tail, which takes 100\n",
    )


def two(file: Path) -> Path:
    """Write a log of two backends."""
    dice = random.Random(7)
    rows = [f"slow,{stalling(dice)}\nquick,{steady(dice)}" for _ in range(600)]
    file.write_text("\n".join(("backend,ttft_s", *rows, "rare,0.2", "")))
    return file


def test_two_backends_are_compared(tmp_path: Path) -> None:
    """Who is asked first must be said; hedges may go elsewhere, and help more there."""
    file = two(tmp_path / "log.csv")
    done = simulated(file)
    assert (done.exit_code, done.output) == (
        2,
        f"{file}: it has 3 backends: say with --backend who is asked first; quick (600), slow (600), rare (1)\n",
    )
    same, other = (
        described(file, "--backend", "slow", *more, "--budget", "10%") for more in ([], ["--hedge-to", "quick"])
    )
    assert same["lanes"] == "asked first: slow (600 times); hedges go to another backend that is as fast"
    assert other["lanes"] == "asked first: slow (600 times); hedges go to quick (600)"
    assert other["budgets"][0]["rules"][3]["p99_s"] < same["budgets"][0]["rules"][3]["p99_s"]
    assert simulated(file, "--backend", "slow", "--hedge-to", "fast").output == (
        f"{file}: it has no backend fast; there are quick (600), slow (600), rare (1)\n"
    )
    assert simulated(file, "--backend", "slow", "--hedge-to", "rare").output == (
        f"{file}: rare: 1 usable times are too few to tell anything of a tail, which takes 100\n"
    )


def test_slow_calls_in_spells_are_said(tmp_path: Path) -> None:
    """For then a hedge to the same backend is as slow, and the simulation does not know."""
    times = ["9"] * 10 + ["0.3"] * 190
    file = tmp_path / "log.csv"
    file.write_text("\n".join(("ttft_s", *times * 10, "")))
    spells = [note for note in described(file)["notes"] if note.startswith("slow calls come in spells: ")]
    said = "slow calls come in spells: 90% of calls behind one of the slowest 5% are as slow"
    assert spells == [
        f"{said}; a hedge to a backend that shares them meets the same spell and gains less than is shown"
    ]


def test_lanes_that_hang_together_are_drawn_together(tmp_path: Path) -> None:
    """Where both were measured: if the hedge is as slow as the first lane, nothing is gained."""
    dice = random.Random(7)
    times = [stalling(dice) for _ in range(1000)]
    file = tmp_path / "log.csv"
    file.write_text("\n".join(("primary_s,hedge_s", *(f"{time},{time}" for time in times), "")))
    found = described(file)
    assert found["lanes"] == "both lanes of each call as they were measured"
    assert found["recommendation"]["why"] == (
        "hedging buys nothing here: at 5% even the oracle takes only 0% off p99; leave `hedge` out"
    )


def test_decision_records_are_a_log(tmp_path: Path) -> None:
    """Backends in the order in which they were asked, costs as they were; a lane that was stopped is not a time."""
    dice = random.Random(7)
    lines = []
    for _ in range(600):
        time = min(2.0, stalling(dice))
        first = lane(
            "fast", Cause.FIRST, Outcome.WON if time < 2 else Outcome.LOST, 0.0, time if time < 2 else None, 2.5, cost=9
        )
        second = lane("steady", Cause.SILENCE, Outcome.WON, 1.75, 2.0, 2.5, cost=7)
        lines.append(recorded(*([first] if time < 2 else [first, second])))
    file = tmp_path / "decisions.jsonl"
    file.write_text("".join(lines))
    found = described(file, "--budget", "10%")
    assert found["source"]["says"] == "decision records, each lane by itself"
    assert found["lanes"].startswith("asked first: fast (5")
    assert found["lanes"].endswith(" times); hedges go to another backend that is as fast")
    assert (found["target"], found["at_least_from_s"], found["none"]["p99_s"]) == (0.99, 2.5, 2.5)
    assert any(note.startswith("steady has ") and note.endswith(" as if from fast") for note in found["notes"])
    assert any(
        note.startswith("fast: the slowest ") and "all stopped before they spoke" in note for note in found["notes"]
    )
    assert found["budgets"][0]["rules"][0]["extra_usd_per_1000"] is not None


def test_money_is_told_by_prices() -> None:
    """A cancelled lane is billed nothing, its input, or all of it; without prices only the most that it can be."""
    base = ("--profile", "bhope", "--budget", "10%")
    costs = {}
    for cancelled in ("free", "so_far", "full"):
        rules = described(*base, "--price", "1,4", "--tokens", "1000,250", "--cancelled", cancelled)["budgets"][0][
            "rules"
        ]
        costs[cancelled] = rules[0]
    load = costs["full"]["extra_load"]
    assert costs["free"]["extra_cost"] == 0
    assert costs["so_far"]["extra_cost"] == pytest.approx(load / 2)
    assert costs["full"]["extra_cost"] == pytest.approx(load)
    assert costs["full"]["extra_usd_per_1000"] == pytest.approx(load * 0.002 * 1000)
    unpriced = described(*base)
    assert unpriced["budgets"][0]["rules"][0]["extra_usd_per_1000"] is None
    assert any(note.startswith("extra cost is the most it can be") for note in unpriced["notes"])


def test_standard_input_is_a_log(tmp_path: Path) -> None:
    """So that whatever writes latencies can be asked at once."""
    text = log(tmp_path / "log.csv", 600, stalling).read_text()
    done = simulated("-", text=text)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        0,
        "standard input: 600 rows, all of them used; column ttft_s",
    )


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_picture_is_drawn(tmp_path: Path, kind: str) -> None:
    """The trade-off and the tail, the same for the same seed."""
    pytest.importorskip("matplotlib")
    files = [tmp_path / f"{name}.{kind}" for name in "ab"]
    for file in files:
        done = simulated("--profile", "bhope", "--requests", "1000", "--plot", file)
        assert (done.exit_code, done.stderr) == (0, f"drawn: {file}\n")
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().startswith({"png": b"\x89PNG", "svg": b"<?xml"}[kind])


def test_without_matplotlib_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is simulated."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = simulated("--profile", "stall", "--plot", "a.png")
    assert (done.exit_code, done.output) == (2, "--plot needs matplotlib: pip install 'quickthorn[plots]'\n")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([], "name a LOG, or a --profile: --list-profiles lists them"),
        (["log.csv", "--profile", "stall"], "name a LOG or a --profile, not both"),
        (["--profile", "stall", "--column", "ttft_s"], "--column is about a LOG, and none is named"),
        (["--profile", "stall", "--hedge-to", "b"], "--hedge-to is about a LOG, and none is named"),
        (["--profile", "stall", "--out", "a.csv"], "--out belongs to --replay; for people there are --plot and --json"),
        (["--profile", "stall", "--plot", "a.gif"], "--plot draws into .png or .svg, not into a.gif"),
        (["--profile", "stall", "--hedge-price", "1,2"], "--hedge-price needs --price beside it"),
        (["--profile", "stall", "--price", "0,0"], "cost nothing, so there is no share of it: leave --price out"),
        (["--profile", "stall", "--price", "1"], "write USD per million tokens of input and output, like 0.25,2.00"),
        (["--profile", "stall", "--fixed", "300"], "'300' is no time: write it like 300ms, 1.5s or 0s"),
        (["log.csv", "--where", "model"], "'model' is no condition: write it like model_size=70b"),
        (["no.csv"], "cannot read no.csv: No such file or directory"),
    ],
)
def test_mistakes_are_one_line(words: list[str], fault: str) -> None:
    """That says what to write; nothing is simulated."""
    done = simulated(*words)
    assert done.exit_code == 2
    assert done.output.splitlines()[-1].endswith(fault)


def test_an_empty_log_is_said(tmp_path: Path) -> None:
    """Instead of a table of nothing."""
    (tmp_path / "log.csv").write_text(" \n")
    assert simulated(tmp_path / "log.csv").output == f"{tmp_path / 'log.csv'}: it is empty\n"
    (tmp_path / "log.csv").write_text("ttft_s\n0\n")
    assert simulated(tmp_path / "log.csv").output.splitlines() == [
        f"{tmp_path / 'log.csv'}: it holds no time that can be used",
        "  left out 1: the time is 0 (line 2)",
    ]
    (tmp_path / "log.csv").write_bytes(gzip.compress(b"ttft_s\n0.5\n"))
    packed = f"{tmp_path / 'log.csv'}: it is no text; unpack it first if it is packed\n"
    assert simulated(tmp_path / "log.csv").output == packed


def test_profiles_are_listed() -> None:
    """Each with what it is; the shell completes their names."""
    told = CliRunner().invoke(main, ["simulate", "--list-profiles"]).stdout.splitlines()
    assert [line.split()[0] for line in told[1:]] == list(PROFILES)
    words = {"COMP_WORDS": "quickthorn simulate --profile st", "COMP_CWORD": "3"}
    completed = CliRunner().invoke(
        main, prog_name="quickthorn", complete_var="ASKED", env={"ASKED": "bash_complete", **words}
    )
    assert completed.stdout.split() == ["plain,stall", "plain,stall-rare", "plain,stall-often"]
