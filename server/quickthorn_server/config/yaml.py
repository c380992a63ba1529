"""YAML text to plain values, with the line and column of every key and value.  Knows no key by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from quickthorn_server.config.errors import ConfigError, Finding, Location, Problem, looks_like_key, rendered, shown
from quickthorn_server.config.scalars import meaning

_TAG = "tag:yaml.org,2002:"
_TEXT, _MERGE = _TAG + "str", _TAG + "merge"
_KNOWN_TAGS = {_TAG + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "value")}
_DEEPEST, _MOST_VALUES, _MOST_MERGES = 40, 50_000, 1_000

# What the scanner says -> what an operator can do with it.  Its own texts may quote the file, ours do not.
_SYNTAX = (
    ("found character '\\t'", "a tab is used for indentation", "use spaces"),
    ("found character '%'", "a value cannot start with %", "put it in quotes"),
    ("found character", "a value cannot start with this character", "put the value in quotes"),
    (
        "found undefined alias",
        "this * refers to an anchor that does not exist",
        "define it with & above, or use quotes",
    ),
    ("but found another document", "a second document starts here", "keep one, and remove this line"),
    ("mapping values are not allowed", "a colon where no key can be", 'put text that contains ": " in quotes'),
    ("could not find expected ':'", "a key without its colon", 'write "key: value"'),
    ("expected <block end>", "the indentation does not fit the lines above", "align it with its neighbours"),
    ("found unexpected end of stream", "a quote is opened here and never closed", "close it"),
    ("found unknown escape character", "an unknown escape after a backslash", "use single quotes"),
    ("expected ',' or", "a comma or a closing bracket is missing", "text with commas or brackets needs quotes"),
)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ITEM = 2  # steps from the root to one of the backends, routes or callers


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """A file's content: plain dicts, lists, text, ints, bools, None, and Decimal for every other number.

    *faults* are those of the text that do not stop the reading: duplicate keys, odd tags.
    """

    file: str
    root: Any = None
    keys: dict[Location, Place] = field(default_factory=dict)
    values: dict[Location, Place] = field(default_factory=dict)
    faults: list[Problem] = field(default_factory=list)

    def problem(self, finding: Finding) -> Problem:
        """Return *finding* with the place it speaks of, or the nearest one around it that is in the file."""
        location = finding.location
        while location not in self.values:
            location = location[:-1]
        place = self.values[location]
        if finding.at_key:
            place = self.keys.get(location, place)
            location = location[:-1]
        where, name = rendered(location), self._name(location)
        return Problem(self.file, place.line, place.column, where, finding.message, finding.hint, name)

    def _name(self, location: Location) -> str:
        """Return the name of the item that *location* is in; "" where it has none that can be shown."""
        if len(location) < _ITEM or not isinstance(self.root, dict):
            return ""
        section = self.root.get(location[0])
        item = section[location[1]] if isinstance(section, list) and isinstance(location[1], int) else None
        name = item.get("name") if isinstance(item, dict) else None
        return name if isinstance(name, str) and _NAME.fullmatch(name) and not looks_like_key(name) else ""


def read(text: str, file: str) -> Document:
    """Return the content of *text*; *file* is its name in problems.

    Raises ConfigError when it is no YAML, empty, or nested beyond reason.
    """
    try:
        node = _composed(text)
    except MarkedYAMLError as error:
        place, message, hint = _syntax(error)
    except ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, error.position - before.rfind("\n"))
        message, hint = "a character that YAML does not allow", "remove it"
    except RecursionError:
        place, message, hint = Place(1, 1), "brackets are nested too deeply", "close them"
    except (YAMLError, ValueError, ArithmeticError, LookupError, AssertionError, NotImplementedError):
        place, message, hint = Place(1, 1), "this is no YAML", "`quickthorn init` writes a file to start from"
    else:
        return _document(node, file)
    raise _failed(file, place, message, hint)


def _composed(text: str) -> Node | None:
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False
    node: Node | None = yaml.compose(text)
    return node


def _syntax(error: MarkedYAMLError) -> tuple[Place, str, str]:
    said = str(error.problem or "")
    cut = "end of stream" in said or "<stream end>" in said
    mark = (error.context_mark if cut else error.problem_mark) or error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
    for beginning, message, hint in _SYNTAX:
        if said.startswith(beginning):
            return place, message, hint
    return place, "this is no YAML", "check quotes, brackets and indentation here and just above"


def _document(node: Node | None, file: str) -> Document:
    if node is None:
        raise _failed(file, Place(1, 1), "the file is empty", "`quickthorn init` writes one to start from")
    if not isinstance(node, MappingNode):
        raise _failed(file, _place(node), "the file must be keys and values", 'start it with "backends:"')
    document = Document(file)
    document.root = _Reading(document).value(node, ())
    return document


def _failed(file: str, place: Place, message: str, hint: str) -> ConfigError:
    return ConfigError((Problem(file, place.line, place.column, "", message, hint),))


class _Reading:
    """One walk over the nodes of a file."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._merges = 0

    def value(self, node: Node, location: Location) -> Any:
        """Return the plain value of *node* and note its place."""
        self._document.values[location] = _place(node)
        # Aliases can make a small file endless: nested in itself, or doubled forty times.
        if len(location) > _DEEPEST or len(self._document.values) > _MOST_VALUES:
            said = "values are nested too deeply" if len(location) > _DEEPEST else "the file holds too many values"
            raise ConfigError((self._problem(node, (), said, "make it smaller"),))
        if str(node.tag) not in _KNOWN_TAGS:
            self._fault(node, location, "a tag (!...) means nothing here", "remove it")
        match node:
            case MappingNode():
                return {key: self._entry(key, *pair, location) for key, pair in self._pairs(node, location).items()}
            case SequenceNode():
                return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]
            case _:
                return self._text(node, location) if str(node.tag) == _TEXT else meaning(node.value)

    def _text(self, node: Node, location: Location) -> str:
        """Return the text of *node*, with characters whole that JSON escapes by halves (RFC 8259, 7)."""
        text: str = node.value
        if text.isascii():
            return text
        joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if "\ufffd" in joined and "\ufffd" not in text:
            hint = "write the character itself, or both halves"
            self._fault(node, location, "half of a character is escaped here", hint)
        return joined

    def _entry(self, key: str, key_node: Node, value_node: Node, location: Location) -> Any:
        place = self._document.keys[*location, key] = _place(key_node)
        value = self.value(value_node, (*location, key))
        if value is None:  # an absent value "is" wherever the next key starts
            self._document.values[*location, key] = place
        return value

    def _pairs(self, node: MappingNode, location: Location, depth: int = 0) -> dict[str, tuple[Node, Node]]:
        """Return the keys of a mapping, its own before those that `<<` merges in."""
        pairs: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            if str(key.tag) == _MERGE:
                continue
            if not isinstance(key, ScalarNode):
                self._fault(key, location, "a key must be plain text", "put it in quotes")
            elif key.value in pairs:
                first = f"first on line {_place(pairs[key.value][0]).line}"
                self._fault(key, location, f"the key {shown(key.value)} is here twice, {first}", "keep one")
            else:
                pairs[key.value] = key, value
        for merged in self._merged(node, location, depth):
            pairs = self._pairs(merged, location, depth + 1) | pairs
        return pairs

    def _merged(self, node: MappingNode, location: Location, depth: int) -> Iterator[MappingNode]:
        """Yield the mappings that `<<` names; of two with the same key the earlier wins."""
        for key, value in node.value:
            if str(key.tag) != _MERGE:
                continue
            for source in value.value if isinstance(value, SequenceNode) else [value]:
                self._merges += 1
                if self._merges > _MOST_MERGES:
                    raise ConfigError((self._problem(key, (), "too many mappings are merged", "make it smaller"),))
                if isinstance(source, MappingNode) and depth < _DEEPEST:
                    yield source
                else:
                    self._fault(key, location, '"<<" takes a mapping', "write <<: *name")

    def _fault(self, node: Node, location: Location, message: str, hint: str) -> None:
        self._document.faults.append(self._problem(node, location, message, hint))

    def _problem(self, node: Node, location: Location, message: str, hint: str) -> Problem:
        place = _place(node)
        return Problem(self._document.file, place.line, place.column, rendered(location), message, hint)


def _place(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
