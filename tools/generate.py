"""Generate the Python stubs in clients/python/quickthorn/v1 from proto/, or check that they are what it generates."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
STUBS = ROOT / "clients" / "python" / "quickthorn" / "v1"
REQUIREMENTS = ROOT / "tools" / "generate-requirements.txt"
VENV = ROOT / ".venv-generate"
NEWER_THAN_THE_WHEELS = (3, 13)
INIT = '"""The generated messages and services of `quickthorn.v1`; import its modules by name."""\n'


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code: 0 done or clean, 1 the checked-in files differ."""
    parser = argparse.ArgumentParser(prog="generate.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a checked-in file differs")
    check = parser.parse_args(arguments).check
    with tempfile.TemporaryDirectory() as scratch:
        fresh = _generated(Path(scratch))
    present = _present()
    stale = sorted(name for name in fresh | present if fresh.get(name) != present.get(name))
    if check and stale:
        sys.stderr.write(f"{STUBS.relative_to(ROOT)} is stale ({', '.join(stale)}); run `python tools/generate.py`\n")
        return 1
    for name in stale:
        _put(STUBS / name, fresh.get(name))
    sys.stdout.write(f"{len(fresh)} files, {len(stale)} {'stale' if check else 'written'}\n")
    return 0


def _generated(scratch: Path) -> dict[str, bytes]:
    """Return the content of every stub file by name, as the pinned generators write it."""
    protos = sorted(PROTO.glob("quickthorn/v1/*.proto"))
    services = [proto for proto in protos if proto.stem.endswith("_service")]
    binaries = _tools()
    _protoc(binaries, protos, f"--python_out={scratch}", f"--pyi_out={scratch}")
    _protoc(binaries, services, f"--grpc_python_out={scratch}", f"--mypy_grpc_out=quiet:{scratch}")
    files = {path.name: path.read_bytes() for path in (scratch / "quickthorn" / "v1").iterdir()}
    return files | {"__init__.py": INIT.encode()}


def _present() -> dict[str, bytes]:
    """Return the content of every checked-in stub file by name."""
    return {path.name: path.read_bytes() for path in STUBS.glob("*.py*") if path.is_file()}


def _put(path: Path, content: bytes | None) -> None:
    """Write *content*; None: the file is no longer generated, so remove it."""
    if content is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _protoc(binaries: Path, protos: list[Path], *outputs: str) -> None:
    """Run the pinned protoc over *protos*, its plugins found in *binaries*."""
    environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(binaries / "python"), "-W", "ignore", "-m", "grpc_tools.protoc", f"-I{PROTO}", *outputs]
    subprocess.run([*command, *map(str, protos)], check=True, env=environment)  # noqa: S603 - our own arguments


def _tools() -> Path:
    """Return the directory of the pinned generators' programs; installed once per version of the pins.

    A virtual environment of their own: the pinned protobuf is older than the one the server runs on, and
    grpcio-tools 1.62 needs the `pkg_resources` that setuptools 81 removed.
    """
    binaries, installed = VENV / "bin", VENV / "installed.txt"
    pins = REQUIREMENTS.read_text()
    if not installed.exists() or installed.read_text() != pins:
        subprocess.run([_python(), "-m", "venv", "--clear", str(VENV)], check=True)  # noqa: S603 - our own path
        pip = [str(binaries / "python"), "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
        subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=True)  # noqa: S603 - our own arguments
        installed.write_text(pins)
    return binaries


def _python() -> str:
    """Return an interpreter that the pinned grpcio-tools has wheels for: this one, or an older one beside it."""
    if sys.version_info < NEWER_THAN_THE_WHEELS:
        return sys.executable
    older = shutil.which("python3.12") or shutil.which("python3.11")
    if older is None:
        sys.exit("the pinned grpcio-tools has no wheel for this Python; install python3.12 or python3.11 beside it")
    return older


if __name__ == "__main__":
    sys.exit(main())
