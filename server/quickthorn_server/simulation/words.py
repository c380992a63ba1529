"""Times, shares and percentiles as people read them, and as the configuration has them."""

from __future__ import annotations

from math import inf

_MILLISECOND, _THREE_FIGURES, _FEW, _NEARLY_ALL, _ROUNDING = 1e-3, 1e3, 0.1, 0.99, 1e-6


def percent(share: float) -> str:
    """Return a share for people: with a decimal where it is near nothing or near all."""
    near = abs(share) < _FEW or _NEARLY_ALL < share < 1
    return f"{share:.1%}".replace(".0%", "%") if near else f"{share:.0%}"


def exactly(share: float) -> str:
    """Return a share as it was written."""
    return f"{share * 100:g}%"


def dollars(amount: float) -> str:
    """Return an amount of money, three figures of it."""
    return f"{'-' if amount < 0 else ''}${abs(amount):.3g}"


def name(share: float) -> str:
    """Return what the percentile *share* (0..1) is called: p99.9."""
    return f"p{share * 100:g}"


def span(seconds: float, bound: float = inf) -> str:
    """Return a time for people, three figures of it; from *bound* on it is only known to be more."""
    if seconds >= bound * (1 - _ROUNDING):
        return f"> {span(bound)}"
    if seconds < _MILLISECOND:
        return f"{seconds * 1e6:.3g} us"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < _THREE_FIGURES else f"{seconds:.0f} s"


def written(seconds: float) -> str:
    """Return a time as the configuration has it."""
    return f"{seconds * 1e3:.4g}ms" if seconds < 1 else f"{seconds:.4g}s"
