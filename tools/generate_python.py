"""The Python stubs in clients/python/quickthorn/v1, as the pinned generators write them from proto/."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from tools.environment import PYTHON, ROOT, Environment, made

PROTO = ROOT / "proto"
STUBS = ROOT / "clients" / "python" / "quickthorn" / "v1"
# Apart from the rest: the pinned protobuf is older than the one the server runs on.
GENERATORS = Environment(".venv-generate", ("requirements/generate.txt",))
NEWER_THAN_THE_WHEELS = (3, 13)
INIT = '"""The generated messages and services of `quickthorn.v1`; import its modules by name."""\n'


def available() -> bool:
    """Say whether the pinned generators run on this Python."""
    return sys.version_info < NEWER_THAN_THE_WHEELS


def described(*, check: bool) -> int:
    """Check what can be checked where the pinned generators do not run: the stubs describe what proto/ says."""
    if not check:
        sys.stderr.write(f"the pinned generators have no wheels for Python {PYTHON}: make generate PYTHON=python3.12\n")
        return 1
    held, wanted = _described_by_stubs(), _described_by_protos()
    stale = sorted(name for name in held | wanted if held.get(name) != wanted.get(name))
    if stale:
        sys.stderr.write(f"{STUBS.relative_to(ROOT)} is stale ({', '.join(stale)})\n")
        return 1
    sys.stdout.write(
        f"python: {len(wanted)} files describe the contract (Python {PYTHON}: their text was not compared)\n"
    )
    return 0


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


def generated(scratch: Path) -> dict[str, bytes]:
    """Return the content of every stub file by name, as the pinned generators write it."""
    protos = sorted(PROTO.glob("quickthorn/v1/*.proto"))
    services = [proto for proto in protos if proto.stem.endswith("_service")]
    python = made(GENERATORS)
    _protoc(python, protos, f"--python_out={scratch}", f"--pyi_out={scratch}")
    _protoc(python, services, f"--grpc_python_out={scratch}", f"--mypy_grpc_out=quiet:{scratch}")
    files = {path.name: path.read_bytes() for path in (scratch / "quickthorn" / "v1").iterdir()}
    return files | {"__init__.py": INIT.encode()}


def _protoc(python: Path, protos: list[Path], *outputs: str) -> None:
    """Run the pinned protoc over *protos*, its plugins found beside *python*."""
    environment = os.environ | {"PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(python), "-W", "ignore", "-m", "grpc_tools.protoc", f"-I{PROTO}", *outputs]
    subprocess.run([*command, *map(str, protos)], check=True, env=environment)  # noqa: S603 - our own arguments
