"""Threads that step back behind the event loop's."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from quickthorn_server.edge.threads import BEHIND, stepping_back

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere niceness is a process's")


@contextmanager
def two_threads() -> Iterator[list[int]]:
    """Run a thread that began before the block of the claim and one that begins in it; give their niceness."""
    over = threading.Event()
    threads = [threading.Thread(target=over.wait) for _ in range(2)]
    threads[0].start()
    with stepping_back():
        threads[1].start()
    try:
        yield [os.getpriority(os.PRIO_PROCESS, thread.native_id or 0) for thread in threads]
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_what_begins_in_the_block_steps_back_and_nobody_else() -> None:
    """Neither whoever opened the block nor the threads that it had."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with two_threads() as found:
        assert found == [before, before + BEHIND]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_a_system_that_forbids_it_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may not permit it: then the server serves all the same."""

    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    with two_threads() as found:
        assert found[0] == found[1]
