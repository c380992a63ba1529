"""JSON of the caller's is taken apart without touching its bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.providers.json_text import elements, members, on_one_line


def test_values_stay_byte_for_byte() -> None:
    """Numbers, spaces, escapes and the order of keys inside a value are the caller's."""
    text = ' {"a" : 40.0 ,"b":{"z":1,"a":  [1e400, 0.10]},"\\u0063":"\\u00e9","n":null, "a":12345678901234567890}\n'
    found = members(text)
    assert found == {
        "a": "12345678901234567890",
        "b": '{"z":1,"a":  [1e400, 0.10]}',
        "c": '"\\u00e9"',
        "n": "null",
    }


@pytest.mark.parametrize("text", ["{}", " { } ", "{\n}"])
def test_an_empty_object_has_no_members(text: str) -> None:
    """Nothing is nothing."""
    assert members(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        '{"a"}',
        '{"a":}',
        '{"a":1,}',
        '{"a":1}x',
        "{1:2}",
        '{"a":1 "b":2}',
        '"{}"',
        "{'a':1}",
        '{"a":NaN}',
        '{"a":-Infinity}',
        '{"a":' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_what_is_no_object_is_refused(text: str) -> None:
    """Half an object is none."""
    with pytest.raises(ValueError, match=r"."):
        members(text)


WORD = st.text(max_size=5)
JSON = st.none() | st.booleans() | st.integers() | WORD
DEEP = JSON | st.lists(JSON, max_size=3) | st.dictionaries(WORD, JSON, max_size=3)


@given(st.dictionaries(WORD, DEEP, max_size=4), st.sampled_from([None, 1]))
def test_it_agrees_with_the_library(value: dict[str, Any], indent: int | None) -> None:
    """Every member parses to what the whole object parses to."""
    found = members(json.dumps(value, indent=indent))
    assert {name: json.loads(text) for name, text in found.items()} == value


@given(st.lists(DEEP, max_size=4), st.sampled_from([None, 1]))
def test_elements_of_an_array_are_taken_apart_likewise(value: list[Any], indent: int | None) -> None:
    """Every element parses to what stands in the whole array."""
    assert [json.loads(text) for text in elements(json.dumps(value, indent=indent))] == value


@pytest.mark.parametrize("text", ["", "{}", "[", "[1", "[1,]", "[1 2]", "[1]x", "[,1]"])
def test_what_is_no_array_is_refused(text: str) -> None:
    """Half an array is none."""
    with pytest.raises(ValueError, match=r"."):
        elements(text)


def test_layout_is_made_one_line_and_nothing_else_is_touched() -> None:
    """Numbers, escapes, order and what stands inside strings stay byte for byte."""
    text = '{\r\n "b" :1.0,\t"a":[1e2 , -0,"x:, \\" y\\u00e9"],\n "c":{ }}'
    assert on_one_line(text) == '{"b": 1.0, "a": [1e2, -0, "x:, \\" y\\u00e9"], "c": {}}'


@given(DEEP, st.sampled_from([None, 1]))
def test_one_line_is_that_of_the_library(value: Any, indent: int | None) -> None:
    """However it was laid out."""
    assert on_one_line(json.dumps(value, indent=indent)) == json.dumps(value)
