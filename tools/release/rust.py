"""Try the release of Rust: the crate as it would be published, in an empty project."""

from __future__ import annotations

import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from quickthorn import __version__
from tools.environment import ROOT
from tools.trial import ANSWER, expect, run, served

NEEDS = ("cargo",)

SOURCE = ROOT / "clients" / "rust"
EXAMPLES = {"complete": ANSWER, "stream": ANSWER, "cancel": "that was enough", "errors": "INVALID_REQUEST"}
"""What each says, at least."""

# What is built for the tests is not built again for the project, which gets a copy of the crate of its own.
_SETTINGS = {"CARGO_TARGET_DIR": str(SOURCE / "target"), "CARGO_PROFILE_DEV_DEBUG": "0"}


def main() -> int:
    """Test, pack, install and call; exits with a message at the first thing that is wrong."""
    expect((SOURCE / "Cargo.toml").read_text(), f'\nversion = "{__version__}"\n', "clients/rust/Cargo.toml")
    run(["cargo", "test", "--quiet"], SOURCE, _SETTINGS)
    with tempfile.TemporaryDirectory() as scratch, served() as address:
        crate, project = _packed(Path(scratch)), Path(scratch) / "project"
        _installed(crate, project)
        for example, wanted in EXAMPLES.items():
            command = ["cargo", "run", "--quiet", "--bin", example]
            said = run(command, project, _SETTINGS | {"QUICKTHORN_TARGET": address})
            expect(said, wanted, f"the example {example} with the crate as it is packed")
    sys.stdout.write("rust: ok\n")
    return 0


def _packed(scratch: Path) -> Path:
    """Return the folder of the crate as cargo would download it."""
    target = scratch / "target"
    run(["cargo", "package", "--quiet", "--allow-dirty", "--no-verify", "--target-dir", target], SOURCE)
    name = f"quickthorn-{__version__}"
    with tarfile.open(target / "package" / f"{name}.crate") as packed:
        packed.extractall(scratch, filter="data")
    return scratch / name


def _installed(crate: Path, project: Path) -> None:
    """Make a project that has what the README says, and the examples as its programs."""
    run(["cargo", "init", "--quiet", "--vcs", "none", "--name", "first", project], project.parent)
    (project / "src" / "main.rs").unlink()
    shutil.copytree(crate / "examples", project / "src" / "bin")
    run(["cargo", "add", "--quiet", "quickthorn", "--path", crate], project)
    run(["cargo", "add", "--quiet", "tokio", "--features", "macros,rt"], project)


if __name__ == "__main__":
    sys.exit(main())
