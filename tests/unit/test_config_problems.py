"""Every fault of a configuration is said with its line, in words that help, and without any key."""

from __future__ import annotations

from pathlib import Path

import pytest

from quickthorn_server.config import ConfigError, load, parse

PLANTED = "sk-planted-0123456789abcdef"
ENV = {"PLANTED": PLANTED, "PLANTED_TOO": PLANTED, "EMPTY": "", "SPACED": f"the key {PLANTED}"}
STRAYED = ("very-secret", "verysecret", "hunter2", "sk-secret")
CASES = Path(__file__).parent / "cases" / "config" / "problems.txt"


def cases() -> list[tuple[str, str, str]]:
    rows = []
    for block in CASES.read_text("utf-8").split("\n### ")[1:]:
        title, _, rest = block.partition("\n")
        text, _, expected = rest.partition(">>>\n")
        rows.append((title, text.replace("{BELL}", "\a"), expected.strip()))
    return rows


def refused(text: str, source: str = "q.yaml") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, source, ENV)
    return caught.value


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*row[1:], id=row[0]) for row in cases()])
def test_every_fault_is_said_with_its_line(text: str, expected: str) -> None:
    """The lines are exactly these, sorted by place; no key that strayed into the file is quoted back."""
    error = refused(text)
    assert str(error) == expected
    assert [str(problem) for problem in error.problems] == expected.split("\n")
    assert PLANTED not in repr(error.problems)
    assert not any(secret in repr(error.problems) for secret in STRAYED)


def test_the_table_is_large_enough_to_mean_something() -> None:
    """A broken reader of the table must not pass for a table without faults."""
    assert len(cases()) >= 60


def test_a_problem_can_be_taken_apart() -> None:
    """Tools get the place, the location, what is wrong and what to write as fields."""
    (problem,) = refused(
        "backends: [{name: a, provider: local, timout: 3s}]\nroutes: [{name: default, backends: [a]}]"
    ).problems
    assert (problem.file, problem.line, problem.column, problem.where) == ("q.yaml", 1, 39, "backends[0]")
    assert (problem.message, problem.hint) == ('unknown key "timout"', 'did you mean "timeouts"?')


def doubling(opening: str, comma: str, closing: str) -> bytes:
    """Thirty lines that each name the one before twice: a thousand million values."""
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {opening}*a{n - 1}{comma}*a{n - 1}{closing}" for n in range(1, 30)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "{file}:1:1: the file is empty; `quickthorn init` writes one to start from"),
        (b"server: {}\nname: \xff\n", "{file}:2:7: this byte is not UTF-8; save the file as UTF-8"),
        (b"#" * (1024 * 1024 + 1), "{file}: the file is larger than 1 MiB; make it smaller"),
        (b"[\n" * 2_000, "{file}:1:1: brackets are nested too deeply; close them"),
        (doubling("[", ", ", "]"), "{file}:1:5: the file holds too many values; make it smaller"),
        (doubling("{<<: [", ", ", "]}"), "{file}:2:10: too many mappings are merged; make it smaller"),
    ],
    ids=["empty", "not UTF-8", "too large", "too deep", "too many values", "too many merges"],
)
def test_a_file_that_is_no_text_of_sensible_size(tmp_path: Path, content: bytes, expected: str) -> None:
    """Bytes, size and nesting are limited, each with one clear line."""
    path = tmp_path / "q.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert str(caught.value) == expected.format(file=path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file and a folder are said without a line: there is none."""
    for path, said in (tmp_path / "q.yaml", "there is no such file"), (tmp_path, "this is a folder, not a file"):
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        assert str(caught.value) == f"{path}: {said}; `quickthorn init` writes one to start from"


def test_windows_line_ends_and_a_byte_order_mark_move_no_line(tmp_path: Path) -> None:
    """Editors of other systems change neither the meaning nor the places."""
    path = tmp_path / "q.yaml"
    path.write_bytes(
        b"\xef\xbb\xbfbackends: [{name: a, provider: local}]\r\nroutes:\r\n  - {name: default, backend: [a]}\r\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(3, 5), (3, 21)]
