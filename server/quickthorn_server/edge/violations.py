"""Collect what is wrong with a request, field by field, so that the caller reads all of it at once."""

from __future__ import annotations

from quickthorn_server.core.ends import CallError, FieldViolation
from quickthorn_server.core.failures import Reason


class Violations:
    """A list of faults; fields are named as in the proto, `messages[0].role`."""

    def __init__(self) -> None:
        self._all: list[FieldViolation] = []

    def add(self, field: str, description: str) -> None:
        """Note that *field* is wrong."""
        self._all.append(FieldViolation(field, description))

    def check(self, holds: bool, field: str, description: str) -> None:
        """Note that *field* is wrong unless the rule *holds*."""
        if not holds:
            self.add(field, description)

    def settle(self) -> None:
        """Raise CallError INVALID_REQUEST if anything was wrong."""
        if not self._all:
            return
        first, more = self._all[0], len(self._all) - 1
        message = f"{first.field}: {first.description}" + (f" (and {more} more)" if more else "")
        raise CallError(Reason.INVALID_REQUEST, message, violations=tuple(self._all))
