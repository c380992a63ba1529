"""What may be written about an exception nobody foresaw: its type and where it was, never what it says.

An exception's text may quote the request: a KeyError its key, a validation error the whole prompt.
"""

from __future__ import annotations

import traceback
from pathlib import Path

_FRAMES = 12  # the innermost ones: the outer ones are gRPC's and ours, always the same


def sketch(error: BaseException) -> str:
    """Return types and code places of *error*, of what caused it and of what it groups, on one line."""
    return " <- ".join(_place(each) for each in _family(error))


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = ",".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__}({places})"


def _family(error: BaseException) -> list[BaseException]:
    """Return *error*, its causes and its members, each once."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if each not in found:
            found.append(each)
            cause = each.__cause__ or each.__context__
            members = each.exceptions if isinstance(each, BaseExceptionGroup) else ()
            waiting += [*members, *([cause] if cause else [])]
    return found
