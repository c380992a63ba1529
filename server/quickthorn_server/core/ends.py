"""How a call ends when it does not end with an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quickthorn_server.core.attempt import Trace
from quickthorn_server.core.failures import Reason


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field of the request (`messages[0].role`) and what is wrong with it."""

    field: str
    description: str


class CallError(Exception):
    """The call fails with *reason*; the message is ours and may be shown to the caller.

    *retry_after* in seconds where waiting helps.  *delivered*: UTF-8 bytes of text the client had been sent.
    *metadata*: a few short facts for programs, such as the known routes or why each backend is out.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        retry_after: float | None = None,
        violations: tuple[FieldViolation, ...] = (),
        trace: Trace | None = None,
        delivered: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.violations = violations
        self.trace = trace
        self.delivered = delivered
        self.metadata = metadata or {}
