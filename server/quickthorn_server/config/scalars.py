"""What a word without quotes means in YAML 1.2."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

_LONGEST_INTEGER = 40
_NO_NUMBER = Decimal("NaN")

# The core schema of YAML 1.2 (section 10.3.2), applied here and not by ruamel.yaml: there a `%YAML 1.1` line would turn
# the key `on` into true and `1:30` into 90, and 1_000 would be a number.
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def meaning(text: str) -> Any:
    """Return what unquoted *text* means: None, a bool, an int, a Decimal (NaN where it is not finite), or itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _OCTAL_OR_HEX.fullmatch(text) and len(text) <= _LONGEST_INTEGER:
        return int(text, 0)
    if _INTEGER.fullmatch(text) and len(text) <= _LONGEST_INTEGER:
        return int(text)
    if _REAL.fullmatch(text):
        return _real(text)
    return _NO_NUMBER if _NOT_FINITE.fullmatch(text) else text


def _real(text: str) -> Decimal:
    """Return the exact number: a price must not pass through binary floating point."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return _NO_NUMBER
