"""Random identifiers."""

from __future__ import annotations

import os

_AHEAD = 4096  # bytes of randomness asked for at once: asking the system for each identifier took longer than a plan

_hex = ""
_at = 0


def random_hex(digits: int) -> str:
    """Return *digits* random hexadecimal digits, 4 bits each, of the system's randomness.  Not for threads."""
    global _hex, _at  # noqa: PLW0603 - a buffer of the process, like the system's own
    if _at + digits > len(_hex):
        _hex, _at = os.urandom(_AHEAD).hex(), 0
    _at += digits
    return _hex[_at - digits : _at]
