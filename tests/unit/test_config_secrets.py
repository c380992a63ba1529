"""Keys come from where the configuration points, and come out nowhere."""

from __future__ import annotations

import traceback
from datetime import date
from pathlib import Path

import pytest

from quickthorn_server.config import ConfigError, json_schema, load, parse, warnings
from quickthorn_server.core.catalogue import Catalogue

PLANTED = "sk-planted-0123456789abcdef"
OTHER = "another-0123456789"

TEXT = """
callers:
  - {name: web, api_key_env: WEB}
  - {name: batch, api_key_file: batch.key, routes: [default]}
backends:
  - {name: a, provider: openai, model: m, api_key_env: KEY}
  - {name: b, provider: openai, model: m, api_key_file: a.key}
  - {name: c, provider: openai, model: m, base_url: http://host/v1}
routes: [{name: default, backends: [a, b, c]}]
"""


def keys(catalogue: Catalogue) -> list[str | None]:
    found = [backend.api_key for backend in catalogue.backends.values()]
    return [key.reveal() if key is not None else None for key in found]


def written(folder: Path, content: bytes) -> Path:
    (folder / "a.key").write_bytes(content)
    (folder / "batch.key").write_bytes(b"batch-key\n")
    path = folder / "q.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_keys_come_from_variables_and_files(tmp_path: Path, end: bytes) -> None:
    """A file's last line end is no part of the key; files are found from the configuration's folder."""
    catalogue = load(written(tmp_path, OTHER.encode() + end), {"KEY": PLANTED, "WEB": "web-key"})
    assert keys(catalogue) == [PLANTED, OTHER, None]
    assert [(caller.name, caller.api_key.reveal(), caller.routes) for caller in catalogue.server.callers] == [
        ("web", "web-key", frozenset()),
        ("batch", "batch-key", frozenset({"default"})),
    ]


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"a b", b"tab\t", "schl\u00fcssel".encode(), b"\xff"])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, several lines, spaces, controls, other alphabets: the file is named, its content is not."""
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, content), {"KEY": PLANTED, "WEB": "web-key"})
    (problem,) = caught.value.problems
    assert (problem.line, problem.where) == (7, "backends[1].api_key_file")
    assert problem.message.startswith('the file "a.key" ')


@pytest.mark.parametrize(
    "fault",
    [
        "timout: 3s",
        "timeouts: {idle: 3}",
        "api_key_file: nowhere",
        "retires: soon",
        "name: again",
        "base_url: x",
        "headers: {x-a: 3}",
        "limits: {rpm: 3}",
        "\t",
        "]",
    ],
)
def test_a_key_is_in_no_message_when_something_else_is_wrong(fault: str) -> None:
    """Whatever else is refused, neither text, repr nor traceback of the error holds a key."""
    text = TEXT.replace("api_key_env: KEY", f"api_key_env: KEY, {fault}")
    with pytest.raises(ConfigError) as caught:
        parse(text, "q.yaml", {"KEY": PLANTED, "WEB": PLANTED})
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.problems)
    assert PLANTED not in shown
    assert caught.value.__cause__ is None


def test_a_key_is_in_nothing_that_prints(tmp_path: Path) -> None:
    """Catalogue, version, warnings and schema show no key."""
    catalogue = load(written(tmp_path, OTHER.encode()), {"KEY": PLANTED, "WEB": "web-key"})
    shown = repr(catalogue) + str(catalogue) + repr(warnings(catalogue, date(2026, 1, 1))) + repr(json_schema())
    assert PLANTED not in shown
    assert OTHER not in shown
    assert "Secret(***)" in shown


def test_a_check_without_secrets_looks_at_nothing_else(tmp_path: Path) -> None:
    """Variables, key files, certificates and models may all be missing; what stands in for keys opens nothing."""
    path = tmp_path / "q.yaml"
    tls = "server: {tls: {cert_file: no.pem, key_file: no.key}}"
    path.write_text(tls + TEXT.replace("routes: [{", "  - {name: d, provider: local, model_path: no.gguf}\nroutes: [{"))
    first, second = load(path, {}, resolve_secrets=False), load(path, {}, resolve_secrets=False)
    stand_ins = {caller.api_key for catalogue in (first, second) for caller in catalogue.server.callers}
    assert len(stand_ins) == 4
    assert all(len(secret.reveal()) == 64 for secret in stand_ins)
    with pytest.raises(ConfigError):
        load(path, {})


def test_a_check_without_secrets_still_finds_contradictions() -> None:
    """Only what lies outside of the file is skipped."""
    text = TEXT.replace("api_key_env: KEY", "api_key_env: KEY, api_key_file: x")
    with pytest.raises(
        ConfigError, match=r"q.yaml:6:61: backends\[0\] \(a\): api_key_env is given too; keep one of the two"
    ):
        parse(text, "q.yaml", {}, resolve_secrets=False)


def test_certificates_are_found_from_the_configurations_folder(tmp_path: Path) -> None:
    """TLS files are named from where the configuration lies."""
    for name in ("a.pem", "a.key"):
        (tmp_path / name).write_text("-----BEGIN ...")
    path = tmp_path / "q.yaml"
    path.write_text(
        "server: {tls: {cert_file: a.pem, key_file: a.key}}\n"
        "backends: [{name: a, provider: local}]\nroutes: [{name: default, backends: [a]}]"
    )
    tls = load(path, {}).server.tls
    assert tls is not None
    assert (tls.cert_file, tls.key_file, tls.client_ca_file) == (str(tmp_path / "a.pem"), str(tmp_path / "a.key"), "")
