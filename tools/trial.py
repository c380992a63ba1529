"""Try what would be released as a stranger would: a real server to call, and commands that must succeed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

QUESTION = "Are you there?"
ANSWER = "Here I am, in one piece."
"""What the server of `served` says to everything; its stream brings it in three pieces."""

_CONFIG = """\
server: {listen: "127.0.0.1:0", drain: {quiet: 0s, grace: 5s}}
backends:
  - {name: fast, provider: scripted, script: [{steps: [{text: "Here I am, "}, {text: "in one "}, {text: "piece."}]}]}
routes: [{name: default, backends: [fast]}]
"""
_ADDRESS = re.compile(r"listens on (\S+)")
_PATIENCE = 20.0  # seconds
_COMMAND = 900.0  # seconds: an ordinary build, caches cold


@contextmanager
def served(program: Sequence[Path | str] = (sys.executable, "-m", "quickthorn_server")) -> Iterator[str]:
    """Start a real server by *program* and yield its address, `127.0.0.1:port`; exits if it does not start."""
    with tempfile.TemporaryDirectory(prefix="quickthorn-trial-") as folder:
        (Path(folder) / "quickthorn.yaml").write_text(_CONFIG)
        command = [*map(str, program), "serve", "--config", "quickthorn.yaml"]
        with subprocess.Popen(  # noqa: S603 - our own server
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder
        ) as process:
            try:
                yield _address(process)
            finally:
                _end(process)


def _address(process: subprocess.Popen[str]) -> str:
    """Return where a server says that it listens, and let it say what it likes from then on."""
    said = process.stdout or ()
    late = threading.Timer(_PATIENCE, process.kill)
    late.start()
    found = next((match[1] for line in said if (match := _ADDRESS.search(line))), None)
    late.cancel()
    if found is None:
        sys.exit(f"the server did not start within {_PATIENCE:g} s: {process.args!r}")
    threading.Thread(target=lambda: [None for _ in said], daemon=True).start()
    return found


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def run(command: Sequence[str | Path], folder: Path | str, environment: Mapping[str, str] | None = None) -> str:
    """Return what *command*, run in *folder*, says on standard output; exits, having shown everything, if it fails.

    *environment* is added to this process's own.
    """
    words = [str(word) for word in command]
    try:
        ended = subprocess.run(  # noqa: S603 - our own arguments
            words,
            cwd=folder,
            env=os.environ | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND,
            check=False,
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"failed: {' '.join(words)} took longer than {_COMMAND:g} s")
    if ended.returncode:
        sys.exit(f"{ended.stdout}{ended.stderr}failed: {' '.join(words)} ended with {ended.returncode}")
    return ended.stdout


def expect(said: str, wanted: str, what: str) -> None:
    """Exit with a message unless *wanted* occurs in what was *said*."""
    if wanted not in said:
        sys.exit(f"{what} does not say {wanted!r}, but:\n{said}")
