"""What upstreams and callers write down, one line of JSON each; instants are `time.monotonic`, the same everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Attempt:
    """One request as the upstream saw it.

    *sent* in bytes, *tokens* those sent whole; *end*: "done", "us" or "peer" (who closed it), "" = still open.
    """

    call: str
    provider: str
    arrived: float
    stream: bool
    fault: str = ""
    continues: bool = False
    first_byte: float | None = None
    sent: int = 0
    tokens: int = 0
    end: str = ""
    ended: float | None = None


@dataclass(slots=True)
class Seen:
    """One call as its caller saw it.

    *text*: "whole", "start" (of the right answer), "none" or "wrong".  *size*: bytes of text that came; *told*: what
    the failure's details say of that.  *wait* and *pushback*: seconds to wait, by RetryInfo and by metadata.
    *seams*: offset, method, exact.
    """

    call: str
    kind: str
    due: float
    sent: float = 0.0
    first: float | None = None
    done: float = 0.0
    code: str = ""
    reason: str = ""
    text: str = "none"
    size: int = 0
    told: int | None = None
    wait: float | None = None
    pushback: float | None = None
    cancelled: float | None = None
    seams: list[tuple[int, str, bool]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it was answered, and the answer is the right one, whole."""
        return self.code == "OK" and self.text == "whole"

    @property
    def took(self) -> float:
        """Seconds from the instant it was due: to the first content of a stream, else to the end."""
        return (self.done if self.first is None or self.kind in {"unary", "whole"} else self.first) - self.due


@dataclass(frozen=True, slots=True)
class Check:
    """One look at the health service, from instant *at* on, which took *took* seconds."""

    service: str
    at: float
    took: float
    serving: bool


def attempts_of(files: Iterable[Path]) -> list[Attempt]:
    """Read the truth, in the order of arrival.  A line that a killed process left torn is left out."""
    found = [Attempt(**json.loads(line)) for path in files for line in _lines(path)]
    return sorted(found, key=lambda attempt: attempt.arrived)


def seen_of(path: Path) -> tuple[list[Seen], list[Check]]:
    """Read what callers saw, in the order in which calls were due, and what the health service said."""
    seen: list[Seen] = []
    checks: list[Check] = []
    for line in _lines(path):
        data = json.loads(line)
        if "service" in data:
            checks.append(Check(**data))
        else:
            seen.append(Seen(**data))
    return sorted(seen, key=lambda each: each.due), sorted(checks, key=lambda check: check.at)


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines(keepends=True) if line.endswith("}\n")]
