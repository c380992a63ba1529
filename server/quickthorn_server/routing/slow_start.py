"""Give a backend whose circuit has just closed its calls back bit by bit.

Envoy's slow start (`slow_start_config`): for a while a recovered backend has only a share of its usual weight.  Who is
asked first is decided here; whom a failure or silence leads to is not, for those are few and somebody must take them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quickthorn_server.core.catalogue import Backend, Route, Strategy
from quickthorn_server.core.plan import Knowledge

_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio
_ALL = 2**64


def dice(turn: int) -> float:
    """Return the number in [0, 1) of a turn, evenly spread over any run of turns, also over every n-th one.

    Multiples of the golden ratio modulo 1 (Weyl, 1916; Knuth, TAOCP 3, 6.4): a random number would be as fair only in
    the long run, and the same turn would not give the same plan.
    """
    return turn * _GOLDEN % _ALL / _ALL


def eased(order: list[Backend], route: Route, knowledge: Knowledge, turn: int) -> list[Backend]:
    """Return *order* with another one first where who would be first recovers and it is not its turn.

    `weighted`: among the closed circuits of its group each is first in proportion to weight times share, exactly, if
    *order* begins with each in proportion to its weight.  `priority`, and alone in its group: it keeps its share of the
    calls, the next that is well gets the others.  Shares count relative to the best: all recovering is as none.
    """
    closed = [backend for backend in order if backend.name not in knowledge.circuits]
    if not closed or closed[0].name not in knowledge.ramps:
        return order
    weights = _weights(closed[0].name, route)
    pool = [backend for backend in closed if backend.name in weights]
    even = route.strategy is Strategy.WEIGHTED and len(pool) > 1
    chosen = _by_weight(pool, weights, knowledge, dice(turn)) if even else _next(closed, knowledge, dice(turn))
    if chosen is closed[0]:
        return order
    others = [backend for backend in order if backend is not chosen]
    place = order.index(closed[0])
    return [*others[:place], chosen, *others[place:]]


def _weights(first: str, route: Route) -> dict[str, int]:
    """Return the weights of the group that *first* is in."""
    group = next(entry.group for entry in route.entries if entry.backend == first)
    return {entry.backend: entry.weight for entry in route.entries if entry.group == group}


def _by_weight(pool: Sequence[Backend], weights: Mapping[str, int], knowledge: Knowledge, fate: float) -> Backend:
    """Keep the first with its share over the largest; else draw anew by weight times share.

    Kept and drawn parts are both in proportion to weight times share, so their sum is.
    """
    shares = [knowledge.ramps.get(backend.name, 1.0) for backend in pool]
    kept = shares[0] / max(shares)
    if fate < kept:
        return pool[0]
    parts = [weights[backend.name] * share for backend, share in zip(pool, shares, strict=True)]
    left = (fate - kept) / (1 - kept) * sum(parts)
    for backend, part in zip(pool, parts, strict=True):
        left -= part
        if left < 0:
            return backend
    return pool[-1]


def _next(closed: Sequence[Backend], knowledge: Knowledge, fate: float) -> Backend:
    """Return the first whose share of what those before it leave covers *fate*."""
    best = max(knowledge.ramps.get(backend.name, 1.0) for backend in closed)
    for backend in closed:
        kept = knowledge.ramps.get(backend.name, 1.0) / best
        if fate < kept:
            return backend
        fate = (fate - kept) / (1 - kept)
    return closed[-1]
