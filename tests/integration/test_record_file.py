"""A call never waits for its record: what the disk does not take is dropped, counted and, now and then, told."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from quickthorn_server.core.catalogue import RecordRule
from quickthorn_server.core.decision import Decision
from quickthorn_server.telemetry.record_file import RecordFile
from tests.support.decisions import CALL, PLAIN

FULL = Path("/dev/full")


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def line(decision: Decision) -> bytes:
    return b'{"id": "%s"}\n' % decision.call.id.encode()


def decided(number: int) -> Decision:
    return replace(PLAIN, call=replace(CALL, id=str(number)))


def ids(path: Path) -> list[int]:
    return [int(json.loads(each)["id"]) for each in path.read_text().splitlines()]


def started(path: Path, *, content: bool = False, **given: Any) -> RecordFile:
    rule = RecordRule(str(path), content=content)
    file = RecordFile(rule, given.pop("line", line), lambda _: 0, **given)
    file.start()
    return file


def _ends_with(path: Path, number: int) -> bool:
    return path.exists() and ids(path)[-1:] == [number]


async def until(true: Callable[[], bool]) -> None:
    """Look again and again: a thread does the work, and tells nobody."""
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


async def until_dropped(file: RecordFile, count: int) -> None:
    await until(lambda: file.dropped == count)


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "quickthorn.records"]


@pytest.mark.parametrize("content", [False, True])
def test_every_record_is_in_the_file_in_order(tmp_path: Path, content: bool) -> None:
    """Those that wait at the end are written before the file is closed, whoever makes the lines."""

    async def main() -> None:
        file = started(tmp_path / "r", content=content)
        for number in range(2000):
            file.call_ended(decided(number))
            if number % 500 == 0:
                await asyncio.sleep(0.06)
        await file.close(2)
        assert ids(tmp_path / "r") == list(range(2000))
        assert file.dropped == 0

    run(main())


def test_records_come_while_calls_go_on(tmp_path: Path) -> None:
    """Nobody needs to stop the server to read them."""

    async def main() -> None:
        file = started(tmp_path / "r")
        for number in range(3):
            file.call_ended(decided(number))
            await until(partial(_ends_with, tmp_path / "r", number))
        await file.close(2)

    run(main())


@pytest.mark.parametrize("content", [False, True])
def test_lines_are_made_where_it_is_cheap(tmp_path: Path, content: bool) -> None:
    """A line without content at once, one with content by the thread."""
    makers: list[str] = []

    def noted(decision: Decision) -> bytes:
        makers.append(threading.current_thread().name)
        return line(decision)

    async def main() -> None:
        file = started(tmp_path / "r", content=content, line=noted)
        file.call_ended(decided(1))
        await file.close(2)

    run(main())
    assert makers == ["records" if content else "MainThread"]


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_costs_records_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Records are dropped and counted, told once a minute, and written again once there is room."""
    path = tmp_path / "r"
    path.symlink_to(FULL)
    now = 0.0

    async def main() -> None:
        nonlocal now
        file = started(path, clock=lambda: now)
        for number in range(20):
            begun = time.perf_counter()
            file.call_ended(decided(number))
            assert time.perf_counter() - begun < 0.02
            await until_dropped(file, number + 1)
        first = f"records dropped=1 in_all=1 file={path} why=No space left on device"
        assert warned(caplog) == [first]
        now = 61.0
        file.call_ended(decided(20))
        await until_dropped(file, 21)
        assert warned(caplog)[1:] == [f"records dropped=20 in_all=21 file={path} why=No space left on device"]
        path.unlink()
        file.call_ended(decided(21))
        await until(lambda: path.exists() and ids(path) == [21])
        await file.close(2)
        assert file.dropped == 21

    with caplog.at_level(logging.WARNING):
        run(main())


def test_a_missing_folder_is_told_before_the_first_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An operator reads at the start what is wrong; the first dropped record is told, too, and the rest at the end."""
    path = tmp_path / "logs" / "r"

    async def main() -> None:
        file = started(path)
        await until(lambda: bool(warned(caplog)))
        assert warned(caplog) == [f"records dropped=0 in_all=0 file={path} why=No such file or directory"]
        for number in range(3):
            file.call_ended(decided(number))
            await until_dropped(file, number + 1)
        await file.close(2)
        assert [said.split(" file=")[0] for said in warned(caplog)[1:]] == [
            "records dropped=1 in_all=1",
            "records dropped=2 in_all=3",
        ]

    with caplog.at_level(logging.WARNING):
        run(main())


def test_a_hung_disk_holds_up_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What waits is bounded, calls go on at once, and the end comes by its deadline; all of it is counted."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)

    def long(decision: Decision) -> bytes:
        return line(decision).rstrip() + b" " * 10_000 + b"\n"

    async def main() -> None:
        file = started(path, line=long, most_waiting=500_000)  # a pipe takes 64 KiB, and then its writer hangs
        begun = time.perf_counter()
        for number in range(200):
            file.call_ended(decided(number))
            await asyncio.sleep(0.001)
        assert time.perf_counter() - begun < 2
        assert 0 < file.dropped <= 200
        begun = time.perf_counter()
        await file.close(0.2)
        assert 0.1 < time.perf_counter() - begun < 2
        assert file.dropped == 200
        assert warned(caplog)[-1].endswith("why=the disk took too long")
        os.close(reader)  # the writer's next byte fails, and its thread ends

    with caplog.at_level(logging.WARNING):
        run(main())


@pytest.mark.parametrize("content", [False, True])
def test_a_record_that_cannot_be_made_does_not_fail_its_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bool
) -> None:
    """It is dropped and counted; what the bug says is not told, for it may quote the prompt."""

    def buggy(decision: Decision) -> bytes:
        if decision.call.id == "1":
            raise ValueError("planted prompt")
        return line(decision)

    async def main() -> None:
        file = started(tmp_path / "r", content=content, line=buggy)
        for number in range(3):
            file.call_ended(decided(number))
        await file.close(2)
        assert ids(tmp_path / "r") == [0, 2]
        assert file.dropped == 1

    with caplog.at_level(logging.WARNING):
        run(main())
    assert "a bug at ValueError(" in caplog.text
    assert "planted" not in caplog.text
