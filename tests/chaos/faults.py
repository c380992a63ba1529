"""What can go wrong with a provider, as data: at which place of its reply, and what then.

Toxiproxy's toxics are among them: latency (`pace`), down (`refused`), bandwidth (`slow_tokens`), slow_close, timeout
(`black_hole`, `stall`), reset_peer (`reset`, `reset_mid`), slicer, limit_data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

START, HEAD, MIDST = "start", "head", "midst"

BREAKS: dict[str, tuple[str, str]] = {
    # Before anything is said.
    "black_hole": (START, "silence"),
    "reset": (START, "reset"),
    "closed": (START, "close"),
    "garbage": (START, "garbage"),
    "slow_headers": (START, "dribble"),
    "status": (START, "status"),
    "wrong_type": (START, "html"),
    "keep_alive_only": (HEAD, "comments"),
    "error_in_200": (HEAD, "error"),
    "reset_after_head": (HEAD, "reset"),
    # In the midst of the answer.
    "stall": (MIDST, "silence"),
    "reset_mid": (MIDST, "reset"),
    "cut_mid": (MIDST, "close"),
    "truncated_chunk": (MIDST, "truncate"),
    "garbage_mid": (MIDST, "garble"),
    "error_mid": (MIDST, "error"),
    "endless": (MIDST, "babble"),
}
"""Fault -> where the reply breaks, and how."""

PACES = ("slow", "slow_tokens", "slicer", "slow_close")
"""Faults of pace: the answer is whole.  `slow` is a brown-out: *factor* times as long to the first token."""

LISTENING = ("refused", "untrusted")
"""Faults of the listener: nobody is there, or it shows a certificate that nobody knows."""

LIMIT = "limit_data"
"""The connection is closed once a random number of bytes was sent."""

EVERY = frozenset({*BREAKS, *PACES, *LISTENING, LIMIT})


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls a *share* (0..1) of a provider's attempts.

    *statuses* and *retry_after* (seconds) of `status`, *factor* of `slow` and `slow_tokens`.  *alternately*: every
    second attempt instead of a share.
    """

    name: str
    share: float = 1.0
    statuses: tuple[int, ...] = (503,)
    retry_after: float | None = None
    factor: float = 20.0
    alternately: bool = False

    def __post_init__(self) -> None:
        if self.name not in EVERY:
            raise ValueError(f"no such fault: {self.name}")


@dataclass(frozen=True, slots=True)
class Pace:
    """How a healthy provider answers.

    First token after first * exp(spread * z) seconds, z normal; then *tokens* tokens in *reads* writes, *gap* seconds
    apart.  *pad*: characters of every token, at least.
    """

    first: float = 0.015
    spread: float = 0.3
    tokens: int = 12
    reads: int = 3
    gap: float = 0.002
    pad: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """From instant *at* on (`time.monotonic`), *provider* has *faults* and *pace*; None = as before."""

    provider: str
    at: float = 0.0
    faults: tuple[Fault, ...] | None = None
    pace: Pace | None = None


def order_of(data: dict[str, Any]) -> Order:
    """Read an order that went through JSON (`dataclasses.asdict`)."""
    faults = data["faults"]
    read = None if faults is None else tuple(Fault(**each | {"statuses": tuple(each["statuses"])}) for each in faults)
    return Order(data["provider"], data["at"], read, None if data["pace"] is None else Pace(**data["pace"]))
