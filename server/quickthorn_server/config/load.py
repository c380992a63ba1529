"""Read a configuration: all its faults, or a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from quickthorn_server.config import yaml
from quickthorn_server.config.build import built
from quickthorn_server.config.errors import ConfigError, Problem
from quickthorn_server.config.form import checked
from quickthorn_server.config.references import References, follow
from quickthorn_server.config.rules import contradictions
from quickthorn_server.core.catalogue import Catalogue

_LARGEST = 1024 * 1024
_NO_FILE = """
backends: [{name: local, provider: local}]
routes: [{name: default, backends: [local]}]
"""


def load(path: Path, env: Mapping[str, str], *, resolve_secrets: bool = True) -> Catalogue:
    """Return the catalogue that the file *path* describes, its keys taken from *env* and files.

    *resolve_secrets* False = nothing but *path* is looked at: the catalogue shows plans and can serve nobody.
    Raises ConfigError with every fault found.
    """
    return parse(_text(path), str(path), env, resolve_secrets=resolve_secrets)


def parse(text: str, source: str, env: Mapping[str, str], *, resolve_secrets: bool = True) -> Catalogue:
    """Return the catalogue that *text* describes; *source* names it in problems, and its folder is that of other files.

    Raises ConfigError like `load`.
    """
    document = yaml.read(text, source)
    parts, findings = checked(document.root)
    findings += contradictions(document.root, parts)
    references = References(Path(source).parent, env, look=resolve_secrets)
    found = follow(parts, references)
    problems = [*document.faults, *map(document.problem, findings + found.findings)]
    if problems:
        raise ConfigError(tuple(sorted(problems, key=lambda problem: (problem.line, problem.column))))
    return built(document.root, parts, found, references)


def default_catalogue(env: Mapping[str, str]) -> Catalogue:
    """Return what holds without any file: route `default` on the embedded model `local`."""
    return parse(_NO_FILE, "(no file)", env)


def starter() -> str:
    """Return the commented file that `quickthorn init` writes; it is valid as it is, without any key."""
    return resources.files("quickthorn_server.config").joinpath("starter.yaml").read_text("utf-8")


def _text(path: Path) -> str:
    content = _content(path)
    if isinstance(content, str):
        raise ConfigError((Problem(str(path), 0, 0, "", content, "`quickthorn init` writes one to start from"),))
    if len(content) > _LARGEST:
        raise ConfigError((Problem(str(path), 0, 0, "", "the file is larger than 1 MiB", "make it smaller"),))
    return _decoded(content, str(path))


def _content(path: Path) -> bytes | str:
    """Return the file's bytes, one more than allowed at most; or why there are none."""
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST + 1)
    except FileNotFoundError:
        return "there is no such file"
    except IsADirectoryError:
        return "this is a folder, not a file"
    except PermissionError:
        return "this user may not read the file"
    except (OSError, ValueError):
        return "the file cannot be read"


def _decoded(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
    raise ConfigError((Problem(file, line, column, "", "this byte is not UTF-8", "save the file as UTF-8"),))
