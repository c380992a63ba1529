"""Build both distributions as a release would, look inside, install them into an empty environment and try them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tools.environment import ROOT, Environment, made

INSTALLED = Environment(".venv-wheels", ("requirements/run.txt",))
PROJECTS = {"quickthorn_client": ROOT / "clients" / "python", "quickthorn": ROOT}
PACKAGES = {
    "quickthorn_client": ROOT / "clients" / "python" / "quickthorn",
    "quickthorn": ROOT / "server" / "quickthorn_server",
}


def main() -> int:
    """Build and try; exits with a message at the first thing that is wrong."""
    with tempfile.TemporaryDirectory() as scratch:
        wheels = [_built(name, Path(scratch)) for name in PROJECTS]
        python = made(INSTALLED)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        _run([*pip, "install", "--no-deps", "--force-reinstall", *map(str, wheels)], scratch)
        _run([*pip, "check"], scratch)
        _try(python, scratch)
    return 0


def _built(name: str, scratch: Path) -> Path:
    """Return the wheel made from the source distribution, which is what an index would hold, once it is looked at."""
    project, out = PROJECTS[name], scratch / name
    _run([sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(out)], project)
    (source,) = out.glob("*.tar.gz")
    build = ["-m", "pip", "--disable-pip-version-check", "--quiet", "wheel", "--no-deps", "--no-build-isolation"]
    _run([sys.executable, *build, "--wheel-dir", str(out), str(source)], scratch)
    (wheel,) = out.glob("*.whl")
    faults = faults_of(name, set(zipfile.ZipFile(wheel).namelist()))
    if faults:
        sys.exit("\n".join(f"{wheel.name}: {fault}" for fault in faults))
    sys.stdout.write(f"{wheel.name}: {len(zipfile.ZipFile(wheel).namelist())} files\n")
    return wheel


def faults_of(name: str, shipped: set[str]) -> list[str]:
    """Return what is wrong with the files of a wheel: all of the package, the licence, and nothing beside."""
    wanted = _files(PACKAGES[name])
    metadata = {path for path in shipped if path.partition("/")[0].endswith(".dist-info")}
    faults = [f"lacks {path}" for path in sorted(wanted - shipped)]
    faults += [f"should not hold {path}" for path in sorted(shipped - wanted - metadata)]
    if not any(path.endswith("/licenses/LICENSE") for path in metadata):
        faults.append("lacks its LICENSE")
    return faults


def _files(package: Path) -> set[str]:
    """Return every file of a package's source by its name in the wheel."""
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(package.parent).as_posix() for path in files}


def _try(python: Path, scratch: str) -> None:
    """Use what was installed, from a directory where the sources are not in sight."""
    quickthorn = str(python.with_name("quickthorn"))
    _run([quickthorn, "--help"], scratch)
    _run([quickthorn, "init", "starter.yaml"], scratch)
    _run([quickthorn, "check", "--config", "starter.yaml"], scratch)
    told = "import quickthorn, quickthorn.v1.routing_service_pb2_grpc; print('quickthorn', quickthorn.__version__)"
    _run([str(python), "-W", "error", "-c", told], scratch)


def _run(command: list[str], directory: str | Path) -> None:
    ended = subprocess.run(  # noqa: S603 - our own arguments
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode:
        sys.exit(f"{ended.stdout}failed: {' '.join(command)}")


if __name__ == "__main__":
    sys.exit(main())
