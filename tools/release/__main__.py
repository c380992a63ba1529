"""Try the release of every language whose toolchain is here: `python -m tools.release --help`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import shutil
import subprocess
import sys
import time

from tools import release
from tools.environment import ROOT

LANGUAGES = sorted(module.name for module in pkgutil.iter_modules(release.__path__) if module.name != "__main__")


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for; return 0 when nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("--language", action="append", choices=LANGUAGES, help="default: all; may be repeated")
    parser.add_argument("--required", action="store_true", help="a missing toolchain is a failure")
    given = parser.parse_args(arguments)
    failed = [name for name in given.language or LANGUAGES if not _tried(name, required=given.required)]
    if failed:
        sys.stdout.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def _tried(name: str, *, required: bool) -> bool:
    """Try one language; say whether it is as it should be."""
    needs: tuple[str, ...] = importlib.import_module(f"tools.release.{name}").NEEDS
    if missing := [command for command in needs if shutil.which(command) is None]:
        sys.stdout.write(f"{name}: skipped, {', '.join(missing)} not found\n")
        return not required
    began = time.monotonic()
    command = [sys.executable, "-m", f"tools.release.{name}"]
    ended = subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603 - our own arguments
    sys.stdout.write(f"{name}: {'tried' if not ended.returncode else 'FAILED'} in {time.monotonic() - began:.0f} s\n")
    sys.stdout.flush()
    return not ended.returncode


if __name__ == "__main__":
    sys.exit(main())
