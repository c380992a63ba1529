"""Times, shares, money, percentiles and dates as operators write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from quickthorn_server.config.errors import shown

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m)")
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60)}
_LONGEST = 24 * 60 * 60
_SHARE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)%")
_WHOLE = 100
_SIZE = re.compile(r"([0-9]{1,9})(KiB|MiB|GiB)")
_BYTES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_LARGEST = 1024**4
_MILDEST, _FIERCEST = Decimal("0.1"), Decimal(10)
_PERCENTILE = re.compile(r"p([0-9]{1,3})")
_TARGET = re.compile(r"p([5-9][0-9]|99\.5|99\.9)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Nine decimals and six figures keep every product with a token count inside the 28 digits of decimal arithmetic.
_DEAREST, _FINEST = 100_000, -9


def refuse(message: str, hint: str = "", *, at_key: bool = False) -> NoReturn:
    """Fail a validation in our own words; *at_key* = the key is wrong, whatever its value."""
    raise PydanticCustomError("quickthorn", "{message}", {"message": message, "hint": hint, "at_key": at_key})


@dataclass(frozen=True, slots=True)
class Delay:
    """A hedging delay: *seconds*, a *percentile* (0..1) of first-content times, or neither: `auto`, learned."""

    seconds: float | None = None
    percentile: float | None = None

    @property
    def auto(self) -> bool:
        """Whether it is learned."""
        return self.seconds is None and self.percentile is None


def _duration(value: Any) -> float:
    """Return seconds."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        refuse("a duration needs its unit", _with_unit(value))
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        negative = isinstance(value, str) and value.startswith("-")
        refuse(
            "a duration cannot be negative" if negative else f"{shown(value)} is no duration",
            "write it like 300ms, 1.5s or 2m",
        )
    seconds = Decimal(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST:
        refuse(f"{value} is longer than a day", "write a shorter one")
    return float(seconds)


def _with_unit(number: int | Decimal) -> str:
    sensible = Decimal(number).is_finite() and number >= 0
    return f"write {shown(number)}s, or {shown(number)}ms" if sensible else "write it like 300ms, 1.5s or 2m"


def _positive_duration(value: Any) -> float:
    return _duration(value) or refuse("a duration of 0 would never let anything through", "write it like 300ms or 2s")


def _window(value: Any) -> float:
    seconds = _duration(value)
    if seconds < 1:
        refuse(f"{value} is too short to count calls in", "write at least 1s")
    return seconds


def _heartbeat(value: Any) -> float:
    seconds = _duration(value)
    if seconds < 1:
        refuse(f"{value} is too short to be called quiet", "write at least 1s")
    return seconds


def _share(value: Any) -> float:
    """Return a fraction, at most 1: 0.05 for `5%`."""
    share = _budget_share(value)
    if share > 1:
        refuse(f"{value} is more than all", "write at most 100%")
    return share


def _budget_share(value: Any) -> float:
    """Return a fraction of any size: 2.0 for `200%`."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        refuse("a share needs its percent sign", f"write {shown(value)}%")
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        refuse(f"{shown(value)} is no share", "write it like 5%")
    return float(Decimal(match[1]) / _WHOLE)


def _positive_share(value: Any) -> float:
    return _share(value) or refuse("a share of 0% would always be reached", "write more than 0%")


def _aggression(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        refuse(f"{shown(value)} is no number", "write it like 1 or 1.5")
    if not (Decimal(value).is_finite() and _MILDEST <= value <= _FIERCEST):
        refuse(f"{shown(value)} is no sensible aggression", f"write {_MILDEST} to {_FIERCEST}; 1 is even")
    return float(value)


def _size(value: Any) -> int:
    """Return bytes."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        refuse("a size needs its unit", "write it like 64MiB")
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        refuse(f"{shown(value)} is no size", "write it like 64MiB")
    size = int(match[1]) * _BYTES[match[2]]
    if not _BYTES["MiB"] <= size <= _LARGEST:
        refuse(f"{value} is no sensible size", "write 1MiB to 1024GiB")
    return size


def _usd(value: Any, what: str, *, example: str, slip: str) -> Decimal:
    """Return USD, exactly as written; *what* they are, an *example*, and what to do about a *slip*."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        refuse(f"{shown(value)} is no {what}", f"write a plain number of USD, like {example}")
    amount = Decimal(value)
    if not amount.is_finite() or amount < 0:
        refuse(f"a {what} must be a number of USD, 0 or more", f"write it like {example}")
    if amount > _DEAREST:
        refuse(f"more than {_DEAREST} USD is surely a slip", slip)
    if int(amount.as_tuple().exponent) < _FINEST:
        refuse(f"a {what} has at most {-_FINEST} decimals", "round it")
    return amount


def _money(value: Any) -> Decimal:
    """Return USD, exactly as written."""
    return _usd(value, "price", example="0.25", slip="prices are in USD per million tokens")


def _percentile(value: Any) -> float:
    """Return a fraction: 0.95 for `p95`."""
    match = _PERCENTILE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        refuse(f"{shown(value)} is no percentile", "write it like p95")
    if not 1 <= int(match[1]) < _WHOLE:
        refuse(f"{value} is no percentile", "write one from p1 to p99")
    return int(match[1]) / _WHOLE


def _target(value: Any) -> float:
    """Return a fraction: 0.999 for `p99.9`."""
    match = _TARGET.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        refuse(f"{shown(value)} is no percentile to hold", "write one from p50 to p99, or p99.5, or p99.9")
    return float(Decimal(match[1]) / _WHOLE)


def _spend(value: Any) -> int:
    """Return nano-USD, exactly."""
    spend = _usd(value, "sum of money", example="0.01", slip="write USD, not cents")
    return int(spend.scaleb(-_FINEST))


def _delay(value: Any) -> Delay:
    if value == "auto":
        return Delay()
    if isinstance(value, str) and value.startswith("p"):
        return Delay(percentile=_percentile(value))
    if isinstance(value, str) and value[:1].isalpha():
        refuse(f"{shown(value)} is no delay", "write auto, a percentile like p95, or a time like 300ms")
    return Delay(seconds=_duration(value))


def _date(value: Any) -> date:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        refuse(f"{shown(value)} is no date", "write it like 2027-03-01")
    try:
        return date.fromisoformat(value)
    except ValueError:
        refuse(f"{value} is not in the calendar", "write a day that exists")


_TIME_PATTERN = r"^[0-9]+(\.[0-9]+)?(ms|s|m)$"
_ANY_TIME = WithJsonSchema({"type": "string", "pattern": _TIME_PATTERN, "examples": ["300ms", "2s", "1m"]})

Duration = Annotated[float, BeforeValidator(_duration), _ANY_TIME]
"""Seconds, 0 allowed."""

PositiveDuration = Annotated[float, BeforeValidator(_positive_duration), _ANY_TIME]
"""Seconds, more than 0."""

WindowDuration = Annotated[float, BeforeValidator(_window), _ANY_TIME]
"""Seconds, 1 or more."""

HeartbeatDuration = Annotated[float, BeforeValidator(_heartbeat), _ANY_TIME]
"""Seconds, 1 or more."""

_ANY_SHARE = WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$", "examples": ["5%"]})

Share = Annotated[float, BeforeValidator(_share), _ANY_SHARE]
"""A fraction, 0..1."""

PositiveShare = Annotated[float, BeforeValidator(_positive_share), _ANY_SHARE]
"""A fraction, more than 0."""

BudgetShare = Annotated[
    float,
    BeforeValidator(_budget_share),
    _ANY_SHARE,
]
"""A fraction of calls, 0 and more."""

Aggression = Annotated[
    float,
    BeforeValidator(_aggression),
    WithJsonSchema({"type": "number", "minimum": 0.1, "maximum": 10}),
]
"""A number, 0.1 to 10."""

Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+(KiB|MiB|GiB)$", "examples": ["64MiB"]}),
]
"""Bytes, 1 MiB to 1 TiB."""

Money = Annotated[Decimal, BeforeValidator(_money), WithJsonSchema({"type": "number", "minimum": 0})]
"""USD, exactly as written."""

Spend = Annotated[int, BeforeValidator(_spend), WithJsonSchema({"type": "number", "minimum": 0})]
"""USD as written, nano-USD as held."""

Target = Annotated[
    float,
    BeforeValidator(_target),
    WithJsonSchema({"type": "string", "pattern": rf"^{_TARGET.pattern}$", "examples": ["p99", "p99.9"]}),
]
"""A fraction, 0.5..0.999."""

HedgeDelay = Annotated[
    Delay,
    BeforeValidator(_delay),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^auto$|{_TIME_PATTERN}|^p[1-9][0-9]?$",
            "examples": ["auto", "300ms", "p95"],
        }
    ),
]
"""A time, a percentile, or `auto`."""

Day = Annotated[date, BeforeValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]
"""A date of the calendar."""
