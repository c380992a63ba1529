"""The log's lines, written in batches: a write for each of them would cost more than the line itself."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TextIO

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"

_LINGER = 0.1  # seconds from the first line of a batch to its write
_MOST_WAITING = 64 * 1024  # characters that wait


class Lines(logging.Handler):
    """Writes to *stream* what is logged, 100 ms later at most; warnings and what is worse at once, and all at exit.

    Outside of an event loop nothing waits.  A process that is killed loses the lines of its last 100 ms.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(FORMAT))
        self._stream = stream
        self._waiting: list[str] = []
        self._size = 0
        self._guard = threading.RLock()
        self._timer: asyncio.TimerHandle | None = None
        self._second = 0
        self._stamp = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Take in what was logged, by any thread."""
        try:
            self._take(f"{self.format(record)}\n")
            if record.levelno >= logging.WARNING:
                self.flush()
        except Exception:  # noqa: BLE001 - a handler must not raise; this is logging's own way to tell
            self.handleError(record)

    def notice(self, name: str, message: str) -> None:
        """Write *message* as FORMAT does at level INFO, without a record of logging's: 2 us instead of 12."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        self._take(f"{self._stamp},{int((now - second) * 1000):03d} INFO {name} {message}\n")

    def flush(self) -> None:
        """Write what waits."""
        with self._guard:
            waiting, self._waiting, self._size = self._waiting, [], 0
            if waiting:
                self._stream.write("".join(waiting))
                self._stream.flush()

    def _take(self, line: str) -> None:
        with self._guard:
            self._waiting.append(line)
            self._size += len(line)
            if self._timer is None:
                self._arm()
            if self._timer is None or self._size > _MOST_WAITING:
                self.flush()

    def _arm(self) -> None:
        try:
            self._timer = asyncio.get_running_loop().call_later(_LINGER, self._look)
        except RuntimeError:  # no loop runs in this thread
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        self.flush()
