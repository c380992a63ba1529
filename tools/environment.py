"""Make the virtual environments that everything here runs in, from the pins in requirements/.

It runs before anything is installed, so it knows the standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", "install")
PYTHON = ".".join(map(str, sys.version_info[:2]))


@dataclass(frozen=True, slots=True)
class Environment:
    """A directory under the project's root, the files of pins it holds, the projects it sees by their source."""

    name: str
    requirements: tuple[str, ...]
    projects: tuple[str, ...] = ()

    @property
    def directory(self) -> Path:
        """Where it is."""
        return ROOT / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.directory / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """What it was made from, a line each; there once everything is installed."""
        return self.directory / "made.txt"

    @property
    def unfinished(self) -> Path:
        """There while it is being made: after an interruption nothing in it can be trusted."""
        return self.directory / "unfinished"

    def recipe(self) -> list[str]:
        """Return what it is made from: the interpreter, the place, and every file that decides its content."""
        files = (*self.requirements, *(f"{project}/pyproject.toml" for project in self.projects))
        return [f"python {PYTHON}", f"directory {self.directory}", *map(_digest, files)]


RUN = Environment(".venv", ("requirements/run.txt",), ("clients/python", "."))
DEVELOP = Environment(".venv", ("requirements/run.txt", "requirements/dev.txt"), ("clients/python", "."))
NAMED = {"run": RUN, "develop": DEVELOP}


def main(arguments: list[str]) -> int:
    """Make the environment named on the command line, `run` or `develop`."""
    made(NAMED[arguments[0]])
    return 0


def made(environment: Environment) -> Path:
    """Return the interpreter of *environment*, which holds what its recipe says; at once when it already does.

    One that somebody made by other means is brought up to date.  One whose making was interrupted, that was moved, or
    whose interpreter is gone or of another version, is made from nothing.  Exits with a message when the interpreter
    that runs this cannot make any, or pip fails.
    """
    with _alone():
        if not _is_made(environment):
            _make(environment)
    return environment.python


def _is_made(environment: Environment) -> bool:
    """Say whether nothing is to be done; more than the recipe asks for does no harm."""
    usable = os.access(environment.python, os.X_OK) and not environment.unfinished.exists()
    return usable and set(environment.recipe()) <= set(_stamped(environment))


def _make(environment: Environment) -> None:
    if not _is_sound(environment):
        _say(f"making {environment.name} (once; about a minute)")
        _begin(environment)
    else:
        _say(f"bringing {environment.name} up to date")
        environment.unfinished.touch()
    for requirements in environment.requirements:
        _pip(environment, "--require-hashes", "--only-binary", ":all:", "--requirement", requirements)
    for project in environment.projects:
        _pip(environment, "--no-deps", "--no-build-isolation", "--editable", project)
    environment.stamp.write_text("\n".join(environment.recipe()) + "\n")
    environment.unfinished.unlink()


def _is_sound(environment: Environment) -> bool:
    """Say whether the environment can be built upon."""
    if environment.unfinished.exists() or not os.access(environment.python, os.X_OK):
        return False
    places = [line for line in _stamped(environment) if line.startswith("directory ")]
    if places not in ([], [f"directory {environment.directory}"]):
        return False
    probe = "import pip, sys; print('.'.join(map(str, sys.version_info[:2])))"
    told = subprocess.run([environment.python, "-c", probe], capture_output=True, text=True, check=False)  # noqa: S603
    return told.stdout.strip() == PYTHON


def _begin(environment: Environment) -> None:
    """Start from nothing."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(
            f"{sys.executable} cannot make virtual environments: it lacks {' and '.join(missing)}.\n"
            f"On Debian and Ubuntu: apt install python{PYTHON}-venv. Or take another: make PYTHON=/path/to/python3 ..."
        )
    shutil.rmtree(environment.directory, ignore_errors=True)
    environment.directory.mkdir(parents=True)
    environment.unfinished.touch()
    _run([sys.executable, "-m", "venv", str(environment.directory)])


def _pip(environment: Environment, *arguments: str) -> None:
    _run([str(environment.python), *PIP, *arguments])


def _run(command: list[str]) -> None:
    """Run *command* in the project's root; exits when it fails, having said why."""
    settings = os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    ended = subprocess.run(command, cwd=ROOT, env=settings, check=False)  # noqa: S603 - our own arguments
    if ended.returncode:
        sys.exit(f"failed: {' '.join(command)}")


def _digest(file: str) -> str:
    return f"{file} {hashlib.sha256((ROOT / file).read_bytes()).hexdigest()}"


def _stamped(environment: Environment) -> list[str]:
    return environment.stamp.read_text().splitlines() if environment.stamp.exists() else []


@contextmanager
def _alone() -> Iterator[None]:
    """Keep two `make` at once from making the same environment: the second waits, then finds it made."""
    with Path(__file__).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
