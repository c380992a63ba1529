"""Try the release of Go: the module as a proxy would serve it, required by an empty module that knows nothing else."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from quickthorn import __version__
from tools.environment import ROOT
from tools.trial import ANSWER, expect, run, served

NEEDS = ("go",)

SOURCE = ROOT / "clients" / "go"
MODULE = "github.com/quickthorn/quickthorn/clients/go"
VERSION = f"v{__version__}"
LEFT_OUT = {"build", "tools"}  # what was built here, and a module of its own


def main() -> int:
    """Test, pack, install and call; exits with a message at the first thing that is wrong."""
    expect((SOURCE / "client.go").read_text(), f'Version = "{__version__}"', "clients/go/client.go")
    run(["go", "vet", "./..."], SOURCE)
    run(["go", "test", "./..."], SOURCE)
    with tempfile.TemporaryDirectory() as scratch, served() as address:
        proxy, project = Path(scratch) / "proxy", Path(scratch) / "project"
        _pack(proxy / MODULE / "@v")
        project.mkdir()
        settings = _settings(proxy, Path(scratch) / "modules")
        run(["go", "mod", "init", "example.org/first"], project, settings)
        run(["go", "get", f"{MODULE}@{VERSION}"], project, settings)
        for example in ("complete", "stream"):
            shutil.copy(SOURCE / "examples" / example / "main.go", project)
            said = run(["go", "run", "."], project, settings | {"QUICKTHORN_TARGET": address})
            expect(said, ANSWER, f"the example {example} with the module from the proxy")
    sys.stdout.write("go: ok\n")
    return 0


def _pack(folder: Path) -> None:
    """Write the module's files as a proxy holds them."""
    folder.mkdir(parents=True)
    (folder / "list").write_text(f"{VERSION}\n")
    (folder / f"{VERSION}.info").write_text(json.dumps({"Version": VERSION}))
    shutil.copy(SOURCE / "go.mod", folder / f"{VERSION}.mod")
    with zipfile.ZipFile(folder / f"{VERSION}.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(path for path in SOURCE.rglob("*") if path.is_file()):
            name = path.relative_to(SOURCE)
            if name.parts[0] not in LEFT_OUT:
                packed.write(path, f"{MODULE}@{VERSION}/{name.as_posix()}")


def _settings(proxy: Path, modules: Path) -> dict[str, str]:
    """Return an environment where our module comes from *proxy*, and what it needs from where it comes anyhow.

    Modules are kept apart in *modules*: one of ours in the user's own cache would be taken for the released one.
    """
    known, usual = run(["go", "env", "GOMODCACHE", "GOPROXY"], ROOT).split()
    return {
        "GOPROXY": f"{proxy.as_uri()},{(Path(known) / 'cache' / 'download').as_uri()},{usual}",
        "GONOSUMDB": "github.com/quickthorn",
        "GOMODCACHE": str(modules),
        "GOFLAGS": "-modcacherw -mod=mod",  # it can be removed again
        "GOWORK": "off",
    }


if __name__ == "__main__":
    sys.exit(main())
