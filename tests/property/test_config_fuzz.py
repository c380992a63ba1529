"""Whatever stands in a file, reading it ends with a catalogue or with a ConfigError."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from quickthorn_server.config import ConfigError, parse
from quickthorn_server.core.catalogue import Catalogue
from tests.unit.test_config_values import WHOLE

PLANTED = "sk-planted-0123456789abcdef"
_SYNTAX = [
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "? ",
    "\n",
    "  ",
    "\t",
    "#",
    "|\n",
    ">\n",
    "'",
    '"',
    "\\",
    ",",
    "...\n",
    "---\n",
]
_MARKS = ["&a ", "*a", "<<: ", "!!int ", "!!binary ", "!x ", "%YAML 1.1\n---\n", "%TAG ! x\n", "%", "@", "`"]
_VALUES = [
    "~",
    "on",
    "1e9",
    "1e99999999999999999999",
    ".inf",
    ".nan",
    "0x1F",
    "-1",
    "3s",
    "5%",
    "p95",
    "9" * 50,
    "true",
]
_WORDS = [
    "backends:",
    "routes:",
    "name: a",
    "provider: openai",
    "hedge: {delay: 3s}",
    "script: [{}]",
    "default",
    "fast",
]
_STRANGE = ["\x00", "\x85", "\u2028", "\ufeff", "\ud800", "\U0001f335", "\x1b[31m", "é"]
_PIECES = st.sampled_from(_SYNTAX + _MARKS + _VALUES + _WORDS + _STRANGE)


def ends_well(text: str) -> None:
    end: Catalogue | ConfigError
    try:
        end = parse(text, "q.yaml", {"KEY": PLANTED})
    except ConfigError as error:
        end = error
    if isinstance(end, ConfigError):
        lines = str(end).split("\n")
        assert len(lines) == len(end.problems) > 0
        assert all(line.isprintable() and PLANTED not in line for line in lines)
        assert [problem.line for problem in end.problems] == sorted(problem.line for problem in end.problems)


@given(st.lists(_PIECES, max_size=30))
@settings(max_examples=300, deadline=None)
def test_pieces_of_yaml(pieces: list[str]) -> None:
    """Any pile of YAML's own signs is refused with printable lines, sorted, one for each problem."""
    ends_well("".join(pieces))


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text(text: str) -> None:
    """So is any text at all."""
    ends_well(text)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 8), _PIECES), min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_a_sound_file_with_slips(slips: list[tuple[int, int, str]]) -> None:
    """So is a file that uses every key, with a few slips of the hand in it."""
    text = WHOLE
    for at, dropped, added in slips:
        text = text[:at] + added + text[at + dropped :]
    ends_well(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["server", "callers", "backends", "routes"]), _JSON)
@settings(max_examples=200, deadline=None)
def test_values_of_any_kind(section: str, value: object) -> None:
    """So is any section that holds a value of any kind."""
    sections = {
        "backends": "[{name: a, provider: local}]",
        "routes": "[{name: r, backends: [a]}]",
        section: repr(value),
    }
    ends_well("\n".join(f"{key}: {text}" for key, text in sections.items()))
