"""The programs, one per language: what each needs, how it is built, how it is run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "clients"

_BUILD = 900.0  # seconds, caches cold
_ANSWER = 60.0
_END = 10.0


@dataclass(frozen=True, slots=True)
class Language:
    """*needs*: commands that must be on the path.  *build*: commands, run in *folder* one after the other."""

    folder: Path
    run: tuple[str, ...]
    needs: tuple[str, ...] = ()
    build: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def missing(self) -> list[str]:
        """Return which of the needed commands are not here."""
        return [command for command in self.needs if shutil.which(command) is None]


LANGUAGES: Mapping[str, Language] = {
    "python": Language(CLIENTS / "python", (sys.executable, "conformance/program.py")),
    "go": Language(
        CLIENTS / "go",
        (str(CLIENTS / "go" / "build" / "conformance"),),
        needs=("go",),
        build=(("go", "build", "-o", "build/conformance", "./conformance"),),
    ),
    "typescript": Language(
        CLIENTS / "typescript",
        ("node", "build/conformance/program.js"),
        needs=("node", "npm"),
        build=(("npm", "ci"), ("npm", "run", "build:all")),
    ),
    "rust": Language(
        CLIENTS / "rust",
        (str(CLIENTS / "rust" / "target" / "debug" / "examples" / "conformance"),),
        needs=("cargo",),
        build=(("cargo", "build", "--quiet", "--target-dir", "target", "--example", "conformance"),),
    ),
    "cpp": Language(
        CLIENTS / "cpp",
        (str(CLIENTS / "cpp" / "build" / "quickthorn_conformance"),),
        needs=("cmake", "c++", "protoc", "grpc_cpp_plugin"),
        build=(
            ("cmake", "-S", ".", "-B", "build", "-DQUICKTHORN_CONFORMANCE=ON"),
            ("cmake", "--build", "build", "-j2"),
        ),
    ),
    "java": Language(
        CLIENTS / "java",
        ("java", "-cp", "target/classes:target/lib/*", "conformance/Program.java"),
        needs=("java", "javac", "mvn"),
        build=(("mvn", "-q", "-B", "compile", "dependency:copy-dependencies"),),
    ),
}
"""By the names of the folders below `clients`."""


class BuildError(Exception):
    """A program could not be built; the message is the end of what the builder said."""


class ProgramError(Exception):
    """A program ended, or said nothing in time, or something that is no JSON."""


def build(language: Language) -> None:
    """Build a language's program.  Raises BuildError."""
    for command in language.build:
        try:
            done = subprocess.run(  # noqa: S603 - commands of this file
                command, cwd=language.folder, capture_output=True, text=True, timeout=_BUILD, check=False
            )
        except subprocess.TimeoutExpired:
            raise BuildError(f"{' '.join(command)} took longer than {_BUILD:g} s") from None
        if done.returncode:
            said = (done.stdout + done.stderr)[-4000:]
            raise BuildError(f"{' '.join(command)} ended with {done.returncode}:\n{said}")


class Program:
    """A running program: one line in, one line out.  Use as a context manager."""

    def __init__(self, language: Language, verbose: bool = False) -> None:
        self._language = language
        self._errors = None if verbose else subprocess.DEVNULL
        self._lines: Queue[bytes] = Queue(maxsize=16)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - the same
            self._language.run,
            cwd=self._language.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **self._language.environment},
        )
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(_END)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def ask(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """Return the program's result for a case's line.  Raises ProgramError."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            self._process.stdin.flush()
            said = self._lines.get(timeout=_ANSWER)
        except OSError:
            raise ProgramError("the program has ended") from None
        except Empty:
            raise ProgramError(f"no result within {_ANSWER:g} s") from None
        try:
            result: dict[str, Any] = json.loads(said)
        except ValueError:
            raise ProgramError(f"no JSON: {said[:200]!r}" if said else "the program has ended") from None
        return result

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._process.stdout.close()
        self._lines.put(b"")
