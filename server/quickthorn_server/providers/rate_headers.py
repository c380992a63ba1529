"""When a rate limit that was reached is lifted, as far as the headers of a 429 say without `Retry-After`.

Each provider counts several things (requests, tokens ...) and tells of each how much is left and when it is full again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime

Header = Callable[[str], str]
"""A reply's header by its name, "" where there is none."""

_TOO_MANY = 429

# (what is left, when it is renewed): OpenAI's, Groq's and Azure's; Anthropic's; OpenRouter's and GitHub Models'; and
# the fields of draft-ietf-httpapi-ratelimit-headers up to -06, whose successors nobody here sends yet.
_LIMITS = (
    *((f"x-ratelimit-remaining-{what}", f"x-ratelimit-reset-{what}") for what in ("requests", "tokens")),
    *(
        (f"anthropic-ratelimit-{what}-remaining", f"anthropic-ratelimit-{what}-reset")
        for what in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
)

_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,9})?")
_GO_DURATION = re.compile(r"(?:[0-9]{1,18}(?:\.[0-9]{1,9})?(?:ms|us|µs|ns|d|h|m|s))+")  # 6m0s, 12ms, 1.5s
_TERM = re.compile(r"([0-9.]+)(ms|us|µs|ns|d|h|m|s)")
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_AN_INSTANT, _IN_MILLISECONDS = 1e9, 1e11  # what is larger is no wait, but Unix time; and finer Unix time


def until_reset(status: int, named: float | None, header: Header, now: Callable[[], float] = time.time) -> float | None:
    """Return how many seconds a failed reply asks to wait: what it *named*, else until its limits are renewed.

    Only a 429 is read so: other failures carry the same headers and are no rate limits.  Of the limits with nothing
    left the last to be renewed counts.  Where each has something left, too little for this request, and where nothing
    is said of what is left, it is the first: a wait that turns out short costs one more 429, a long one closes a
    backend that would answer.  None = nothing that can be read.  Whoever keeps the wait bounds it.
    """
    if named is not None or status != _TOO_MANY:
        return named
    told = list(_told(header, now))
    spent = [wait for left, wait in told if left == 0]
    return max(spent) if spent else min((wait for _, wait in told), default=None)


def _told(header: Header, now: Callable[[], float]) -> Iterator[tuple[float | None, float]]:
    """Yield what is left of each limit (None = it is not said) and the seconds until it is renewed."""
    for remaining, reset in _LIMITS:
        if (text := header(reset).strip()) and (wait := _wait(text, now)) is not None:
            left = header(remaining).strip()
            yield float(left) if _NUMBER.fullmatch(left) else None, wait


def _wait(text: str, now: Callable[[], float]) -> float | None:
    """Return the seconds that *text* means: a number, an instant of Unix time, a duration of Go's, or RFC 3339."""
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number < _AN_INSTANT:
            return number
        return max(0.0, (number if number < _IN_MILLISECONDS else number / 1000) - now())
    if _GO_DURATION.fullmatch(text):
        return sum(float(count) * _SECONDS[unit] for count, unit in _TERM.findall(text))
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return max(0.0, instant.timestamp() - now()) if instant.tzinfo is not None else None
