"""Pin every dependency by version and hash in requirements/, for each environment that the tools make.

The files hold for CPython from 3.11 on, on Linux and macOS, and name no package index: each user has their own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
OURS = ("quickthorn-client", "quickthorn ")
EDITABLE = "editables"  # what hatchling needs to install in editable mode
COMPILE = ("pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate")


@dataclass(frozen=True, slots=True)
class Lock:
    """One file of pins: what it must hold, and how uv finds the versions."""

    name: str
    purpose: str
    needs: tuple[str, ...]
    options: tuple[str, ...] = ()


def main(arguments: list[str] | None = None) -> int:
    """Write the files.  Pins that still fit stay, unless `--upgrade` asks for the newest."""
    parser = argparse.ArgumentParser(prog="lock.py", description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions instead of keeping what fits")
    upgrade = parser.parse_args(arguments).upgrade
    for lock in locks():
        _write(lock, upgrade=upgrade)
        sys.stdout.write(f"requirements/{lock.name}\n")
    return 0


def locks() -> tuple[Lock, ...]:
    """Return every file of pins, in the order in which they must be made."""
    server, client = read("pyproject.toml"), read("clients/python/pyproject.toml")
    client_needs = tuple(client["project"]["dependencies"])
    server_needs = (*others(server["project"]["dependencies"]), *client_needs)
    local = tuple(server["project"]["optional-dependencies"]["local"])
    build = (*server["build-system"]["requires"], *client["build-system"]["requires"], EDITABLE)
    test = group(server, "test")
    like_run = ("--constraints", "requirements/run.txt")
    lowest = ("--resolution", "lowest-direct")
    runner = tuple(need for need in test if "==" in need)
    return (
        Lock("run.txt", "the server, the client and the embedded model", server_needs + local + build),
        Lock("dev.txt", "the tests and the checks, on top of run.txt", group(server, "dev"), like_run),
        Lock("generate.txt", "the generators of the stubs", group(server, "generate")),
        Lock("lowest-server.txt", "the oldest the server supports, and the tests", server_needs + local + test, lowest),
        Lock("lowest-client.txt", "the oldest the client supports, and the tests", client_needs + runner, lowest),
    )


def read(path: str) -> dict[str, Any]:
    """Return a TOML file of the project."""
    return tomllib.loads((ROOT / path).read_text())


def others(needs: Iterable[str]) -> tuple[str, ...]:
    """Return *needs* without our own distributions, which no index has to have."""
    return tuple(need for need in needs if not need.startswith(OURS))


def group(project: dict[str, Any], name: str) -> tuple[str, ...]:
    """Return a dependency group with the groups that it includes."""
    needs: list[str] = []
    for entry in project["dependency-groups"][name]:
        needs += group(project, entry["include-group"]) if isinstance(entry, dict) else [entry]
    return tuple(needs)


def _write(lock: Lock, *, upgrade: bool) -> None:
    path = REQUIREMENTS / lock.name
    command = [str(Path(sys.executable).with_name("uv")), *COMPILE, "--python-version", "3.11", *lock.options]
    command += ["--output-file", str(path), *(["--upgrade"] if upgrade else []), "-"]
    subprocess.run(command, check=True, cwd=ROOT, input="\n".join(lock.needs), text=True)  # noqa: S603 - our own
    path.write_text(f"# For {lock.purpose}.  Written by tools/lock.py.\n{path.read_text()}")


if __name__ == "__main__":
    sys.exit(main())
