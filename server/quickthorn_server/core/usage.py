"""What a call used and what that costs, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum

_NANO = 1_000_000_000
_NANO_PER_TOKEN = 1_000  # 1 USD per million tokens is 1,000 nano-USD per token


class UsageSource(Enum):
    """Where the numbers come from."""

    REPORTED = "reported"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and units of one attempt.  None = unknown, never 0.

    *input_tokens* includes cache reads and writes, *output_tokens* includes reasoning: those are parts of them.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_long_tokens: int | None = None
    reasoning_tokens: int | None = None
    units: Mapping[str, int] = field(default_factory=dict)
    source: UsageSource = UsageSource.REPORTED


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens; *units* in USD each.  A cache price left out is the input price."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    units: Mapping[str, Decimal] = field(default_factory=dict)


def cost_nano_usd(usage: Usage | None, price: Price | None) -> int | None:
    """Return the cost of *usage* in nano-USD, rounded half-even once.

    None = unknown: the usage or the price is, or a unit was used that has no price.
    """
    if usage is None or price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    if not usage.units.keys() <= price.units.keys():
        return None
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    tokens = price.input * (usage.input_tokens - read - written) + price.output * usage.output_tokens
    if read:
        tokens += (price.input if price.cache_read is None else price.cache_read) * read
    if written:
        tokens += (price.input if price.cache_write is None else price.cache_write) * written
    nano = tokens * _NANO_PER_TOKEN
    for unit, count in usage.units.items():
        nano += price.units[unit] * count * _NANO
    return int(nano.to_integral_value(ROUND_HALF_EVEN))
