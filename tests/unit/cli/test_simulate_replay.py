"""`quickthorn simulate --replay`: a table of calls in, a table of decisions out, and no row that is wrong passes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quickthorn_server.cli import main

HEAD = "request,arrival_s,input_tokens,primary_s,hedge_s"
FIVE = (HEAD, "a,0,10,0.3,9", "b,1,10,5,0.3", "c,20,10,5,9", "d,30,10,0.8,9", "e,40,10,2,1.5")


def replayed(folder: Path, lines: tuple[str, ...], *options: str) -> Result:
    """Replay the table of *lines* into OUT.csv."""
    (folder / "IN.csv").write_text("\n".join(lines) + "\n")
    words = ["simulate", "--replay", str(folder / "IN.csv"), "--out", str(folder / "OUT.csv"), *options]
    return CliRunner().invoke(main, words)


def decided(folder: Path, *columns: str) -> list[tuple[str, ...]]:
    """Read *columns* of OUT.csv."""
    with (folder / "OUT.csv").open(newline="") as lines:
        return [tuple(row[name] for name in columns) for row in csv.DictReader(lines)]


def test_every_call_gets_its_line(tmp_path: Path) -> None:
    """In the order of the file: when a hedge was due, how many lanes started, and how long the call took."""
    done = replayed(tmp_path, FIVE, "--policy", "800ms", "--budget", "100%")
    assert (done.exit_code, done.output) == (0, "")
    assert (tmp_path / "OUT.csv").read_text().splitlines()[0] == "request,delay_s,hedged,latency_s,reason"
    assert decided(tmp_path, "request", "delay_s", "hedged", "latency_s") == [
        ("a", "0.8", "0", "0.3"),
        ("b", "0.8", "1", "1.1"),
        ("c", "0.8", "1", "5.0"),
        ("d", "0.8", "0", "0.8"),
        ("e", "0.8", "1", "2.0"),
    ]


def test_without_out_the_table_is_printed(tmp_path: Path) -> None:
    """So that it can be piped; a policy that plans no hedge leaves the delay empty."""
    (tmp_path / "IN.csv").write_text("\n".join(FIVE))
    done = CliRunner().invoke(main, ["simulate", "--replay", str(tmp_path / "IN.csv"), "--policy", "none"])
    assert done.exit_code == 0
    assert done.output.splitlines()[:2] == ["request,delay_s,hedged,latency_s,reason", "a,,0,0.3,no hedging"]


def test_the_purse_is_kept_to(tmp_path: Path) -> None:
    """No more hedges than the budget and the burst together pay for, whatever the policy wants."""
    rows = (f"{n},{n},10,5,0.3" for n in range(200))
    assert replayed(tmp_path, (HEAD, *rows), "--policy", "0s", "--budget", "10%", "--burst", "5").exit_code == 0
    hedged = [int(count) for (count,) in decided(tmp_path, "hedged")]
    assert 20 <= sum(hedged) <= 25
    assert all(sum(hedged[a:b]) <= 0.1 * (b - a) + 5 for a in range(0, 200, 10) for b in range(a + 1, 201, 10))


def test_auto_says_why(tmp_path: Path) -> None:
    """In the column of reasons; a cell that holds a comma or a quote is quoted."""
    assert replayed(tmp_path, (*FIVE, '"f, or ""g""",50,10,1,1')).exit_code == 0
    assert all(reason for (reason,) in decided(tmp_path, "reason"))
    assert decided(tmp_path, "delay_s") == [("",)] * 6
    assert decided(tmp_path, "request")[-1] == ('f, or "g"',)
    with (tmp_path / "OUT.csv").open(newline="") as lines:
        assert {len(row) for row in csv.reader(lines)} == {5}


def test_further_lanes_are_read_or_drawn(tmp_path: Path) -> None:
    """A third lane takes the column hedge2_s, and where there is none the hedge of an earlier call."""
    three = (f"{HEAD},hedge2_s", "a,0,10,9,9,0.25")
    assert replayed(tmp_path, three, "--policy", "1s", "--budget", "100%", "--max-parallel", "3").exit_code == 0
    assert decided(tmp_path, "hedged", "latency_s") == [("2", "2.25")]
    lines = (HEAD, "a,0,10,9,0.25", *(f"{n},{n * 20},10,9,9" for n in range(1, 6)))
    assert replayed(tmp_path, lines, "--policy", "1s", "--budget", "100%", "--max-parallel", "3").exit_code == 0
    told = decided(tmp_path, "hedged", "latency_s")
    assert told[1] == ("2", "2.25")
    later = (*lines[:-1], "5,100,10,9,0.1")
    assert replayed(tmp_path, later, "--policy", "1s", "--budget", "100%", "--max-parallel", "3").exit_code == 0
    assert decided(tmp_path, "hedged", "latency_s")[:-1] == told[:-1]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("b,1,10,abc,1", "primary_s is 'abc': write seconds, more than 0 and at most a day"),
        ("b,1,10,,1", "primary_s is empty: write seconds, more than 0 and at most a day"),
        ("b,1,10,0,1", "primary_s is '0': write seconds, more than 0 and at most a day"),
        ("b,1,10,1,-2", "hedge_s is '-2': write seconds, more than 0 and at most a day"),
        ("b,1,10,nan,1", "primary_s is 'nan': write seconds, more than 0 and at most a day"),
        ("b,1,10,1,inf", "hedge_s is 'inf': write seconds, more than 0 and at most a day"),
        ("b,1,10,1,86401", "hedge_s is '86401': write seconds, more than 0 and at most a day"),
        ("b,1,1.5,1,1", "input_tokens is '1.5': write a whole number, 0 or more"),
        ("b,1,-1,1,1", "input_tokens is '-1': write a whole number, 0 or more"),
        ("b,x,10,1,1", "arrival_s is 'x': write seconds"),
        ("b,nan,10,1,1", "arrival_s is 'nan': write seconds"),
        ("b,-1,10,1,1", "it arrives at -1 s, before the row above it (0 s)"),
        ("b,1,10,1", "it has 4 cells, and there are 5 columns"),
        ("", "it has 0 cells, and there are 5 columns"),
        (f"b,1,{10**400},1,1", f"input_tokens is '{str(10**400)[:40]}': write a whole number, 0 or more"),
    ],
)
def test_a_row_that_is_wrong_ends_it(tmp_path: Path, row: str, fault: str) -> None:
    """One line names its number and what to write; nothing is written."""
    done = replayed(tmp_path, (HEAD, "a,0,10,1,1", row, "c,2,10,1,1"))
    assert (done.exit_code, done.output) == (2, f"{tmp_path / 'IN.csv'}: row 2: {fault}\n")
    assert not (tmp_path / "OUT.csv").exists()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", f"it has no column request: its first line must be {HEAD}"),
        (
            "request,arrival_s,input_tokens,primary_s\na,0,1,1\n",
            f"it has no column hedge_s: its first line must be {HEAD}",
        ),
        (f"{HEAD}\n", "it holds no rows"),
        (f"{HEAD}\na,0,10,1,1,7", "row 1: it has 6 cells, and there are 5 columns"),
        ("\x00\x00", f"it has no column request: its first line must be {HEAD}"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    """With what its first line must be."""
    done = replayed(tmp_path, (text,))
    assert (done.exit_code, done.output) == (2, f"{tmp_path / 'IN.csv'}: {fault}\n")


def test_files_that_cannot_be_read_or_written_are_said(tmp_path: Path) -> None:
    """With the system's own word for it."""
    missing = CliRunner().invoke(main, ["simulate", "--replay", str(tmp_path / "no.csv")])
    assert (missing.exit_code, missing.output) == (2, f"cannot read {tmp_path / 'no.csv'}: No such file or directory\n")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\xff")
    binary = CliRunner().invoke(main, ["simulate", "--replay", str(tmp_path / "bytes.csv")])
    assert (binary.exit_code, binary.output) == (2, f"{tmp_path / 'bytes.csv'}: it is no CSV\n")
    out = tmp_path / "no" / "OUT.csv"
    done = replayed(tmp_path, FIVE, "--out", str(out))
    assert (done.exit_code, done.output) == (2, f"cannot write {out}: No such file or directory\n")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--plot", "a.png"], "--plot is of no use with --replay"),
        (["--json"], "--json is of no use with --replay"),
        (["--profile", "stall"], "--profile is of no use with --replay"),
        (["--hedge-to", "b"], "--hedge-to is of no use with --replay"),
        (["log.csv"], "--replay names the calls already: leave out LOG"),
        (["--budget", "1%", "--budget", "2%"], "--replay plays one policy at one --budget"),
        (["--policy", "best"], "'best' is no policy: write auto, none, a time like 300ms, or a percentile like p95"),
        (["--policy", "p100"], "'p100' is no percentile: write it like p95, from p1 to p99"),
        (["--policy", "-5s"], "'-5s' is no policy: write auto, none, a time like 300ms, or a percentile like p95"),
        (["--budget", "0.05"], "'0.05' is no share of calls: write it like 2%, more than 0% and at most 100%"),
        (["--budget", "0%"], "'0%' is no share of calls: write it like 2%, more than 0% and at most 100%"),
        (["--target", "99"], "'99' is no percentile to hold: write one from p50 to p99, or p99.5, or p99.9"),
        (["--target", "p30"], "'p30' is no percentile to hold: write one from p50 to p99, or p99.5, or p99.9"),
        (["--target", "p98.5"], "'p98.5' is no percentile to hold: write one from p50 to p99, or p99.5, or p99.9"),
        (["--max-parallel", "5"], "5 is not in the range 2<=x<=4."),
    ],
)
def test_options_that_do_nothing_are_refused(tmp_path: Path, options: list[str], fault: str) -> None:
    """Rather than ignored: whoever writes one expects something of it."""
    done = replayed(tmp_path, FIVE, *options)
    assert done.exit_code == 2
    assert done.output.splitlines()[-1].endswith(fault)
