"""Generate the Python stubs in clients/python/quickthorn/v1 from proto/, or check that they are what it generates."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from tools.environment import PYTHON, ROOT, Environment, made

PROTO = ROOT / "proto"
STUBS = ROOT / "clients" / "python" / "quickthorn" / "v1"
# Apart from the rest: the pinned protobuf is older than the one the server runs on.
GENERATORS = Environment(".venv-generate", ("requirements/generate.txt",))
NEWER_THAN_THE_WHEELS = (3, 13)
INIT = '"""The generated messages and services of `quickthorn.v1`; import its modules by name."""\n'


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code: 0 done or clean, 1 the checked-in files differ."""
    parser = argparse.ArgumentParser(prog="generate.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a checked-in file differs")
    check = parser.parse_args(arguments).check
    if sys.version_info >= NEWER_THAN_THE_WHEELS:
        return _without_generators(check=check)
    with tempfile.TemporaryDirectory() as scratch:
        fresh = _generated(Path(scratch))
    present = _present()
    stale = sorted(name for name in fresh | present if fresh.get(name) != present.get(name))
    if check:
        return _told(stale, f"{len(fresh)} generated files are clean")
    for name in stale:
        _put(STUBS / name, fresh.get(name))
    sys.stdout.write(f"{len(fresh)} files, {len(stale)} written\n")
    return 0


def _told(stale: list[str], clean: str) -> int:
    """Say what a check found; return its exit code."""
    if stale:
        sys.stderr.write(f"{STUBS.relative_to(ROOT)} is stale ({', '.join(stale)}); run `make generate`\n")
        return 1
    sys.stdout.write(f"{clean}\n")
    return 0


def _without_generators(*, check: bool) -> int:
    """Check what can be checked where the pinned generators do not run: the stubs describe what proto/ says."""
    if not check:
        sys.exit(f"the pinned generators have no wheels for Python {PYTHON}: make generate PYTHON=python3.12")
    described = _described_by_stubs()
    wanted = _described_by_protos()
    stale = sorted(name for name in described | wanted if described.get(name) != wanted.get(name))
    return _told(stale, f"{len(wanted)} files describe the contract (Python {PYTHON}: their text was not compared)")


def _described_by_stubs() -> dict[str, FileDescriptorProto]:
    """Return what the checked-in modules hold, by the name of the proto file."""
    found = {}
    for path in STUBS.glob("*_pb2.py"):
        held = importlib.import_module(f"quickthorn.v1.{path.stem}").DESCRIPTOR
        described = FileDescriptorProto.FromString(held.serialized_pb)
        found[described.name] = described
    return found


def _described_by_protos() -> dict[str, FileDescriptorProto]:
    """Return what buf reads from proto/, by the name of the proto file, without what stubs leave out."""
    command = [str(Path(sys.executable).with_name("buf")), "build", "--exclude-source-info", "--exclude-imports"]
    command += ["--as-file-descriptor-set", "--output", "-#format=binpb"]
    built = subprocess.run(command, check=True, cwd=ROOT, capture_output=True).stdout  # noqa: S603 - our own arguments
    files = FileDescriptorSet.FromString(built).file
    for file in files:
        for message in file.message_type:
            _forget_json_names(message)
    return {file.name: file for file in files}


def _forget_json_names(message: DescriptorProto) -> None:
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        _forget_json_names(nested)


def _generated(scratch: Path) -> dict[str, bytes]:
    """Return the content of every stub file by name, as the pinned generators write it."""
    protos = sorted(PROTO.glob("quickthorn/v1/*.proto"))
    services = [proto for proto in protos if proto.stem.endswith("_service")]
    python = made(GENERATORS)
    _protoc(python, protos, f"--python_out={scratch}", f"--pyi_out={scratch}")
    _protoc(python, services, f"--grpc_python_out={scratch}", f"--mypy_grpc_out=quiet:{scratch}")
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


def _protoc(python: Path, protos: list[Path], *outputs: str) -> None:
    """Run the pinned protoc over *protos*, its plugins found beside *python*."""
    environment = os.environ | {"PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(python), "-W", "ignore", "-m", "grpc_tools.protoc", f"-I{PROTO}", *outputs]
    subprocess.run([*command, *map(str, protos)], check=True, env=environment)  # noqa: S603 - our own arguments


if __name__ == "__main__":
    sys.exit(main())
