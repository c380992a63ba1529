"""Times, shares, percentiles and prices as they are written on the command line: the forms of the configuration."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn

import click

_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(us|ms|s|m)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%")
_PERCENTILE = re.compile(r"p([1-9][0-9]?)")
_TARGET = re.compile(r"p([5-9][0-9]|99\.5|99\.9)")
_PRICE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?),([0-9]{1,6}(?:\.[0-9]{1,9})?)")

Delay = str | float | tuple[float]
"""A policy: "auto", "none", seconds, or the fraction of a percentile in a tuple."""


class Written(click.ParamType):  # type: ignore[type-arg] # generic since click 8.3 only
    """A value that *read* makes of text; it raises ValueError with what to write instead."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what *value* means; fails as click's own types do."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _time(text: str) -> float:
    """Return seconds."""
    found = _TIME.fullmatch(text)
    if found is None:
        _refuse(f"{text!r} is no time: write it like 300ms, 1.5s or 0s")
    return float(found[1]) * _SECONDS[found[2]]


def _share(text: str) -> float:
    """Return a fraction, more than 0 and at most 1."""
    found = _SHARE.fullmatch(text)
    share = float(found[1]) / 100 if found else 0.0
    if not 0 < share <= 1:
        _refuse(f"{text!r} is no share of calls: write it like 2%, more than 0% and at most 100%")
    return share


def _percentile(text: str) -> float:
    """Return a fraction, more than 0 and less than 1."""
    found = _PERCENTILE.fullmatch(text)
    if found is None:
        _refuse(f"{text!r} is no percentile: write it like p95, from p1 to p99")
    return int(found[1]) / 100


def _target(text: str) -> float:
    found = _TARGET.fullmatch(text)
    if found is None:
        _refuse(f"{text!r} is no percentile to hold: write one from p50 to p99, or p99.5, or p99.9")
    return round(float(found[1]) / 100, 6)


def _delay(text: str) -> Delay:
    """Return "auto" or "none" as it is, seconds for a time, and a fraction in a tuple for a percentile."""
    if text in {"auto", "none"}:
        return text
    if text.startswith("p"):
        return (_percentile(text),)
    if not text[:1].isdigit():
        _refuse(f"{text!r} is no policy: write auto, none, a time like 300ms, or a percentile like p95")
    return _time(text)


def _price(text: str) -> tuple[float, float]:
    """Return USD per million tokens of input and of output."""
    found = _PRICE.fullmatch(text)
    if found is None:
        _refuse(f"{text!r} is no price: write USD per million tokens of input and output, like 0.25,2.00")
    return float(found[1]), float(found[2])


def _condition(text: str) -> tuple[str, str]:
    """Return a column and what stands in it."""
    column, equals, wanted = text.partition("=")
    if not equals or not column:
        _refuse(f"{text!r} is no condition: write it like model_size=70b")
    return column, wanted


def _refuse(message: str) -> NoReturn:
    raise ValueError(message)


TIME = Written("time", _time)
SHARE = Written("share", _share)
PERCENTILE = Written("percentile", _percentile)
TARGET = Written("percentile", _target)
POLICY = Written("policy", _delay)
PRICE = Written("price", _price)
CONDITION = Written("condition", _condition)
