"""Write the generated code of every language from proto/, or check that what is checked in is what is generated."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools import generate_python
from tools.environment import ROOT

CLIENTS = ROOT / "clients"
BUILD = ROOT / "build" / "generators"
PYTHON = "python"


@dataclass(frozen=True, slots=True)
class Plugins:
    """How buf writes the code of one language, as `clients/<language>/buf.gen.yaml` says: by local, pinned plugins.

    *code*: the folder that is checked in; it holds nothing that is not generated.
    *needs*: commands that must be on the path.
    *tools*: the folder that pins the plugins, where *install* (commands, one after the other) puts them into *bin*.
    """

    code: Path
    tools: Path
    bin: Path
    install: tuple[tuple[str, ...], ...]
    needs: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


LANGUAGES: Mapping[str, Plugins] = {
    "go": Plugins(
        code=CLIENTS / "go" / "v1",
        tools=CLIENTS / "go" / "tools",
        bin=BUILD / "go",
        install=(("go", "install", "tool"),),
        needs=("go",),
        environment={"GOBIN": str(BUILD / "go")},
    ),
    "typescript": Plugins(
        code=CLIENTS / "typescript" / "src" / "generated",
        tools=CLIENTS / "typescript",
        bin=CLIENTS / "typescript" / "node_modules" / ".bin",
        install=(("npm", "ci", "--silent"),),
        needs=("node", "npm"),
    ),
    "rust": Plugins(
        code=CLIENTS / "rust" / "src" / "gen",
        tools=CLIENTS / "rust" / "generate",
        bin=BUILD / "rust" / "debug",
        install=(("cargo", "build", "--quiet", "--target-dir", str(BUILD / "rust")),),
        needs=("cargo",),
    ),
}
"""By the names of the folders below `clients`.  Python goes its own way, by the oldest protoc that it supports."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code: 0 done or clean, 1 files that are checked in differ."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a checked-in file differs")
    parser.add_argument(
        "--language", action="append", choices=[PYTHON, *LANGUAGES], help="default: all; may be repeated"
    )
    given = parser.parse_args(arguments)
    names = given.language or [PYTHON, *LANGUAGES]
    return max([_language(name, check=given.check) for name in names])


def _language(name: str, *, check: bool) -> int:
    """Write or check one language; return the exit code."""
    if name == PYTHON and not generate_python.available():
        return generate_python.described(check=check)
    plugins = LANGUAGES.get(name)
    if missing := [command for command in plugins.needs if shutil.which(command) is None] if plugins else []:
        sys.stdout.write(f"{name}: skipped, {', '.join(missing)} not found\n")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        fresh = _generated(name, plugins, Path(scratch)) if plugins else generate_python.generated(Path(scratch))
    return _settled(name, plugins.code if plugins else generate_python.STUBS, fresh, check=check)


def _settled(name: str, code: Path, fresh: Mapping[str, bytes], *, check: bool) -> int:
    """Make the folder *code* hold what is *fresh*, or say what differs; return the exit code."""
    present = files_in(code)
    stale = sorted(file for file in fresh.keys() | present.keys() if fresh.get(file) != present.get(file))
    if check and stale:
        sys.stderr.write(f"{code.relative_to(ROOT)} is stale ({', '.join(stale)}); run `make generate`\n")
        return 1
    for file in stale:
        _put(code / file, fresh.get(file))
    sys.stdout.write(f"{name}: {len(fresh)} generated files{' are clean' if check else f', {len(stale)} written'}\n")
    return 0


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below *folder* by its name there; what Python caches does not count."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _put(path: Path, content: bytes | None) -> None:
    """Write *content*; None: the file is no longer generated, so remove it."""
    if content is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _generated(name: str, plugins: Plugins, scratch: Path) -> dict[str, bytes]:
    """Return the content of every generated file by its name, as the pinned plugins write it."""
    settings = os.environ | plugins.environment
    for command in plugins.install:
        _run(command, plugins.tools, settings)
    path = f"{plugins.bin}{os.pathsep}{os.environ.get('PATH', '')}"
    buf = str(Path(sys.executable).with_name("buf"))
    template = f"{CLIENTS.relative_to(ROOT)}/{name}/buf.gen.yaml"
    _run((buf, "generate", "--template", template, "--output", str(scratch)), ROOT, settings | {"PATH": path})
    return files_in(scratch / plugins.code.relative_to(ROOT))


def _run(command: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> None:
    """Run *command*; exits when it fails, having said why."""
    if subprocess.run(command, cwd=folder, env=environment, check=False).returncode:  # noqa: S603 - our own arguments
        sys.exit(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    sys.exit(main())
