"""Records in a file, one line each: written by a thread of its own, rotated by size, never waited for.

A disk may be full, slow or gone, and calls go on: what cannot be written is dropped and counted.  The thread wakes up
every few milliseconds and not for every call, for each waking takes the interpreter away from the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from quickthorn_server.core.bug import sketch
from quickthorn_server.core.catalogue import Backend, RecordRule
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.plan import Circuit
from quickthorn_server.telemetry.rotating import Rotating

log = logging.getLogger("quickthorn.records")

_LINGER = 0.05  # seconds from the first record of a batch to its write
_BARE = 4096  # about what a decision holds without any content
_MOST_WAITING = 64 * 1024 * 1024  # bytes that wait for the disk
_BETWEEN_WARNINGS = 60.0  # seconds

Line = Callable[[Decision], bytes]
Weight = Callable[[Decision], int]


class RecordFile:
    """An Observer that writes a line per call.  `start` it once, `close` it at the end.

    *line* makes a record's line, at once for it is cheap; with content (`rule.content`) it is not, so the thread makes
    it, and *weight* says how many bytes such a record holds until then.  *dropped* counts records that are not in the
    file.  *clock* returns seconds.
    """

    def __init__(
        self,
        rule: RecordRule,
        line: Line,
        weight: Weight,
        *,
        most_waiting: int = _MOST_WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dropped = 0
        self._line = line
        self._weight = weight
        self._late = rule.content
        self._most_waiting = most_waiting
        self._clock = clock
        self._path = rule.file
        self._file = Rotating(rule.file, rule.max_size, rule.keep)
        self._lock = threading.Lock()
        self._waiting: list[tuple[bytes | Decision, int]] = []
        self._pending = self._held = 0
        self._untold = 0
        self._warned_at: float | None = None
        self._news, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)

    def start(self) -> None:
        """Open the file and begin to write."""
        self._thread.start()

    async def close(self, deadline: float) -> None:
        """Write what waits and close the file, within *deadline* seconds: what a hung disk does not take is dropped."""
        self._closing.set()
        self._news.set()
        await asyncio.to_thread(self._thread.join, deadline)
        with self._lock:
            left, self._pending = self._pending, 0
            self.dropped += left
            self._untold += left
        if self._untold:
            self._tell("the disk took too long" if left else "as said before")

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        """Nothing: records are about calls."""

    def key_changed(self, backend: Backend, refused: bool) -> None:
        """Nothing, likewise."""

    def call_ended(self, decision: Decision) -> None:
        """Queue the call's record; drop it where too much waits already."""
        try:
            record, held = self._queued(decision)
        except Exception as bug:  # noqa: BLE001 - a record must not fail its call
            self._drop(1, f"a bug at {sketch(bug)}")
            return
        with self._lock:
            taken = self._held + held <= self._most_waiting
            if taken:
                self._pending += 1
                self._held += held
                self._waiting.append((record, held))
        if not taken:
            self._drop(1, "too much waits for the disk")
        elif not self._news.is_set():
            self._news.set()

    def _queued(self, decision: Decision) -> tuple[bytes | Decision, int]:
        if self._late:
            return decision, _BARE + self._weight(decision)
        line = self._line(decision)
        return line, len(line)

    def _run(self) -> None:
        self._write([])  # opens the file, so that an operator reads at once what is wrong with it
        last = False
        while not last:
            self._news.wait()
            self._closing.wait(_LINGER)
            self._news.clear()
            last = self._closing.is_set()  # asked before the batch is taken: the last batch holds the last record
            with self._lock:
                batch, self._waiting = self._waiting, []
            self._write(batch)
        self._file.close()

    def _write(self, batch: list[tuple[bytes | Decision, int]]) -> None:
        lines = [line for record, _ in batch if (line := self._made(record))]
        written = self._file.write(lines)
        with self._lock:
            self._pending -= len(batch)
            self._held -= sum(held for _, held in batch)
        if written.fault:
            self._drop(len(lines) - written.lines, written.fault)

    def _made(self, record: bytes | Decision) -> bytes:
        """Return the line of *record*; empty = it could not be made, and is counted."""
        if isinstance(record, bytes):
            return record
        try:
            return self._line(record)
        except Exception as bug:  # noqa: BLE001 - one record must not end all others
            self._drop(1, f"a bug at {sketch(bug)}")
            return b""

    def _drop(self, count: int, why: str) -> None:
        with self._lock:
            self.dropped += count
            self._untold += count
            now = self._clock()
            if self._warned_at is not None and now - self._warned_at < _BETWEEN_WARNINGS:
                return
            self._warned_at = now if count else None
        self._tell(why)

    def _tell(self, why: str) -> None:
        with self._lock:
            untold, self._untold = self._untold, 0
        log.warning("records dropped=%d in_all=%d file=%s why=%s", untold, self.dropped, self._path, why)
