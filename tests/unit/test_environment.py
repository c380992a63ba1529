"""The tool that makes the virtual environments does so exactly when it must."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tools import environment
from tools.environment import PYTHON, Environment, made

PINS = "requirements/run.txt"


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let the tool work in *tmp_path* and note its commands instead of running them; `venv` leaves an interpreter."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / PINS).write_text("one==1\n")
    commands: list[list[str]] = []

    def run(command: list[str]) -> None:
        commands.append(command[1:])
        if command[1:3] == ["-m", "venv"]:
            binaries = Path(command[3]) / "bin"
            binaries.mkdir()
            (binaries / "python").symlink_to(sys.executable)

    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "_run", run)
    return commands


SOME = Environment(".venv", (PINS,))


def _kinds(commands: list[list[str]]) -> list[str]:
    return [command[1] for command in commands]


def test_it_is_made_once(ran: list[list[str]]) -> None:
    """The second time costs nothing."""
    assert made(SOME) == SOME.python
    assert _kinds(ran) == ["venv", "pip"]
    made(SOME)
    assert len(ran) == 2


def test_pins_are_installed_by_hash_and_never_compiled(ran: list[list[str]]) -> None:
    """What is installed is what was locked."""
    made(SOME)
    assert "--require-hashes" in ran[1]
    assert ran[1][ran[1].index("--only-binary") + 1] == ":all:"


def test_new_pins_are_installed_on_top(ran: list[list[str]], tmp_path: Path) -> None:
    """A change of the lock costs the difference, not a new environment."""
    made(SOME)
    (tmp_path / PINS).write_text("one==2\n")
    made(SOME)
    assert _kinds(ran) == ["venv", "pip", "pip"]


def test_one_that_holds_more_serves_for_less(ran: list[list[str]], tmp_path: Path) -> None:
    """`make demo` after `make test` finds everything there."""
    (tmp_path / "more.txt").write_text("two==2\n")
    made(replace(SOME, requirements=(PINS, "more.txt")))
    made(SOME)
    assert _kinds(ran) == ["venv", "pip", "pip"]


def test_an_interrupted_one_is_made_anew(ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that was half unpacked looks installed to pip, so nothing of it is kept."""
    with monkeypatch.context() as patch:
        patch.setattr(environment, "_pip", _fail)
        with pytest.raises(SystemExit):
            made(SOME)
    made(SOME)
    assert _kinds(ran) == ["venv", "venv", "pip"]
    assert not SOME.unfinished.exists()


def test_an_interrupted_update_is_not_trusted_after_the_pins_came_back(
    ran: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checking out the old lock again does not undo what pip had begun with the new one."""
    made(SOME)
    (tmp_path / PINS).write_text("one==2\n")
    with monkeypatch.context() as patch:
        patch.setattr(environment, "_pip", _fail)
        with pytest.raises(SystemExit):
            made(SOME)
    (tmp_path / PINS).write_text("one==1\n")
    made(SOME)
    assert _kinds(ran) == ["venv", "pip", "venv", "pip"]


def _fail(*_: object) -> None:
    sys.exit("the network is gone")


def test_one_without_its_interpreter_is_made_anew(ran: list[list[str]]) -> None:
    """Upgrading the system's Python removes what the environment points to."""
    made(SOME)
    SOME.python.unlink()
    SOME.python.symlink_to("/nowhere/python")
    made(SOME)
    assert _kinds(ran) == ["venv", "pip", "venv", "pip"]


def test_one_that_was_moved_is_made_anew(ran: list[list[str]]) -> None:
    """Its programs would run the old place's interpreter, and see the old place's sources."""
    made(SOME)
    SOME.directory.rename(SOME.directory.with_name("moved"))
    made(replace(SOME, name="moved"))
    assert _kinds(ran) == ["venv", "pip", "venv", "pip"]


def test_one_of_another_python_is_made_anew(ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """`make test PYTHON=python3.13` tests on 3.13."""
    made(SOME)
    monkeypatch.setattr(environment, "PYTHON", "3.99")
    made(SOME)
    assert _kinds(ran) == ["venv", "pip", "venv", "pip"]


def test_one_made_by_hand_is_kept(ran: list[list[str]]) -> None:
    """It is brought up to date, not thrown away."""
    made(SOME)
    SOME.stamp.unlink()
    made(SOME)
    assert _kinds(ran) == ["venv", "pip", "pip"]


def test_a_python_that_cannot_make_any_is_told_so(ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's python3 comes without `ensurepip`; the message names the package that brings it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ensurepip" else name)
    with pytest.raises(SystemExit, match=f"lacks ensurepip.*\n.*python{PYTHON}-venv"):
        made(SOME)
    assert ran == []
    assert not SOME.directory.exists()
