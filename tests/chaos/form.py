"""How long a run is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Form:
    """*calls* of each mode at *rate* a second; *scale*: other lengths of full runs times this.

    *soak* and *warm_up* in seconds; *after*: how long recoveries are watched.  *folder*: where logs go.
    """

    folder: Path
    calls: int = 10_000
    rate: float = 1000.0
    scale: float = 1.0
    soak: float = 600.0
    warm_up: float = 180.0
    after: float = 20.0


def full(folder: Path) -> Form:
    """Return the form of `make chaos`: about 17 minutes."""
    return Form(folder)


def short(folder: Path) -> Form:
    """Return the form of `make chaos CHAOS=short`: 7 minutes."""
    return Form(folder, calls=1000, rate=400.0, scale=0.2, soak=60.0, warm_up=20.0, after=12.0)
