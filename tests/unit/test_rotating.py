"""Whole lines in bounded files, whatever the disk does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.telemetry.rotating import Rotating, Written

FULL = Path("/dev/full")


Make = Callable[[Path, int, int], Rotating]


@pytest.fixture
def rotating() -> Iterator[Make]:
    """Return what makes files that are closed when the test ends."""
    with contextlib.ExitStack() as made:
        yield lambda path, size, keep: made.enter_context(contextlib.closing(Rotating(str(path), size, keep)))


def line(number: int, size: int = 10) -> bytes:
    return f"{number:0{size - 1}}\n".encode()


def test_lines_are_appended(rotating: Make, tmp_path: Path) -> None:
    """The file is made, and what is in it stays."""
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"old\n")
    file = rotating(path, 1000, 2)
    assert file.write([]) == Written(0)
    assert file.write([b"a\n", b"b\n"]) == Written(2)
    assert file.write([b"c\n"]) == Written(1)
    assert path.read_bytes() == b"old\na\nb\nc\n"


def test_records_are_not_for_everybody(rotating: Make, tmp_path: Path) -> None:
    """Others than the owner and the group may not read what we make."""
    rotating(tmp_path / "r.jsonl", 1000, 2).write([b"a\n"])
    assert (tmp_path / "r.jsonl").stat().st_mode & 0o007 == 0


def test_a_torn_last_line_is_ended(rotating: Make, tmp_path: Path) -> None:
    """Whoever was killed inside a line does not spoil the next one."""
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"half": ')
    rotating(path, 1000, 2).write([b"a\n"])
    assert path.read_bytes() == b'{"half": \na\n'


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_files_are_bounded_in_size_and_number(rotating: Make, tmp_path: Path, keep: int) -> None:
    """No file outgrows its limit; the newest lines are kept, in order, in one file more than are kept beside it."""
    path = tmp_path / "r.jsonl"
    file = rotating(path, 35, keep)
    for start in range(0, 100, 7):
        lines = [line(number) for number in range(start, min(start + 7, 100))]
        assert file.write(lines) == Written(len(lines))
    names = sorted(tmp_path.iterdir(), reverse=True)
    assert [each.name for each in names] == [*(f"r.jsonl.{number}" for number in range(keep, 0, -1)), "r.jsonl"]
    assert all(each.stat().st_size <= 35 for each in names)
    kept = b"".join(each.read_bytes() for each in names)
    assert b"".join(map(line, range(100))).endswith(kept)
    assert kept.count(b"\n") == 3 * keep + 1


@given(st.lists(st.lists(st.integers(2, 40), max_size=8), max_size=8), st.integers(0, 3))
def test_any_batches_leave_whole_lines_in_bounded_files(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[list[int]], keep: int
) -> None:
    """However lines fall into batches and files, none is torn and none too large gets in."""
    path = tmp_path_factory.mktemp("records") / "r.jsonl"
    file, wanted, number = Rotating(str(path), 30, keep), [], 0
    for batch in sizes:
        lines = [line(number := number + 1, size) for size in batch]
        written = file.write(lines)
        fitting = [each for each in lines if len(each) <= 30]
        wanted += fitting
        assert written.lines == len(fitting)
        assert bool(written.fault) == (len(fitting) < len(lines))
    file.close()
    names = sorted(path.parent.iterdir(), reverse=True)
    assert len(names) <= keep + 1
    assert all(each.stat().st_size <= 30 for each in names)
    assert b"".join(wanted).endswith(b"".join(each.read_bytes() for each in names))


@pytest.mark.parametrize("remove", [Path.unlink, lambda path: path.rename(path.with_suffix(".away"))])
def test_a_file_taken_away_is_made_anew(rotating: Make, tmp_path: Path, remove: object) -> None:
    """An outside rotation, or a deletion, does not send records into a file that nobody sees."""
    path = tmp_path / "r.jsonl"
    file = rotating(path, 1000, 2)
    file.write([b"a\n"])
    remove(path)  # type: ignore[operator]  # a function of a path
    assert file.write([b"b\n"]) == Written(1)
    assert path.read_bytes() == b"b\n"


def test_a_missing_folder_is_waited_for(rotating: Make, tmp_path: Path) -> None:
    """Nothing is made that the operator did not make; once the folder is there, lines are written."""
    path = tmp_path / "logs" / "r.jsonl"
    file = rotating(path, 1000, 2)
    assert file.write([b"a\n"]) == Written(0, "No such file or directory")
    path.parent.mkdir()
    assert file.write([b"b\n"]) == Written(1)
    assert path.read_bytes() == b"b\n"


def test_what_is_no_file_is_a_fault(rotating: Make, tmp_path: Path) -> None:
    """A folder in its place, a file in its folder's place, or no permission: said, not raised."""
    (tmp_path / "file").touch()
    assert rotating(tmp_path, 1000, 2).write([b"a\n"]) == Written(0, "Is a directory")
    assert rotating(tmp_path / "file" / "r", 1000, 2).write([b"a\n"]) == Written(0, "Not a directory")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_a_fault(rotating: Make, tmp_path: Path) -> None:
    """A folder that this user may not write to."""
    tmp_path.chmod(0o500)
    assert rotating(tmp_path / "r", 1000, 2).write([b"a\n"]) == Written(0, "Permission denied")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_a_fault_until_there_is_room(rotating: Make, tmp_path: Path) -> None:
    """Lines are left out while the disk is full, and written again afterwards."""
    path = tmp_path / "r.jsonl"
    path.symlink_to(FULL)
    file = rotating(path, 1000, 2)
    for _ in range(3):
        assert file.write([b"a\n", b"b\n"]) == Written(0, "No space left on device")
    path.unlink()
    assert file.write([b"c\n"]) == Written(1)
    assert path.read_bytes() == b"c\n"


def test_a_device_is_never_rotated(rotating: Make, tmp_path: Path) -> None:
    """A link to a device stays what it is, however much is written."""
    path = tmp_path / "r.jsonl"
    path.symlink_to("/dev/null")
    file = rotating(path, 20, 2)
    assert file.write([line(number) for number in range(100)]) == Written(100)
    assert [each.name for each in tmp_path.iterdir()] == ["r.jsonl"]
    assert path.is_symlink()


LIMITED = """
import resource, sys
from quickthorn_server.telemetry.rotating import Rotating
file = Rotating(sys.argv[1], 1000, 0)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (25, hard))
print(*file.write([b"aaaaaaaaa\\n", b"bbbbbbbbb\\n", b"ccccccccc\\n", b"ddddddddd\\n"]), sep=";")
print(open(sys.argv[1], "rb").read())
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(*file.write([b"eeeeeeeee\\n"]), sep=";")
print(open(sys.argv[1], "rb").read())
"""


def test_a_line_that_does_not_fit_whole_is_taken_back(tmp_path: Path) -> None:
    """The disk takes two lines and a half: two are in the file, the others are left out, and the next one is whole."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "r")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603 - our own
    assert ran.stdout.splitlines() == [
        "2;File too large",
        r"b'aaaaaaaaa\nbbbbbbbbb\n'",
        "1;",
        r"b'aaaaaaaaa\nbbbbbbbbb\neeeeeeeee\n'",
    ]
