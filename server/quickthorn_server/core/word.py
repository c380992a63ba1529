"""Closed lists of words that the hot path looks up and writes."""

from __future__ import annotations

from enum import Enum


class Word(Enum):
    """An Enum whose members are hashed, and give their *word*, in native code.

    `Enum.__hash__` and `.value` are Python functions up to 3.11; a call made two dozen of these lookups.
    """

    word: str

    def __init__(self, word: str) -> None:
        self.word = word

    __hash__ = object.__hash__  # members are the same or differ, so they hash as themselves
