"""The log in batches: what waits, for how long, and what is never held back."""

from __future__ import annotations

import asyncio
import io
import logging
import re

import pytest

from quickthorn_server.telemetry.lines import Lines
from tests.support.virtual import run_virtual


def logger(stream: io.StringIO) -> tuple[Lines, logging.Logger]:
    """Return a handler on *stream* and a logger of its own."""
    lines = Lines(stream)
    log = logging.Logger("quickthorn")  # noqa: LOG001 - one that nobody else hears
    log.addHandler(lines)
    return lines, log


def test_lines_are_written_together_and_soon() -> None:
    """A line waits for others, 100 ms at most; then the next one waits anew."""

    async def go() -> list[int]:
        stream, seen = io.StringIO(), []
        _, log = logger(stream)
        for _ in range(2):
            log.info("one")
            await asyncio.sleep(0.05)
            log.info("two")
            seen.append(stream.getvalue().count("\n"))
            await asyncio.sleep(0.06)
            seen.append(stream.getvalue().count("\n"))
        return seen

    assert run_virtual(go()) == [0, 2, 2, 4]


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR])
def test_a_warning_waits_for_nothing(level: int) -> None:
    """What an operator must see is written at once, behind what came before it."""

    async def go() -> str:
        stream = io.StringIO()
        _, log = logger(stream)
        log.info("before")
        log.log(level, "now")
        return stream.getvalue()

    assert re.findall(r"before|now", run_virtual(go())) == ["before", "now"]


def test_what_waits_is_bounded() -> None:
    """A flood is written as it comes."""

    async def go() -> int:
        stream = io.StringIO()
        _, log = logger(stream)
        for _ in range(100):
            log.info("x" * 1024)
        return len(stream.getvalue())

    assert run_virtual(go()) > 60 * 1024


def test_outside_of_a_loop_nothing_waits() -> None:
    """Nobody would come to write it."""
    stream = io.StringIO()
    lines, log = logger(stream)
    log.info("at once")
    assert "at once" in stream.getvalue()
    lines.flush()
    assert stream.getvalue().count("at once") == 1


def test_a_notice_looks_like_any_other_line() -> None:
    """The short way writes what logging's own formatter does, to the millisecond."""
    stream = io.StringIO()
    lines, log = logger(stream)
    log.info("call id=%s", 1)
    lines.notice("quickthorn", "call id=1")
    shape = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO quickthorn call id=1")
    assert all(shape.fullmatch(line) for line in stream.getvalue().splitlines())
    assert stream.getvalue().count("\n") == 2
