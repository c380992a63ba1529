"""Try the release of C++: the archive, built and installed as its README says, found by an empty project."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from quickthorn import __version__
from tools.environment import ROOT
from tools.trial import ANSWER, expect, run, served

NEEDS = ("cmake", "c++", "protoc", "grpc_cpp_plugin")

SOURCE = ROOT / "clients" / "cpp"
NAME = f"quickthorn-cpp-{__version__}"
EXAMPLES = {"complete": ANSWER, "stream": ANSWER, "cancel": "that was enough", "errors": "messages: must not be empty"}
"""What each says, among other things."""


def main() -> int:
    """Pack, test, install and call; exits with a message at the first thing that is wrong."""
    with tempfile.TemporaryDirectory() as scratch:
        package, prefix, project = _packed(Path(scratch)), Path(scratch) / "prefix", Path(scratch) / "project"
        _build(package, "-DCMAKE_BUILD_TYPE=Release", "-DQUICKTHORN_TESTS=ON")
        run(["ctest", "--test-dir", "build", "--output-on-failure", "--no-tests=error"], package)
        run(["cmake", "--install", "build", "--prefix", prefix], package)
        shutil.move(package / "examples", project)
        shutil.rmtree(package)  # so that nothing but what is installed can be used
        _build(project, f"-DCMAKE_PREFIX_PATH={prefix}")
        with served() as address:
            for example, wanted in EXAMPLES.items():
                said = run([project / "build" / example], project, {"QUICKTHORN_TARGET": address})
                expect(said, wanted, f"the example {example} with the installed library")
    sys.stdout.write("cpp: ok\n")
    return 0


def _packed(scratch: Path) -> Path:
    """Return the folder that the released archive holds, once it is looked at."""
    out = scratch / "packing"
    run(["cmake", "-S", SOURCE, "-B", out], scratch)
    run(["cmake", "--build", out, "--target", "package_source"], scratch)
    run(["cmake", "-E", "tar", "xf", out / f"{NAME}.tar.gz"], scratch)
    package = scratch / NAME
    wanted = {path.relative_to(ROOT) for path in (ROOT / "proto").rglob("*.proto")} | {Path("LICENSE")}
    if missing := [str(path) for path in sorted(wanted) if not (package / path).is_file()]:
        sys.exit(f"{NAME}.tar.gz lacks {', '.join(missing)}")
    if (package / "build").exists():
        sys.exit(f"{NAME}.tar.gz should not hold what was built")
    return package


def _build(folder: Path, *settings: str) -> None:
    run(["cmake", "-S", ".", "-B", "build", *settings], folder)
    run(["cmake", "--build", "build", "-j2"], folder)


if __name__ == "__main__":
    sys.exit(main())
