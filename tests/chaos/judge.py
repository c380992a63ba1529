"""The judge: what callers saw against what upstreams did.  Pure, and imports nothing of the server."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.faults import BREAKS, LIMIT, MIDST
from tests.chaos.logs import Attempt, Check, Seen

Figure = float | int | str | None
_LATE = 0.25  # seconds that a call may end behind its deadline before it counts as hanging


@dataclass(slots=True)
class Verdict:
    """What came of a scenario.

    *n*: calls.  *faults*: what is not as it should be, in words; none = passed.  *failures*: calls of clients that
    failed and should not have.  *amplification*: attempts a call, where a bound is set on it.
    """

    name: str
    seed: int
    n: int
    figures: dict[str, Figure] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    failures: int = 0
    amplification: float | None = None

    def at_most(self, name: str, value: float, limit: float) -> None:
        """Keep a figure that must not be larger than *limit*."""
        self.figures[name] = _short(value)
        if not value <= limit:
            self.faults.append(f"{name} {value:.4g} is more than {limit:.4g}")

    def at_least(self, name: str, value: float, limit: float) -> None:
        """Keep a figure that must not be smaller than *limit*."""
        self.figures[name] = _short(value)
        if not value >= limit:
            self.faults.append(f"{name} {value:.4g} is less than {limit:.4g}")

    def must(self, holds: bool, otherwise: str) -> None:
        """Fail with the words *otherwise* unless it *holds*."""
        if not holds:
            self.faults.append(otherwise)

    @property
    def line(self) -> str:
        """The scenario in one line."""
        figures = "  ".join(f"{name} {value}" for name, value in self.figures.items())
        said = "pass" if not self.faults else "FAIL: " + "; ".join(self.faults)
        return f"{self.name:<28} seed {self.seed}  n {self.n}  {figures}  {said}"


def _short(value: float) -> float:
    """Return *value* to four figures."""
    return float(f"{value:.4g}")


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that *share* (0..1) of *values* do not exceed; NaN of none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] if ranked else math.nan


def by_call(attempts: Iterable[Attempt]) -> Mapping[str, list[Attempt]]:
    """Return the attempts of each call."""
    found: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        found[attempt.call].append(attempt)
    return found


def broke_after_content(attempts: Iterable[Attempt]) -> bool:
    """Whether the upstream broke one of these attempts in the midst of its answer."""
    return any(
        each.tokens and (each.fault == LIMIT or BREAKS.get(each.fault, ("", ""))[0] == MIDST) for each in attempts
    )


def broken_as_told(seen: Seen) -> bool:
    """Whether a stream ended as one that broke is to end: one status, with what came, and when to ask again."""
    told = seen.code == "UNAVAILABLE" and seen.reason == "STREAM_BROKEN" and seen.wait is not None
    return told and seen.text in {"start", "whole"} and seen.told == seen.size


def unexpected(calls: Iterable[Seen], attempts: Iterable[Attempt], *, endless: float | None = None) -> list[str]:
    """Return calls that did not end as they should, in words: every call is answered right and whole.

    But a stream that is not to be continued, and whose provider broke after content, as the upstream knows, may end as
    STREAM_BROKEN; and where answers are *endless*, a stream that had content by its own deadline, so many seconds.
    """
    truth = by_call(attempts)
    found = []
    for seen in calls:
        if seen.ok and all(exact for _, _, exact in seen.seams):
            continue
        tried = truth.get(seen.call, ())
        if seen.kind == "stream" and broken_as_told(seen) and broke_after_content(tried):
            continue
        if endless is not None and _ended_by_deadline(seen, endless) and broke_after_content(tried):
            continue
        faults = ", ".join(f"{each.provider}:{each.fault or 'well'}:{each.tokens}" for each in tried)
        found.append(f"{seen.call} {seen.kind} {seen.code} {seen.reason} text {seen.text} after [{faults}]")
    return found


def _ended_by_deadline(seen: Seen, deadline: float) -> bool:
    in_time = seen.done - seen.sent <= deadline + _LATE
    return seen.kind in {"stream", "carry"} and seen.code == "DEADLINE_EXCEEDED" and seen.size > 0 and in_time


def amplification(calls: Sequence[Seen], attempts: Iterable[Attempt]) -> float:
    """Return attempts a call, as the upstream counted them."""
    names = {seen.call for seen in calls}
    return sum(each.call in names for each in attempts) / len(calls)


def amplification_between(attempts: Iterable[Attempt], begin: float, end: float) -> float:
    """Return attempts over calls begun, both as upstreams received them from instant *begin* on and before *end*.

    Whoever pays for extra requests with what calls put in promises it in this order, and not by the calls that extra
    ones are for: one that is sent a second after its call is paid for by the calls in between.
    """
    begun: set[str] = set()
    first = sent = 0
    for each in sorted(attempts, key=lambda attempt: attempt.arrived):
        if begin <= each.arrived < end:
            sent += 1
            first += each.call not in begun
        begun.add(each.call)
    return sent / first if first else math.nan


def worst_window(calls: Sequence[Seen], attempts: Iterable[Attempt], seconds: float, after: float) -> float:
    """Return attempts a call in the worst window of *seconds*, windows one after the other from instant *after* on.

    An attempt counts where its call was due.  A last window that is not full is left out.
    """
    tried = by_call(attempts)
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for seen in calls:
        if seen.due >= after:
            window = counts[int((seen.due - after) / seconds)]
            window[0] += 1
            window[1] += len(tried.get(seen.call, ()))
    full = sorted(counts)[:-1] or sorted(counts)
    return max((counts[place][1] / counts[place][0] for place in full), default=math.nan)


def turned(checks: Iterable[Check], service: str, *, serving: bool, after: float) -> float | None:
    """Return the first instant from *after* on at which *service* was seen to serve, or not to; None = never."""
    return next((c.at for c in checks if c.service == service and c.at >= after and c.serving == serving), None)


def flaps(checks: Iterable[Check], service: str, after: float) -> int:
    """Return how often *service* was seen to stop serving from *after* on."""
    states = [check.serving for check in checks if check.service == service and check.at >= after]
    return sum(before and not now for before, now in pairwise(states))


def most_at_once(attempts: Iterable[Attempt]) -> int:
    """Return how many of *attempts* ran at once, at most."""
    steps = [(each.arrived, 1) for each in attempts]
    steps += [(each.ended, -1) for each in attempts if each.ended is not None]
    running = most = 0
    for _, step in sorted(steps):
        running += step
        most = max(most, running)
    return most


def cancels(calls: Iterable[Seen], attempts: Iterable[Attempt]) -> list[float]:
    """Return seconds from each cancel to the close of each attempt of its call that still ran, as the upstream saw."""
    truth = by_call(attempts)
    left = [(seen.cancelled, each) for seen in calls if seen.cancelled is not None for each in truth.get(seen.call, ())]
    ends = [(at, math.inf if each.ended is None else each.ended) for at, each in left]
    return [ended - at for at, ended in ends if ended >= at]
