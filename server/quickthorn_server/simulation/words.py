"""Times, shares and percentiles as people read them, and as the configuration has them."""

from __future__ import annotations

_MILLISECOND, _THREE_FIGURES, _MANY = 1e-3, 1e3, 0.1


def percent(share: float) -> str:
    """Return a share for people: two figures below 10 %."""
    few = share < _MANY and round(share * 1000) % 10
    return f"{share:.1%}" if few else f"{share:.0%}"


def name(share: float) -> str:
    """Return what the percentile *share* (0..1) is called: p99.9."""
    return f"p{share * 100:g}"


def span(seconds: float) -> str:
    """Return a time for people, three figures of it."""
    if seconds < _MILLISECOND:
        return f"{seconds * 1e6:.3g} us"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < _THREE_FIGURES else f"{seconds:.0f} s"


def written(seconds: float) -> str:
    """Return a time as the configuration has it."""
    return f"{seconds * 1e3:.4g}ms" if seconds < 1 else f"{seconds:.4g}s"
