"""What a rule of hedging gave and cost: percentiles, extra load, extra cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from quickthorn_server.simulation.engine import Outcome, Row

SHARES = (0.5, 0.95, 0.99, 0.999)
"""The percentiles that are told."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a call costs on average, in USD: served by its first lane or by a hedge, and each of them cancelled.

    *known* False: only relations are known, all lanes cost the same and cancelled ones are billed in full, so what is
    said is the most that it can be.
    """

    first: float = 1.0
    first_lost: float = 1.0
    hedge: float = 1.0
    hedge_lost: float = 1.0
    known: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """One rule's result.  *times*: ascending, seconds.  *load*: extra lanes per call.  *cost*: extra cost over all."""

    rule: str
    setting: str
    times: Sequence[float]
    load: float
    cost: float
    cost_per_call: float

    def at(self, share: float) -> float:
        """Return a percentile."""
        return percentile(self.times, share)


def percentile(ascending: Sequence[float], share: float) -> float:
    """Return the order statistic ceil(*share* n) of *ascending*."""
    return ascending[max(0, ceil(round(share * len(ascending), 6)) - 1)]


def measured(rule: str, setting: str, rows: Sequence[Row], outcomes: Iterable[Outcome], bill: Bill) -> Measured:
    """Return what *outcomes* of *rows* come to."""
    times, lanes, extra = list[float](), 0, 0.0
    for row, outcome in zip(rows, outcomes, strict=True):
        times.append(outcome.latency)
        if outcome.hedged:
            lanes += outcome.hedged
            extra += _extra(row, outcome, bill)
    count = len(times)
    return Measured(rule, setting, sorted(times), lanes / count, extra / (count * bill.first), extra / count)


def _extra(row: Row, outcome: Outcome, bill: Bill) -> float:
    """Return what a hedged call cost beyond what it would have cost without."""
    if outcome.latency >= row.lanes[0]:
        return outcome.hedged * bill.hedge_lost
    return bill.first_lost + (outcome.hedged - 1) * bill.hedge_lost + bill.hedge - bill.first
