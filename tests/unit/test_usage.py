"""What a call costs: exact, rounded once, and unknown where something is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.usage import Price, Tier, Usage, UsageSource, cost_nano_usd
from tests.support.laws import law

PRICE = Price(Decimal("0.25"), Decimal("2.00"), Decimal("0.025"), Decimal(0), {"web_search": Decimal("0.01")})

_prices = st.decimals(0, 1000, places=6)
_tokens = st.integers(0, 10_000_000)
_units = st.dictionaries(st.sampled_from(["web_search", "image"]), st.integers(0, 10_000))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Draw a usage whose parts are parts of their wholes, as long as a few tokens or as millions."""
    tokens = draw(st.sampled_from([_tokens, st.integers(0, 100)]))
    read, written, rest, output = (draw(tokens) for _ in range(4))
    return Usage(
        input_tokens=read + written + rest,
        output_tokens=output,
        cache_read_tokens=draw(st.sampled_from([read, None])) if read == 0 else read,
        cache_write_tokens=draw(st.sampled_from([written, None])) if written == 0 else written,
        cache_write_long_tokens=draw(st.none() | st.integers(0, written)),
        reasoning_tokens=draw(st.none() | st.integers(0, output)),
        units=draw(_units),
    )


@st.composite
def prices(draw: st.DrawFn) -> Price:
    """Draw a price list that names every unit, with up to two tiers for long requests, each dearer in everything."""
    optional = st.none() | _prices
    units = {"web_search": draw(_prices), "image": draw(_prices)}
    caches = (draw(optional), draw(optional), draw(optional))
    price = Price(draw(_prices), draw(_prices), caches[0], caches[1], units, caches[2])
    tiers: list[Tier] = []
    for above in sorted(draw(st.sets(st.sampled_from([1, 50, 200_000, 3_000_000]), max_size=2))):
        below = tiers[-1] if tiers else price
        paid = [None if each is None else each + draw(_prices) for each in lines(below)]
        tiers.append(Tier(above, paid[0] or Decimal(0), paid[1] or Decimal(0), *paid[2:]))
    return replace(price, tiers=tuple(tiers))


def lines(given: Price | Tier) -> list[Decimal | None]:
    """Return what a list says of tokens."""
    return [given.input, given.output, given.cache_read, given.cache_write, given.cache_write_long]


def exact(usage: Usage, price: Price) -> Fraction:
    """Return the cost in nano-USD as a fraction, computed another way: token by token, unit by unit."""
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    long = usage.cache_write_long_tokens or 0
    reached = [tier for tier in price.tiers if (usage.input_tokens or 0) > tier.above]
    paid = max(reached, key=lambda tier: tier.above) if reached else price
    write = paid.input if paid.cache_write is None else paid.cache_write
    bill = [
        ((usage.input_tokens or 0) - read - written, paid.input, 1_000),
        (read, paid.input if paid.cache_read is None else paid.cache_read, 1_000),
        (written - long, write, 1_000),
        (long, write if paid.cache_write_long is None else paid.cache_write_long, 1_000),
        (usage.output_tokens or 0, paid.output, 1_000),
        *((count, price.units[unit], 1_000_000_000) for unit, count in usage.units.items()),
    ]
    return sum((count * Fraction(each) * scale for count, each, scale in bill), Fraction(0))


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (Usage(0, 0), 0),
        (Usage(1, 0), 250),
        (Usage(0, 1), 2_000),
        (Usage(1_000_000, 0), 250_000_000),
        (Usage(1000, 10, cache_read_tokens=800), 200 * 250 + 800 * 25 + 10 * 2_000),
        (Usage(1000, 0, cache_read_tokens=300, cache_write_tokens=700), 300 * 25),
        (Usage(10, 5, reasoning_tokens=5), 10 * 250 + 5 * 2_000),
        (Usage(0, 0, units={"web_search": 3}), 30_000_000),
    ],
)
def test_the_price_list_is_followed_line_by_line(usage: Usage, nano: int) -> None:
    """Cache reads and writes leave the plain input; reasoning is output already; units are USD each."""
    assert cost_nano_usd(usage, PRICE) == nano


def test_a_cache_price_left_out_is_the_input_price() -> None:
    """Left out is not free; 0 is."""
    plain = Price(Decimal(1), Decimal(1))
    usage = Usage(100, 0, cache_read_tokens=40, cache_write_tokens=60)
    assert cost_nano_usd(usage, plain) == 100_000
    assert cost_nano_usd(usage, replace(plain, cache_read=Decimal(0), cache_write=Decimal(0))) == 0


def test_long_cache_writes_have_a_price_of_their_own() -> None:
    """Those of an hour are a part of all writes; without a price of their own they cost what the others do."""
    usage = Usage(1000, 0, cache_write_tokens=600, cache_write_long_tokens=200)
    price = Price(Decimal(3), Decimal(15), cache_write=Decimal("3.75"), cache_write_long=Decimal(6))
    assert cost_nano_usd(usage, price) == 400 * 3_000 + 400 * 3_750 + 200 * 6_000
    assert cost_nano_usd(usage, replace(price, cache_write_long=None)) == 400 * 3_000 + 600 * 3_750


@pytest.mark.parametrize(
    ("read", "nano"),
    [
        (200_000, 200_000 * 1_250),
        (200_001, 200_001 * 2_500),
        (1_000_000, 1_000_000 * 2_500),
        (1_000_001, 1_000_001_000 * 5),
    ],
)
def test_a_long_request_is_priced_whole_by_its_tier(read: int, nano: int) -> None:
    """Above the length, not at it; every token counts at the tier's price, the first one, too."""
    tiers = (Tier(200_000, Decimal("2.5"), Decimal(15)), Tier(1_000_000, Decimal(5), Decimal(15)))
    price = Price(Decimal("1.25"), Decimal(10), tiers=tiers)
    written = 15_000 if read > 200_000 else 10_000
    assert cost_nano_usd(Usage(read, 1), price) == nano + written


def test_what_is_read_from_the_cache_counts_for_the_length() -> None:
    """The tier's cache prices hold with it, and one left out is the tier's input price."""
    tier = Tier(200_000, Decimal("2.5"), Decimal(15), cache_read=Decimal("0.25"))
    price = Price(Decimal("1.25"), Decimal(10), Decimal("0.125"), Decimal("1.5"), tiers=(tier,))
    usage = Usage(300_000, 0, cache_read_tokens=250_000, cache_write_tokens=10_000)
    assert cost_nano_usd(usage, price) == 250_000 * 250 + 50_000 * 2_500


@pytest.mark.parametrize(("tokens", "nano"), [(1, 0), (3, 2), (5, 2), (7, 4), (9, 4)])
def test_a_half_goes_to_the_even_neighbour(tokens: int, nano: int) -> None:
    """Half a nano-USD per token: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, as money is rounded."""
    assert cost_nano_usd(Usage(tokens, 0), Price(Decimal("0.0005"), Decimal(0))) == nano


def test_it_is_rounded_once() -> None:
    """Two halves are one whole: rounding each line by itself would lose it."""
    half, half_a_unit = Decimal("0.0005"), Decimal("0.0000000005")
    assert cost_nano_usd(Usage(1, 1), Price(half, half)) == 1
    assert cost_nano_usd(Usage(1, 0, units={"image": 1}), Price(half, half, units={"image": half_a_unit})) == 1


def test_it_is_decimal_to_the_end() -> None:
    """0.1 + 0.2 is 0.3: no step goes through a binary fraction, or loses digits of a large sum."""
    tenth = Price(Decimal("0.1"), Decimal("0.2"))
    assert cost_nano_usd(Usage(10**15 + 1, 10**15 + 1), tenth) == 300 * (10**15 + 1)


@pytest.mark.parametrize(
    ("usage", "price"),
    [
        (None, PRICE),
        (Usage(1, 1), None),
        (Usage(source=UsageSource.UNKNOWN), PRICE),
        (Usage(None, 1), PRICE),
        (Usage(1, None), PRICE),
        (Usage(None, None, units={"web_search": 1}), PRICE),
        (Usage(1, 1, units={"unpriced": 1}), PRICE),
    ],
)
def test_unknown_stays_unknown(usage: Usage | None, price: Price | None) -> None:
    """What is not known has no cost, and certainly not 0."""
    assert cost_nano_usd(usage, price) is None


def test_nothing_used_costs_nothing() -> None:
    """A known 0 is a cost."""
    assert cost_nano_usd(Usage(0, 0, source=UsageSource.ESTIMATED), PRICE) == 0


@law(60)
@given(usages(), prices())
def test_the_cost_is_the_exact_one_rounded_half_even(usage: Usage, price: Price) -> None:
    """Against fractions: the integer next to the exact cost, the even one at a half."""
    assert cost_nano_usd(usage, price) == round(exact(usage, price))


@law(40)
@given(st.lists(usages(), min_size=1, max_size=5), prices())
def test_the_sum_of_calls_is_their_total_to_half_a_nano_each(calls: list[Usage], price: Price) -> None:
    """Rounding once per call costs at most half a nano-USD per call, never more."""
    total = sum((exact(usage, price) for usage in calls), Fraction(0))
    assert abs(sum(cost_nano_usd(usage, price) or 0 for usage in calls) - total) <= Fraction(len(calls), 2)


@law(40)
@given(usages(), prices(), st.integers(1, 1_000_000))
def test_more_is_never_cheaper(usage: Usage, price: Price, more: int) -> None:
    """One more token read or written, or unit used, does not lower the cost."""
    cost = cost_nano_usd(usage, price)
    assert cost is not None
    dearer = [
        replace(usage, input_tokens=(usage.input_tokens or 0) + more),
        replace(usage, output_tokens=(usage.output_tokens or 0) + more),
        replace(usage, units={**usage.units, "image": usage.units.get("image", 0) + more}),
    ]
    assert all((cost_nano_usd(each, price) or 0) >= cost for each in dearer)
