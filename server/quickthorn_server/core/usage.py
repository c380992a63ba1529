"""What a call used and what that costs, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple

from quickthorn_server.core.value import value
from quickthorn_server.core.word import Word

_NANO = 1_000_000_000
_NANO_PER_TOKEN = 1_000  # 1 USD per million tokens is 1,000 nano-USD per token


class UsageSource(Word):
    """Where the numbers come from."""

    REPORTED = "reported"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"


@value
class Usage:
    """Tokens and units of one attempt.  None = unknown, never 0.

    *input_tokens* includes cache reads and writes, *output_tokens* includes reasoning: those are parts of them.
    *cache_write_long_tokens*, written for the provider's longer lifetime, are a part of *cache_write_tokens*.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_long_tokens: int | None = None
    reasoning_tokens: int | None = None
    units: Mapping[str, int] = field(default_factory=dict)
    source: UsageSource = UsageSource.REPORTED


MOST = 2**63 - 1
"""The largest sum that is told: what the contract's numbers hold."""

_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_long_tokens",
    "reasoning_tokens",
)
_DOUBT = (UsageSource.UNKNOWN, UsageSource.ESTIMATED, UsageSource.REPORTED)


def summed(one: Usage, other: Usage) -> Usage:
    """Return what two attempts used together: what one of them does not know is unknown.

    The source is the more doubtful of the two.  Units are added as far as they are known.
    """
    counts: dict[str, Any] = {}
    for name in _COUNTS:
        first, second = getattr(one, name), getattr(other, name)
        if first is not None and second is not None:
            counts[name] = first + second
    units = {unit: one.units.get(unit, 0) + other.units.get(unit, 0) for unit in {**one.units, **other.units}}
    return replace(Usage(), **counts, units=units, source=min(one.source, other.source, key=_DOUBT.index))


def added(usages: Iterable[Usage | None]) -> Usage | None:
    """Return the sum of *usages* as far as they are known; None = nothing is.

    It is reported where each part of it is: one estimate among them makes it one, and so does one that is unknown.
    """
    given = list(usages)
    known = [usage for usage in given if usage is not None]
    if not known:
        return None
    counts = {name: [n for usage in known if (n := getattr(usage, name)) is not None] for name in _COUNTS}
    units: dict[str, int] = {}
    for usage in known:
        for unit, count in usage.units.items():
            units[unit] = units.get(unit, 0) + count
    reported = len(known) == len(given) and all(usage.source is UsageSource.REPORTED for usage in known)
    return Usage(
        **{name: min(sum(found), MOST) for name, found in counts.items() if found},
        units={unit: min(count, MOST) for unit, count in units.items()},
        source=UsageSource.REPORTED if reported else UsageSource.ESTIMATED,
    )


@dataclass(frozen=True, slots=True)
class Tier:
    """What tokens cost instead, all of them, once a request has more than *above* input tokens."""

    above: int
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_long: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens; *units* in USD each.

    A cache price left out is the input price, that of long writes the price of other writes.  *tiers*, lowest first,
    are for long requests: the last one whose length is exceeded prices the request whole, its first token, too.  That
    is how Google, Anthropic and OpenAI bill long contexts (ai.google.dev/gemini-api/docs/pricing: "prompts > 200k";
    platform.claude.com/docs/en/about-claude/pricing, "Long context pricing"; developers.openai.com/api/docs/pricing).
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    units: Mapping[str, Decimal] = field(default_factory=dict)
    cache_write_long: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    _table: _Table = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_table", _table(self))

    def nano_usd(self, usage: Usage) -> int | None:
        """Return the cost of *usage* as `cost_nano_usd` does."""
        read_all, output = usage.input_tokens, usage.output_tokens
        if read_all is None or output is None:
            return None
        table = self._table
        rates = table.rates
        for above, dearer in table.tiers:
            if read_all > above:
                rates = dearer
        cost = rates.input * read_all + rates.output * output
        if usage.cache_read_tokens:
            cost += rates.cache_read_more * usage.cache_read_tokens
        if usage.cache_write_tokens:
            cost += rates.cache_write_more * usage.cache_write_tokens
        if usage.cache_write_long_tokens:
            cost += rates.cache_write_long_more * usage.cache_write_long_tokens
        for unit, count in usage.units.items():
            if unit not in table.units:
                return None
            cost += table.units[unit] * count
        return _half_even(cost, table.scale)


def cost_nano_usd(usage: Usage | None, price: Price | None) -> int | None:
    """Return the cost of *usage* in nano-USD, rounded half-even once.

    None = unknown: the usage or the price is, or a unit was used that has no price.
    """
    return None if usage is None or price is None else price.nano_usd(usage)


class _Rates(NamedTuple):
    """What tokens cost, and by how much each kind of them costs more than a plain one: in parts of a nano-USD."""

    input: int
    output: int
    cache_read_more: int
    cache_write_more: int
    cache_write_long_more: int


class _Table(NamedTuple):
    """A price in whole numbers, so that adding up is exact and cheap; *scale* parts are a nano-USD."""

    rates: _Rates
    tiers: tuple[tuple[int, _Rates], ...]
    units: Mapping[str, int]
    scale: int


def _table(price: Price) -> _Table:
    scale = max(map(_parts, _amounts(price)))
    return _Table(
        rates=_rates(price, scale),
        tiers=tuple((tier.above, _rates(tier, scale)) for tier in price.tiers),
        units={unit: int(each * _NANO * scale) for unit, each in price.units.items()},
        scale=scale,
    )


def _rates(given: Price | Tier, scale: int) -> _Rates:
    per_token = _NANO_PER_TOKEN * scale
    plain, output = int(given.input * per_token), int(given.output * per_token)
    read = plain if given.cache_read is None else int(given.cache_read * per_token)
    write = plain if given.cache_write is None else int(given.cache_write * per_token)
    long = write if given.cache_write_long is None else int(given.cache_write_long * per_token)
    return _Rates(plain, output, read - plain, write - plain, long - write)


def _amounts(price: Price) -> Iterable[Decimal]:
    yield from price.units.values()
    lists: tuple[Price | Tier, ...] = (price, *price.tiers)
    for each in lists:
        known = (each.input, each.output, each.cache_read, each.cache_write, each.cache_write_long)
        yield from (amount for amount in known if amount is not None)


def _parts(amount: Decimal) -> int:
    """Return into how many parts a nano-USD must be cut, a power of ten, for *amount* to be a whole number of them."""
    exponent = amount.as_tuple().exponent
    return 10 ** max(0, -exponent) if isinstance(exponent, int) else 1


def _half_even(cost: int, scale: int) -> int:
    """Return *cost* in nano-USD: the nearest whole number, of two that are as near the even one."""
    nano, rest = divmod(cost, scale)
    return nano + (2 * rest > scale or (2 * rest == scale and nano % 2 == 1))
