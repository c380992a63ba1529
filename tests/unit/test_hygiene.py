"""House rules that a machine can hold: sizes, docstrings, claims, and words that do not belong here."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(
    path
    for folder in ("server/quickthorn_server", "clients/python/quickthorn")
    for path in (ROOT / folder).rglob("*.py")
    if "v1" not in path.parts
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 400, 50

# Written in halves, so that this file does not find itself.
UNDONE = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
FOREIGN_WORDS = [
    "pypi." + "org",
    "python" + "hosted",
    "registry.npm" + "js",
    "index-" + "url",
    "proxy.go" + "lang",
    "co-authored" + "-by",
    "as an ai " + "language model",
    "claude " + "code",
    "copi" + "lot",
]

Function = ast.FunctionDef | ast.AsyncFunctionDef


def faults_of(source: str) -> list[str]:
    """Return what a module of ours does that the house forbids, as line and words."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["1: has no module docstring"]
    if (lines := source.count("\n")) > LONGEST_FILE:
        found.append(f"{lines}: is longer than {LONGEST_FILE} lines")
    return [*found, *(f"{line}: {fault}" for node in ast.walk(tree) for line, fault in _node_faults(node))]


def _node_faults(node: ast.AST) -> Iterator[tuple[int, str]]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield node.lineno, f"{node.name} has {length} lines, {LONGEST_FUNCTION} at most"
        case ast.Call(func=ast.Name(id="print"), keywords=keywords) if "file" not in {word.arg for word in keywords}:
            yield node.lineno, "prints"
        case ast.ExceptHandler() if _catches_cancel(node.type) and not _raises(node):
            yield node.lineno, "swallows a cancellation"
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress")):
            if any(_catches_cancel(argument) for argument in node.args):
                yield node.lineno, "swallows a cancellation"
        case _:
            pass


def _catches_cancel(caught: ast.expr | None) -> bool:
    match caught:
        case None:
            return True
        case ast.Tuple(elts=elements):
            return any(map(_catches_cancel, elements))
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in {"BaseException", "CancelledError"}
        case _:
            return False


def _raises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) for statement in handler.body for node in ast.walk(statement))


@cache
def _tests_in(path: Path) -> list[Function]:
    """Return the tests of a file, which stand at its top or in a class at its top."""
    body = ast.parse(path.read_text()).body
    inner = [statement for each in body if isinstance(each, ast.ClassDef) for statement in each.body]
    return [each for each in (*body, *inner) if isinstance(each, Function) and each.name.startswith("test_")]


def _project_files() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says which files are the project's")
    listing = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S603 - fixed words
    return [ROOT / name.decode() for name in listed.split(b"\0") if name and (ROOT / name.decode()).is_file()]


def test_modules_keep_house() -> None:
    """A module says what it is, stays short, prints nothing and lets a cancellation through."""
    found = [f"{path.relative_to(ROOT)}:{fault}" for path in CODE for fault in faults_of(path.read_text())]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("x = 1\n", "no module docstring"),
        ('"""A."""\n' + "x = 1\n" * LONGEST_FILE, "is longer than"),
        ('"""A."""\ndef f():\n' + "    x = 1\n" * LONGEST_FUNCTION, "lines, 50 at most"),
        ('"""A."""\nprint(1)\n', "prints"),
        ('"""A."""\ntry:\n    f()\nexcept:\n    pass\n', "swallows"),
        ('"""A."""\ntry:\n    f()\nexcept asyncio.CancelledError:\n    pass\n', "swallows"),
        ('"""A."""\ntry:\n    f()\nexcept (ValueError, BaseException) as error:\n    log(error)\n', "swallows"),
        ('"""A."""\nwith contextlib.suppress(asyncio.CancelledError):\n    f()\n', "swallows"),
    ],
)
def test_a_planted_fault_is_found(source: str, fault: str) -> None:
    """Each rule can fail."""
    found = faults_of(source)
    assert len(found) == 1
    assert fault in found[0]


def test_a_cancellation_may_be_looked_at() -> None:
    """A handler that raises again is none that swallows."""
    source = '"""A."""\ntry:\n    f()\nexcept BaseException:\n    if g():\n        raise\nexcept Exception:\n    pass\n'
    assert faults_of(source) == []


def test_every_test_states_its_claim() -> None:
    """The docstring of a test is the claim it makes."""
    silent = [
        f"{path.relative_to(ROOT)}:{test.lineno} {test.name}"
        for path in TESTS
        for test in _tests_in(path)
        if not ast.get_docstring(test)
    ]
    assert not silent, "\n" + "\n".join(silent)


def test_no_test_is_hidden_by_another() -> None:
    """Two tests of one name in one file: only the second would run."""
    for path in TESTS:
        names = [test.name for test in _tests_in(path)]
        twice = {name for name in names if names.count(name) > 1}
        assert not twice, f"{path.relative_to(ROOT)}: {sorted(twice)}"


def test_doubles_are_our_own() -> None:
    """No test reaches for a mock: it would agree with whatever it is told."""
    mocking = re.compile(r"^\s*(from|import) (unittest\.mock|unittest import mock|mock\b)", re.MULTILINE)
    guilty = [path.relative_to(ROOT).as_posix() for path in TESTS if mocking.search(path.read_text())]
    assert not guilty


def test_nothing_is_left_undone() -> None:
    """No note to oneself stands in the code or in its tests."""
    guilty = [path.relative_to(ROOT).as_posix() for path in (*CODE, *TESTS) if UNDONE.search(path.read_text())]
    assert not guilty


def test_no_foreign_words() -> None:
    """No file of the project names a package registry's host or the tools it was written with."""
    guilty = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in _project_files()
        for text in [path.read_bytes().lower()]
        for word in FOREIGN_WORDS
        if word.encode() in text
    ]
    assert not guilty, "\n" + "\n".join(guilty)
