"""What is known of how long each backend takes: for hedging delays, and for lanes that were given up."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable

from quickthorn_server.core.catalogue import Route
from quickthorn_server.core.word import Word
from quickthorn_server.execution.recent import Recent
from quickthorn_server.execution.window import Clock

SIZES = (512, 4_096, 32_768)
"""The largest input of a size class in estimated tokens; the fourth class is what is larger still.

A question, a conversation, some documents, a book: reading the input is most of the time to first content, and grows
with it.
"""

_ENOUGH = 20  # lanes; fewer tell nothing about a p95
_ENOUGH_FOR_P99 = 100  # lanes


class Measure(Word):
    """What is timed of a lane, in seconds."""

    FIRST_CONTENT = "first_content"
    """Until its client could see something; the ages of lanes stopped before are known apart."""

    PER_TOKEN = "per_token"  # noqa: S105 - a time
    """Between two tokens, on average over one lane."""

    TOTAL = "total"
    """Until its clean end."""


class Latency:
    """How long lanes took of late, by backend and size of the input.

    Of a lane stopped before it spoke only its age is known: its time would have been longer (it is right-censored).
    Without such lanes the slow ones, which hedges overtake, would be missing, and every percentile would shrink.
    """

    def __init__(self, routes: Iterable[Route], clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._wanted = {rule.percentile for route in routes if (rule := route.hedge) and rule.percentile is not None}
        self._spoke: dict[str, Recent] = {}
        self._heard: dict[str, Recent] = {}
        self._by_size: dict[tuple[str, int, Measure], Recent] = {}
        self.first_content: dict[tuple[str, float], float] = {}

    def heard(self, backend: str, seconds: float) -> None:
        """Record that *backend* said anything at all after *seconds*, be it thinking that the client does not see."""
        if backend not in self._heard:
            self._heard[backend] = Recent(self._clock)
        self._heard[backend].add(seconds)

    def p99(self, backend: str) -> float | None:
        """Return within how many seconds 99 % of the last 200 to 250 lanes were heard; None = under 100 are known."""
        heard = self._heard.get(backend)
        return None if heard is None else heard.percentile(0.99, _ENOUGH_FOR_P99)

    def spoke(self, backend: str, seconds: float, input_tokens: int = 0) -> None:
        """Record that a lane of *backend* had its first content after *seconds*."""
        self.recent(backend, input_tokens, Measure.FIRST_CONTENT).add(seconds)
        if self._wanted:
            self._overall(backend).add(seconds)
            self._look(backend)

    def outlasted(self, backend: str, seconds: float, input_tokens: int = 0) -> None:
        """Record that a lane of *backend* was stopped after *seconds* of silence."""
        self.recent(backend, input_tokens, Measure.FIRST_CONTENT).outlasted(seconds)
        if self._wanted:
            self._overall(backend).outlasted(seconds)
            self._look(backend)

    def ended(self, backend: str, seconds: float, input_tokens: int, *, per_token: float | None = None) -> None:
        """Record that a lane of *backend* ended cleanly after *seconds*, with *per_token* between tokens if known."""
        self.recent(backend, input_tokens, Measure.TOTAL).add(seconds)
        if per_token is not None:
            self.recent(backend, input_tokens, Measure.PER_TOKEN).add(per_token)

    def recent(self, backend: str, input_tokens: int, measure: Measure) -> Recent:
        """Return what is known of *measure* of *backend* for inputs about as large as *input_tokens*."""
        key = (backend, size_class(input_tokens), measure)
        found = self._by_size.get(key)
        if found is None:
            found = self._by_size[key] = Recent(self._clock)
        return found

    def _overall(self, backend: str) -> Recent:
        if backend not in self._spoke:
            self._spoke[backend] = Recent(self._clock)
        return self._spoke[backend]

    def _look(self, backend: str) -> None:
        """Look up the percentiles asked for, every twenty lanes; where too few spoke of late, the last ones stay."""
        overall = self._spoke[backend]
        if not overall.stale:
            return
        for percentile in self._wanted:
            if (known := overall.percentile(percentile, _ENOUGH)) is not None:
                self.first_content[backend, percentile] = known


def size_class(input_tokens: int) -> int:
    """Return the class, 0 to 3, of an input (`SIZES`)."""
    return bisect_left(SIZES, input_tokens)
