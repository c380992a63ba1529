"""Believing in rescues as far as they happen."""

from __future__ import annotations

import random

import pytest

from quickthorn_server.execution.hedging.rescues import Rescues


def rescues(believed: float, count: int = 2_000, seed: int = 1) -> Rescues:
    """Return what is seen where of the rescues promised so many come true."""
    dice, made = random.Random(seed), Rescues()
    for _ in range(count):
        made.add(0.8, 0.1, late=dice.random() < 0.8 * (1 - believed * 0.9))
    return made


@pytest.mark.parametrize("seed", range(20))
def test_chance_takes_no_trust(seed: int) -> None:
    """Where rescues happen as promised, all of them are believed in."""
    assert rescues(1.0, seed=seed).trust > 0.98


@pytest.mark.parametrize("believed", [0.0, 0.3, 0.7])
def test_trust_is_what_comes_true(believed: float) -> None:
    """Where both lanes are slow for one reason the share of rescues that come true is learned."""
    assert rescues(believed).trust == pytest.approx(believed, abs=0.08)


def test_few_calls_say_nothing() -> None:
    """Nothing seen, or three late calls, is no reason to doubt."""
    assert Rescues().trust == 1.0
    assert rescues(0.0, count=3).trust == 1.0


def test_doubt_fades() -> None:
    """A shared slowness that is over is forgotten with time, and hedging is tried again."""
    made = rescues(0.0)
    for _ in range(12):
        made.fade(0.5)
    assert made.trust == 1.0
