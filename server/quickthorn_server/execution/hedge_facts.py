"""Gather what bears on hedging from those who know it."""

from __future__ import annotations

from quickthorn_server.core.plan import Advise, HedgeFacts
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.latency import Latency, Measure
from quickthorn_server.execution.limits import Limiters
from quickthorn_server.execution.spending import Spending

_ENOUGH = 20  # answers, before a median counts


def hedge_facts(
    breakers: Breakers, limiters: Limiters, spending: Spending, latency: Latency, advise: Advise
) -> HedgeFacts:
    """Return the reads of what is known."""

    def near_limit(backend: str) -> bool:
        return breakers[backend].told_to_wait or (backend in limiters.limited and limiters.near(backend))

    def typical(backend: str, input_tokens: int) -> float | None:
        return latency.recent(backend, input_tokens, Measure.FIRST_CONTENT).percentile(0.5, _ENOUGH)

    return HedgeFacts(
        advise=advise,
        near_limit=near_limit,
        shut=lambda backend: breakers[backend].retry_after > 0,
        spent=spending.of,
        typical=typical,
    )
