"""Append whole lines to a file that never grows beyond its limit, on a disk that may fail at any time."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

_MODE = 0o640  # records name callers: not for everybody on the machine


class Written(NamedTuple):
    """How many lines are in the file, and what kept the others out."""

    lines: int
    fault: str = ""


class Rotating:
    """Lines in the file *path*; before it would outgrow *max_size* bytes it becomes `path.1`, and `path.keep` goes.

    After a failure the file is opened anew, and so is one that was moved away, deleted or unmounted.  A line that is
    only partly written is taken back.  Not safe for threads.
    """

    def __init__(self, path: str, max_size: int, keep: int) -> None:
        self._path = Path(path)
        self._max_size = max_size
        self._keep = keep
        self._file: io.FileIO | None = None
        self._size = 0
        self._rotates = True
        self._lines = 0

    def write(self, lines: Sequence[bytes]) -> Written:
        """Append *lines*, in order; what cannot be written is left out.  No line only opens the file."""
        fitting = [line for line in lines if len(line) <= self._max_size]
        self._lines = 0
        try:
            file = self._opened()
            for batch in self._batches(fitting):
                file = file if self._file is file else self._opened()
                self._append(file, batch)
        except OSError as error:
            self.close()
            return Written(self._lines, error.strerror or type(error).__name__)
        return Written(
            self._lines, "" if len(fitting) == len(lines) else "a record is larger than the whole file may be"
        )

    def close(self) -> None:
        """Close the file; the next `write` opens it again."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # a full network disk may say so only now, and nothing can be done
                file.close()

    def _opened(self) -> io.FileIO:
        if self._file is None or not self._is_in_place(self._file):
            self.close()
            self._file = self._open()
        return self._file

    def _open(self) -> io.FileIO:
        file = io.FileIO(os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE), "ab+")
        try:
            found = os.fstat(file.fileno())
            self._rotates = stat.S_ISREG(found.st_mode)  # /dev/stdout must not become /dev/stdout.1
            self._size = found.st_size if self._rotates else 0
            if self._size and os.pread(file.fileno(), 1, self._size - 1) != b"\n":
                self._size += file.write(b"\n")  # whoever wrote before us was cut off inside a line
        except OSError:
            file.close()
            raise
        return file

    def _is_in_place(self, file: io.FileIO) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(file.fileno()))
        except OSError:
            return False

    def _batches(self, lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Yield *lines* in runs that fit into the file; between two of them it is a new one."""
        start, size = 0, self._size
        for place, line in enumerate(lines):
            if self._rotates and size + len(line) > self._max_size:
                yield lines[start:place]
                self._rotate()
                start, size = place, 0
            size += len(line)
        yield lines[start:]

    def _rotate(self) -> None:
        self.close()
        names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._keep + 1))]
        names[-1].unlink(missing_ok=True)
        for newer, older in reversed(list(pairwise(names))):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)

    def _append(self, file: io.FileIO, lines: Sequence[bytes]) -> None:
        content, done = memoryview(b"".join(lines)), 0
        try:
            while done < len(content):
                done += file.write(content[done:])
        finally:
            ends = [end for end in accumulate(map(len, lines)) if end <= done]
            whole = ends[-1] if ends else 0
            self._lines += len(ends)
            self._size += whole
            if whole < done:
                with contextlib.suppress(OSError):  # then the next opening ends the torn line
                    os.ftruncate(file.fileno(), self._size)
