"""What is pinned, what is supported and what is released agree with each other, wherever they are written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import quickthorn
import quickthorn_server
from tools.lock import EDITABLE, locks
from tools.wheels import PACKAGES, faults_of

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
LOCKS = {lock.name: lock for lock in locks()}
PIN = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?: ; [^\\]+)?(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})+)"
)


def _read(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text())


SERVER, CLIENT = _read("pyproject.toml"), _read("clients/python/pyproject.toml")


def _pins(name: str) -> dict[str, set[str]]:
    """Return the versions of a file of pins by distribution: mostly one, two where a marker decides."""
    found: dict[str, set[str]] = {}
    for pin in PIN.finditer((ROOT / "requirements" / name).read_text()):
        found.setdefault(pin["name"], set()).add(pin["version"])
    return found


def _needs(texts: Iterable[str]) -> list[Requirement]:
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_a_file_of_pins_holds_versions_and_hashes_and_nothing_else(path: Path) -> None:
    """Every requirement is one exact version with its hashes; no option, no address, no host is there."""
    rest = PIN.sub("", path.read_text()).strip().splitlines()
    assert len(rest) == 1
    assert re.fullmatch(r"# For [a-z ,]+\.  Written by tools/lock\.py\.", rest[0].replace("run.txt", "run"))


def test_every_file_of_pins_is_one_that_the_lock_writes() -> None:
    """None is missing, none is left over."""
    assert {path.name for path in REQUIREMENTS} == set(LOCKS)


@pytest.mark.parametrize("name", sorted(LOCKS))
def test_the_pins_fit_what_is_declared(name: str) -> None:
    """A dependency that is added or moved in a pyproject.toml without a new lock is found here."""
    pins = _pins(name)
    for need in _needs(LOCKS[name].needs):
        versions = pins.get(canonicalize_name(need.name), set())
        assert any(need.specifier.contains(version) for version in versions), f"{need}: run `make lock`"


@pytest.mark.parametrize("name", ["lowest-server.txt", "lowest-client.txt"])
def test_the_lowest_pins_are_the_floors(name: str) -> None:
    """What `make lowest` tests is exactly what pyproject.toml promises, else the promise is untested."""
    pins = _pins(name)
    floors: dict[str, set[str]] = {}
    for need in _needs(LOCKS[name].needs):
        floors.setdefault(canonicalize_name(need.name), set()).update(spec.version for spec in need.specifier)
    for distribution, versions in floors.items():
        assert pins[distribution] <= versions, f"{distribution}: the floor does not resolve; raise it"


def test_every_dependency_has_a_floor() -> None:
    """A dependency without a floor is one that was never tried on an old version."""
    declared = [*SERVER["project"]["dependencies"], *CLIENT["project"]["dependencies"]]
    declared += SERVER["project"]["optional-dependencies"]["local"]
    for need in _needs(declared):
        assert [spec.operator for spec in need.specifier] in ([">="], ["=="]), str(need)


def test_the_run_pins_can_install_us_in_editable_mode() -> None:
    """Build isolation would ask the index for unpinned build tools."""
    build = _needs([*SERVER["build-system"]["requires"], *CLIENT["build-system"]["requires"], EDITABLE])
    assert {need.name for need in build} <= set(_pins("run.txt"))


def test_development_adds_to_the_run_pins_and_changes_none() -> None:
    """Tests run on what users run on."""
    run, develop = _pins("run.txt"), _pins("dev.txt")
    assert {name: develop[name] for name in run.keys() & develop.keys()} == {
        name: run[name] for name in run.keys() & develop.keys()
    }


def test_the_stubs_come_from_the_oldest_runtime_that_is_supported() -> None:
    """Code from a newer protoc or grpc plugin would refuse the client's floors."""
    floors: dict[str, set[str]] = {}
    for need in _needs(CLIENT["project"]["dependencies"]):
        floors.setdefault(need.name, set()).update(spec.version for spec in need.specifier)
    pins = _pins("generate.txt")
    assert pins["protobuf"] == floors["protobuf"]
    assert pins["grpcio-tools"] == pins["grpcio"] == {min(floors["grpcio"], key=Version)}


def test_there_is_one_version() -> None:
    """Server, client, their modules and the server's pin of the client say the same."""
    version = SERVER["project"]["version"]
    assert CLIENT["project"]["version"] == version
    assert quickthorn.__version__ == quickthorn_server.__version__ == version
    assert f"quickthorn-client=={version}" in SERVER["project"]["dependencies"]


def test_both_distributions_carry_the_same_licence() -> None:
    """Each ships the file."""
    assert (ROOT / "LICENSE").read_bytes() == (ROOT / "clients" / "python" / "LICENSE").read_bytes()
    assert SERVER["project"]["license"] == CLIENT["project"]["license"]


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_wheel_holds_its_package_and_licence_and_nothing_else(name: str) -> None:
    """`make wheels` would find what is missing, such as the starter configuration, and what does not belong."""
    top = PACKAGES[name]
    files = {path.relative_to(top.parent).as_posix() for path in top.rglob("*") if path.is_file()}
    files = {file for file in files if "__pycache__" not in file} | {f"{name}-1.dist-info/licenses/LICENSE"}
    data = {"quickthorn": "quickthorn_server/config/starter.yaml", "quickthorn_client": "quickthorn/py.typed"}[name]
    assert faults_of(name, files) == []
    assert faults_of(name, files - {data}) == [f"lacks {data}"]
    assert faults_of(name, files | {"tests/x.py"}) == ["should not hold tests/x.py"]
    assert faults_of(name, {file for file in files if "LICENSE" not in file}) == ["lacks its LICENSE"]
