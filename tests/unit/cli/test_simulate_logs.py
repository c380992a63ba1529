"""What a latency log says: columns are found, units never guessed, rows that cannot be used counted and named."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest

from quickthorn_server.core.attempt import Attempt, Cause, Outcome
from quickthorn_server.core.call import Rpc
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.failures import Failure
from quickthorn_server.edge import wire_record
from quickthorn_server.simulation.csv_logs import Wanted, read_csv
from quickthorn_server.simulation.logs import Billed, Log, LogError, Timed
from quickthorn_server.simulation.record_logs import read_records
from tests.support.decisions import PLAIN


def read(*lines: str, **wanted: str) -> Log:
    """Read CSV."""
    return read_csv(StringIO("\n".join((*lines, ""))), Wanted(**wanted))  # type: ignore[arg-type] # all of them words


@pytest.mark.parametrize(
    ("head", "says", "scale"),
    [
        ("ttft_s", "ttft_s", 1.0),
        ("TTFT (ms)", "TTFT (ms)", 1e-3),
        ("id,latency_ms,ttft_ms", "ttft_ms", 1e-3),
        ("first_content_seconds", "first_content_seconds", 1.0),
        ("time_to_first_token_us", "time_to_first_token_us", 1e-6),
        ("status,duration_ms", "duration_ms", 1e-3),
        ("primary_s,note", "primary_s", 1.0),
        ('"ttft_ms"', "ttft_ms", 1e-3),
        ("\N{ZERO WIDTH NO-BREAK SPACE}ttft_s", "ttft_s", 1.0),
    ],
)
def test_the_column_is_found_by_its_name(head: str, says: str, scale: float) -> None:
    """The time to first content before that of the whole answer, in the unit that ends its name."""
    log = read(head, ",".join("800" for _ in head.split(",")))
    assert log.says == f"column {says}"
    assert [lane.seconds for lane in log.lanes] == pytest.approx([800 * scale])


@pytest.mark.parametrize(
    ("lines", "wanted", "fault"),
    [
        (
            ["a,b", "1,2"],
            {},
            "none of its columns looks like a time to first content: name it with --column; there are a, b",
        ),
        (
            ["latency", "812", "790"],
            {},
            "column latency does not say its unit: add --unit s, ms or us; its median is 801",
        ),
        (["latency", "x"], {}, "column latency does not say its unit: add --unit s, ms or us"),
        (["ttft_s", "1"], {"column": "wait"}, "it has no column wait; there are ttft_s"),
        (["ttft_s", "1"], {"by": "who"}, "it has no column who; there are ttft_s"),
        (["0.5", "0.7"], {}, "its first line must name the columns"),
        (["", "1"], {}, "its first line must name the columns"),
        (["a" * 200_000, "1"], {}, "line 1 is no CSV: field larger than field limit (131072)"),
    ],
)
def test_what_is_not_found_is_not_guessed(lines: list[str], wanted: dict[str, str], fault: str) -> None:
    """The error says which columns there are, or what the unit might be."""
    with pytest.raises(LogError) as raised:
        read(*lines, **wanted)
    assert str(raised.value) == fault


def test_rows_that_cannot_be_used_are_named() -> None:
    """Counted by what is wrong with them, with their first five lines; the others are used."""
    rows = ["0.5", "0", "-1", "", "n/a", "nan", "inf", "90000", *["0"] * 6, "1e-1", "'0.7'"]
    log = read("ttft_s,x", *(f"{row},y" for row in rows))
    assert [lane.seconds for lane in log.lanes] == [0.5, 0.1]
    assert log.rows == 16
    assert list(map(str, log.left_out)) == [
        "7: the time is 0 (lines 3, 10, 11, 12, 13, ...)",
        "4: the time is no number (lines 6, 7, 8, 17)",
        "1: the time is negative (line 4)",
        "1: no time (line 5)",
        "1: the time is longer than a day (line 9)",
    ]


def test_lines_are_those_of_an_editor() -> None:
    """Empty ones and text over several lines are counted, too; short rows have no time."""
    log = read("note,ttft_s", '"two\nlines",0.5', "", "only one", "x,0")
    assert [str(each) for each in log.left_out] == ["1: no time (line 5)", "1: the time is 0 (line 6)"]


def test_a_gap_in_a_single_column_is_a_row() -> None:
    """An empty line between times is a call without one; those at the end are the end of the file."""
    log = read("ttft_s", "0.5", "", "0.7", "", "")
    assert (log.rows, list(map(str, log.left_out))) == (3, ["1: no time (line 3)"])


def test_semicolons_and_decimal_commas() -> None:
    """As spreadsheets of half of Europe write them."""
    assert [lane.seconds for lane in read("id;ttft_s", "1;0,25", "2;1,5").lanes] == [0.25, 1.5]


def test_what_stands_beside_the_time_is_read() -> None:
    """Backends, sizes of the input, and the rate of arrivals; what was not asked for is not counted."""
    head = "timestamp,provider,model,prompt_tokens,ttft_ms"
    rows = (
        "2026-11-20T10:00:00Z,a,big,100,500",
        "2026-11-20 10:00:02+00:00,b,big,,250",
        "2026-11-20T10:00:04,a,small,7,0",
    )
    log = read(head, *rows)
    assert log.lanes == (Timed("a", 0.5, True, 100), Timed("b", 0.25, True, 0))
    assert (log.backends(), log.rate) == ({"a": 1, "b": 1}, 0.5)
    assert read(head, *rows, by="model").backends() == {"big": 2}
    assert read_csv([f"{line}\n" for line in (head, *rows)], Wanted(where=(("model", "big"),))).rows == 2


def test_both_lanes_of_a_call_stay_together() -> None:
    """Where a log measured both, nothing need be assumed of how they hang together."""
    log = read("primary_s,hedge_s,input_tokens", "1,2,30", "3,x,30", "5,6,70")
    assert log.pairs == ((30, 1.0, 2.0), (70, 5.0, 6.0))
    assert log.backends() == {"hedge": 2, "primary": 2}


def lane(backend: str, cause: Cause, outcome: Outcome, *times: float | None, cost: int | None = None) -> Attempt:
    """Return a lane that started, spoke and ended at *times*."""
    started, spoke, ended = times
    assert started is not None
    return Attempt(backend, "openai", "m", cause, outcome, started, spoke, ended, cost_nano_usd=cost)


def recorded(*lanes: Attempt, **changes: object) -> str:
    """Return the line that the server writes of a call with these lanes."""
    decision = replace(PLAIN, trace=replace(PLAIN.trace, attempts=lanes, served_by=None), **changes)  # type: ignore[arg-type]
    return wire_record.line(decision).decode()


def test_records_tell_every_lane() -> None:
    """A lane that spoke tells its time, one that was stopped its age, and one that failed nothing."""
    fast = lane("fast", Cause.FIRST, Outcome.LOST, 0.0, None, 1.25, cost=1_000_000)
    steady = lane("steady", Cause.SILENCE, Outcome.WON, 0.5, 1.25, 3.0, cost=4_000_000)
    silent = replace(lane("fast", Cause.FIRST, Outcome.FAILED, 0.0, None, 10.0), failure=Failure.TIMEOUT)
    broken = replace(lane("fast", Cause.FIRST, Outcome.FAILED, 0.0, None, 0.1), failure=Failure.OVERLOADED)
    log = read_records([recorded(fast, steady), recorded(silent), recorded(broken)])
    assert log.lanes == (
        Timed("fast", 1.25, False, 7),
        Timed("steady", 0.75, True, 7),
        Timed("fast", 10.0, False, 7),
    )
    assert [str(each) for each in log.left_out] == ["1: every lane failed (line 3)"]
    assert log.order == ("fast", "steady")
    assert log.billed == {"fast": Billed(None, 0.001), "steady": Billed(0.004, None)}
    assert log.remarks == (
        "2 of 3 lanes were stopped before they spoke: it is only known that they would have taken longer",
        "1 of 3 calls were hedged: backends that only got hedges are known from calls that were slow elsewhere",
    )


def test_records_that_tell_nothing_are_named() -> None:
    """Vectors, whole replies, refused calls and lines that are no record."""
    call = replace(PLAIN.call, rpc=Rpc.EMBED)
    whole: Decision = replace(PLAIN, plan=replace(PLAIN.plan, whole=True))
    lines = [
        recorded(call=call),
        wire_record.line(whole).decode(),
        recorded(),
        "[1]\n",
        "{\n",
        '{"a":' * 100_000,
        json.dumps({"route": "default"}),
        json.dumps({"plan": 1, "attempts": [2]}),
    ]
    assert [str(each) for each in read_records(lines).left_out] == [
        "3: no JSON object (lines 4, 5, 6)",
        "2: no decision record (lines 7, 8)",
        "1: vectors always come whole (line 1)",
        "1: the reply came whole, so its first content is its last (line 2)",
        "1: nobody was asked (line 3)",
    ]


def test_only_the_records_that_were_asked_for_count() -> None:
    """By any field that is a word."""
    assert read_records([recorded(), recorded()], (("route", "default"),)).rows == 2
    with pytest.raises(LogError, match="it holds no record that was asked for"):
        read_records([recorded()], (("route", "other"),))
