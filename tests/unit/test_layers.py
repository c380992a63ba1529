"""The import rules of the server (DESIGN.md, the house), checked rather than remembered."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "server"
CLIENT = ROOT / "clients" / "python"
OURS = "quickthorn_server"

# A part of the server -> the parts it may import beside itself.  Arrows point one way, and all of them end at core.
MAY_IMPORT = {
    "core": set[str](),
    "routing": {"core"},
    "execution": {"core"},
    "providers": {"core"},
    "config": {"core"},
    "telemetry": {"core"},
    "simulation": {"core", "execution"},
    "edge": {"core", "routing", "execution"},
    "main": {"core", "routing", "execution", "providers", "config", "edge", "telemetry"},
    "cli": {"core", "routing", "execution", "providers", "config", "edge", "telemetry", "simulation", "main"},
    "__main__": {"cli"},
}

# A third party -> the only files that may know it.  The longest name that fits counts; whoever is not here is unknown.
SEAMS = {
    "aiohappyeyeballs": ["providers/http_dial.py"],
    "botocore": ["providers/bedrock_aws.py"],
    "click": ["cli/*"],
    "ddsketch": ["execution/sketch.py"],
    "google": ["edge/*"],
    "grpc": ["edge/*", "main.py", "telemetry/rpc_spans.py"],
    "grpc_health": ["edge/*"],
    "grpc_reflection": ["edge/*"],
    "grpc_status": ["edge/*"],
    "httptools": ["providers/http_parser.py"],
    "matplotlib": ["simulation/plot.py"],
    "opentelemetry": ["telemetry/*"],
    "orjson": ["providers/*", "edge/*"],
    "pybreaker": ["execution/breakers.py"],
    "pydantic": ["config/*"],
    "pydantic_core": ["config/*"],
    "quickthorn": ["cli/*"],
    "quickthorn.v1": ["edge/*", "main.py"],
    "ruamel": ["config/*"],
    "uvloop": ["cli/*", "main.py"],
    "xllamacpp": ["providers/local*"],
}

# Who may read files and the environment: configuration, the command line, the embedded model, AWS's chain of
# credentials, and the certificates, which are read again when they are renewed.  Records are written to a file, and its
# last byte is looked at.
READERS = [
    "config/*",
    "cli/*",
    "providers/local*",
    "providers/bedrock_aws.py",
    "edge/certificates.py",
    "edge/own_door.py",
    "telemetry/rotating.py",
]
FILE_MODULES = {"fileinput", "glob", "importlib.resources", "mmap", "shutil", "tempfile"}
READING_NAMES = {"os.environ", "os.environb", "os.getenv", "os.open", "os.scandir", "os.listdir", "open"}
READING_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "rglob"}


def violations(server: Path) -> list[str]:
    """Return every breach of the rules in the package below *server*, as file:line and what is wrong."""
    package = server / OURS
    return [
        f"{path.relative_to(server)}:{line}: {fault}"
        for path in sorted(package.rglob("*.py"))
        for line, fault in _faults(path.relative_to(package), path.read_text())
    ]


def imported(nodes: list[ast.AST], package: str) -> Iterator[tuple[int, str]]:
    """Yield line and full dotted name of everything that a module of *package* imports."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")
            base = ".".join(above[: len(above) - node.level + 1]) if node.level else ""
            origin = ".".join(filter(None, (base, node.module)))
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def _faults(path: Path, source: str) -> Iterator[tuple[int, str]]:
    nodes = list(ast.walk(ast.parse(source)))
    part = path.parts[0].removesuffix(".py")
    package = ".".join((OURS, *path.parts[:-1]))
    for line, name in imported(nodes, package):
        top = name.split(".")[0]
        if top == OURS:
            yield from ((line, fault) for fault in _inner(part, name))
        elif top not in sys.stdlib_module_names:
            yield from ((line, fault) for fault in _foreign(path, name))
        if _reads_files(name) and not _fits(path, READERS):
            yield line, f"may not import {name}: only {', '.join(READERS)} touch files"
    if not _fits(path, READERS):
        yield from ((line, f"may not use {name}: only {', '.join(READERS)} read") for line, name in _readings(nodes))


def _inner(part: str, name: str) -> Iterator[str]:
    other = name.removeprefix(OURS).lstrip(".").split(".")[0]
    if other == "__version__" or part in {"__init__", other}:
        return
    if part not in MAY_IMPORT:
        yield f"{part} is a part of the server that no rule knows"
    elif other not in MAY_IMPORT[part]:
        allowed = ", ".join(sorted(MAY_IMPORT[part])) or "nothing of ours"
        yield f"{part} may not import {name}: it may import {allowed}"


def _foreign(path: Path, name: str) -> Iterator[str]:
    known = max((seam for seam in SEAMS if f"{name}.".startswith(f"{seam}.")), key=len, default=None)
    if known is None:
        yield f"imports {name}, for which no seam is named"
    elif not _fits(path, SEAMS[known]):
        yield f"may not import {name}: only {', '.join(SEAMS[known])} may know {known}"


def _fits(path: Path, patterns: list[str]) -> bool:
    return any(fnmatchcase(path.as_posix(), pattern) for pattern in patterns)


def _reads_files(name: str) -> bool:
    return name in FILE_MODULES or name.rpartition(".")[0] in FILE_MODULES or name in READING_NAMES


def _readings(nodes: list[ast.AST]) -> Iterator[tuple[int, str]]:
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if f"{module}.{name}" in READING_NAMES:
                yield node.lineno, f"{module}.{name}"
            case ast.Attribute(attr=name) if name in READING_METHODS:
                yield node.lineno, name
            case ast.Call(func=ast.Name(id=name)) if name in READING_NAMES:
                yield node.lineno, name
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="_circuit"), attr="open")):
                pass  # a circuit that opens reads nothing
            case ast.Call(func=ast.Attribute(attr="open"), args=[] | [ast.Constant(value="r" | "rb" | "w" | "wb")]):
                yield node.lineno, "open"  # a path's; a provider's open names a method and an address
            case _:
                pass


def test_the_house_keeps_its_rules() -> None:
    """Arrows point one way, every third party has one seam, and only configuration reads the world."""
    found = violations(SERVER)
    assert not found, "\n" + "\n".join(found)


def test_every_rule_is_about_something() -> None:
    """No rule names a part or a file that is not there: a rule about nothing protects nothing."""
    package = SERVER / OURS
    parts = {path.name.removesuffix(".py") for path in package.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set(MAY_IMPORT) <= parts
    for pattern in {pattern for patterns in SEAMS.values() for pattern in patterns}:
        assert list(package.glob(pattern)), pattern


def test_the_client_stands_alone() -> None:
    """The Python client imports grpc and protobuf, and nothing of the server."""
    allowed = {"grpc", "google", "quickthorn"}
    for path in sorted((CLIENT / "quickthorn").glob("*.py")):
        package = ".".join(path.relative_to(CLIENT).parent.parts)
        nodes = list(ast.walk(ast.parse(path.read_text())))
        foreign = {name.split(".")[0] for _, name in imported(nodes, package)} - sys.stdlib_module_names
        assert foreign <= allowed, f"{path.relative_to(ROOT)} imports {sorted(foreign - allowed)}"


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("core/x.py", "from quickthorn_server.routing.router import plan", "core may not import"),
        ("core/x.py", "from quickthorn_server import routing", "core may not import"),
        ("core/x.py", "from ..routing import router", "core may not import"),
        ("core/x.py", "def f():\n    import quickthorn_server.edge.wire_answer", "core may not import"),
        ("routing/x.py", "from quickthorn_server.execution.race import Race", "routing may not import"),
        ("execution/x.py", "from quickthorn_server.providers.http import HttpClient", "execution may not import"),
        ("providers/x.py", "from quickthorn_server.execution.lane import Lane", "providers may not import"),
        ("edge/x.py", "from quickthorn_server.main import serve", "edge may not import"),
        ("edge/x.py", "from quickthorn_server.telemetry.log import LogObserver", "edge may not import"),
        ("execution/x.py", "from quickthorn_server.telemetry import log", "execution may not import"),
        ("attic/x.py", "from quickthorn_server.core import usage", "no rule knows"),
        ("execution/lane.py", "import pybreaker", "may know pybreaker"),
        ("providers/openai.py", "import httptools", "may know httptools"),
        ("core/x.py", "from google.protobuf.duration_pb2 import Duration", "may know google"),
        ("execution/x.py", "from quickthorn.v1 import content_pb2", "may know quickthorn.v1"),
        ("cli/x.py", "import quickthorn.v1.content_pb2", "may know quickthorn.v1"),
        ("edge/x.py", "from quickthorn import fold", "may know quickthorn"),
        ("edge/x.py", "import opentelemetry.trace", "may know opentelemetry"),
        ("providers/x.py", "import yaml", "no seam is named"),
        ("core/x.py", "import os\nkey = os.environ['KEY']", "may not use os.environ"),
        ("core/x.py", "from os import environ", "may not import os.environ"),
        ("routing/x.py", "text = open('f').read()", "may not use open:"),
        ("main.py", "def f(path):\n    return path.read_text()", "may not use read_text"),
        ("edge/x.py", "def f(path):\n    return path.open('rb')", "may not use open:"),
        ("edge/x.py", "from importlib import resources", "may not import importlib.resources"),
    ],
)
def test_a_planted_breach_is_found(tmp_path: Path, file: str, line: str, complaint: str) -> None:
    """Each rule can fail, with a message that says where and what."""
    planted = tmp_path / OURS / file
    planted.parent.mkdir(parents=True)
    planted.write_text(f'"""A module."""\n{line}\n')
    found = violations(tmp_path)
    assert len(found) == 1
    assert found[0].startswith(f"{OURS}/{file}:")
    assert complaint in found[0]


def test_what_is_allowed_is_not_found(tmp_path: Path) -> None:
    """Neighbours, the standard library, seams and relative imports inside a part pass."""
    planted = tmp_path / OURS / "edge" / "x.py"
    planted.parent.mkdir(parents=True)
    planted.write_text(
        "import asyncio\nimport grpc\nfrom quickthorn.v1 import usage_pb2\nfrom . import status\n"
        "from quickthorn_server.core.usage import Usage\nfrom quickthorn_server.execution.executor import Executor\n"
    )
    assert violations(tmp_path) == []
