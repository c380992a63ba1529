"""Call a real server with tools that nobody here wrote, by the very commands of examples/public_tools.sh."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from pathlib import Path

from tools.environment import ROOT
from tools.readme import excerpt
from tools.trial import ANSWER, expect, run, served

SCRIPT = "examples/public_tools.sh"
PLACE = ROOT / "build" / "public-tools"
ADDRESS = "127.0.0.1:50051"
ASK = '{"messages": [{"role": "ROLE_USER", "parts": [{"text": "Why is rain wet?"}]}]}'
SAYS = ("quickthorn.v1.Routing", "rpc Complete (", ANSWER, ANSWER, "status: SERVING", "[OK]   50 responses")
"""What each command of the script must say, in their order."""


def main(arguments: list[str] | None = None) -> int:
    """Install the tools where Go is here, then run every command whose tool is here; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.public_tools", description=__doc__)
    parser.add_argument("--required", action="store_true", help="a tool that is not here is a failure")
    required = parser.parse_args(arguments).required
    if shutil.which("go"):
        for package, version in re.findall(r"^go install (\S+)@(\S+)$", _section("install"), re.MULTILINE):
            _install(package, version)
    path = f"{PLACE}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    commands = _section("call").splitlines()
    missing = sorted({tool for line in commands if not shutil.which(tool := line.split()[0], path=path)})
    with served() as address:
        for line, says in zip(commands, SAYS, strict=True):
            if line.split()[0] not in missing:
                shown = f"exec 2>&1\n{line.replace(ADDRESS, address)}"
                said = run(["sh", "-euc", shown], ROOT, {"PATH": path, "ASK": ASK})
                expect(said, says, f"`{line}`")
                sys.stdout.write(f"ok: {line}\n")
    sys.stdout.writelines(f"{tool}: skipped, neither it nor go is here\n" for tool in missing)
    return 1 if missing and required else 0


def _section(name: str) -> str:
    section = excerpt(ROOT, f"{SCRIPT}#{name}")
    if section is None:
        sys.exit(f"{SCRIPT} has no part {name}")
    return section


def _install(package: str, version: str) -> None:
    """Build one tool from its own module, with the dependencies that module pins, unless it is there."""
    name, module = package.rpartition("/")[2], "/".join(package.split("/")[:3])
    kept = PLACE / f"{name}-{version}"
    if not kept.exists():
        source = json.loads(run(["go", "mod", "download", "-json", f"{module}@{version}"], ROOT))["Dir"]
        inner = f".{package.removeprefix(module)}"
        run(["go", "build", "-C", source, "-trimpath", "-o", str(kept), inner], ROOT, {"GOFLAGS": "-mod=readonly"})
    (PLACE / name).unlink(missing_ok=True)
    (PLACE / name).symlink_to(kept.name)


if __name__ == "__main__":
    sys.exit(main())
