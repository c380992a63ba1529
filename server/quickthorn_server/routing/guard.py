"""Keep the circuits of a route from putting out more of its backends than the route allows: panic mode.

Envoy's term and model: `max_ejection_percent` of outlier detection, and the panic threshold of load balancing.  Where
most of a pool is out, either its health is misread or nothing better is left, and a sick backend is worth an attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

from quickthorn_server.core.catalogue import Backend, Catalogue, Route, Strategy
from quickthorn_server.core.plan import Knowledge

_ROUNDING = 1e-9  # 29 % of 100 is 29, whatever binary floating point says


def most_out(pool: int, share: float) -> int:
    """Return how many of *pool* backends their circuits may keep out: *share* of them, and one at least.

    So of two, one; and of one, that one: where nobody else could take the call, its circuit alone decides.
    """
    return max(1, floor(share * pool + _ROUNDING))


def spared(order: Sequence[Backend], route: Route, knowledge: Knowledge) -> tuple[Backend, ...]:
    """Return who of the candidates *order* may be asked in spite of its circuit: as many as are too many, else nobody.

    Those whose latest attempts went best come first, ties in the order of the candidates.  Who an operator holds open
    is not of the pool: not spared, and not counted.
    """
    if not knowledge.ejected:
        return ()
    out = [backend for backend in order if backend.name in knowledge.ejected]
    pool = len(order) - sum(held(backend.name, knowledge) for backend in order)
    excess = len(out) - most_out(pool, route.max_ejected)
    if excess <= 0:
        return ()
    return tuple(sorted(out, key=lambda backend: -knowledge.ejected[backend.name])[:excess])


def said(panic: Sequence[Backend]) -> list[str]:
    """Return what Explain says of it."""
    names = ", ".join(backend.name for backend in panic)
    told = f"panic: too many circuits are open; where nobody else may be asked, in spite of theirs: {names}"
    return [told] if panic else []


def held(backend: str, knowledge: Knowledge) -> bool:
    """Whether an operator holds the backend's circuit open."""
    return backend in knowledge.circuits and backend not in knowledge.ejected


def pool_of(route: Route, catalogue: Catalogue) -> tuple[Backend, ...]:
    """Return the backends of *route* that are asked at all, in its order."""
    weighted = route.strategy is Strategy.WEIGHTED
    return tuple(catalogue.backends[entry.backend] for entry in route.entries if entry.weight or not weighted)
