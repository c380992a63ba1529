"""Try the release of TypeScript: the npm tarball, in an empty project that is type-checked and makes a call."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from tools.environment import ROOT
from tools.trial import ANSWER, QUESTION, expect, run, served

NEEDS = ("node", "npm")

_CLIENT = ROOT / "clients" / "typescript"
_EXPORTED = ("dist/index.js", "dist/web.js", "dist/generated/quickthorn/v1/completion_pb.js")
_BESIDE = {"package.json", "README.md", "LICENSE"}
_PROJECT = {"private": True, "type": "module"}
_STRICT = ["--strict", "--module", "nodenext", "--target", "es2022", "--types", "node"]
_CALL = """\
import { connect, text, VERSION } from "@quickthorn/client";
import { Role } from "@quickthorn/client/v1/content";
import { connect as connectWeb } from "@quickthorn/client/web";

const [target, question] = process.argv.slice(2) as [string, string];
const client = connect(target);
const messages = [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: question } }] }];
console.log(text(await client.complete({ messages })));
console.log(text(await client.stream({ messages }).fold()));
connectWeb(`http://${target}`).close();
client.close();
console.log(VERSION);
"""


def main() -> int:
    """Build, test, install and call; exits with a message at the first thing that is wrong."""
    shutil.rmtree(_CLIENT / "dist", ignore_errors=True)  # what an earlier build left would be packed, too
    run(["npm", "ci"], _CLIENT)
    run(["npm", "test"], _CLIENT)
    package = json.loads((_CLIENT / "package.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as empty, served() as address:
        tarball = _packed(Path(scratch), package["version"])
        said = _called(Path(empty), tarball, package["devDependencies"]["@types/node"], address)
    expect(said, f"{ANSWER}\n{ANSWER}\n{package['version']}\n", "the installed client")
    sys.stdout.write("typescript: ok\n")
    return 0


def _packed(scratch: Path, version: str) -> Path:
    """Return the tarball, once it is looked at."""
    said = run(["npm", "pack", "--ignore-scripts", "--json", "--pack-destination", scratch], _CLIENT)
    (packed,) = json.loads(said[said.index("[") :])
    files = {file["path"] for file in packed["files"]}
    faults = [f"lacks {name}" for name in (*_EXPORTED, *_BESIDE) if name not in files]
    faults += [f"should not hold {name}" for name in files - _BESIDE if not name.startswith("dist/")]
    if version != (released := _released()):
        faults.append(f"is {version}, and the Python client is {released}")
    if faults:
        sys.exit("\n".join(f"{packed['filename']}: {fault}" for fault in faults))
    sys.stdout.write(f"{packed['filename']}: {len(files)} files\n")
    return scratch / str(packed["filename"])


def _called(project: Path, tarball: Path, node_types: str, address: str) -> str:
    """Return what programs say, the examples and one more, that are compiled against nothing but the package."""
    (project / "package.json").write_text(json.dumps(_PROJECT))
    run(["npm", "install", "--silent", tarball, f"@types/node@{node_types}"], project)
    for example in (_CLIENT / "examples").glob("*.ts"):
        shutil.copy(example, project)
    (project / "call.ts").write_text(_CALL)
    programs = sorted(path.stem for path in project.glob("*.ts"))
    run([_CLIENT / "node_modules" / ".bin" / "tsc", *_STRICT, *(f"{name}.ts" for name in programs)], project)
    said = {
        name: run(["node", f"{name}.js", address, QUESTION], project, {"QUICKTHORN_TARGET": address})
        for name in programs
    }
    for name in programs:
        expect(said[name], "Here I am, ", f"the program {name}")
    return said["call"]


def _released() -> str:
    """Return the one version of all clients."""
    project: dict[str, Any] = tomllib.loads((ROOT / "clients" / "python" / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["version"])


if __name__ == "__main__":
    sys.exit(main())
