"""Counts as they stand in answers, and their sums.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from quickthorn_server.core.usage import Usage

_MOST = 2**53  # what a number in JSON can hold exactly


def count(reported: Mapping[str, Any], name: str) -> int | None:
    """Return the number of tokens under *name*; None for anything that is no such number."""
    value = reported.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # Cohere counts in decimals: 12.0
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST else None


def added(*counts: int | None) -> int | None:
    """Return the sum of what is known; None where nothing is."""
    known = [each for each in counts if each is not None]
    return sum(known) if known else None


def together(used: Iterable[Usage | None]) -> Usage | None:
    """Return the usage of several requests that make one answer; None where one of them did not tell."""
    reports = list(used)
    told = [report for report in reports if report is not None]
    if not told or len(told) < len(reports):
        return None
    if len(told) == 1:
        return told[0]
    units: dict[str, int] = {}
    for report in told:
        for unit, number in report.units.items():
            units[unit] = units.get(unit, 0) + number
    return Usage(
        input_tokens=added(*(report.input_tokens for report in told)),
        output_tokens=added(*(report.output_tokens for report in told)),
        cache_read_tokens=added(*(report.cache_read_tokens for report in told)),
        units=units,
    )
