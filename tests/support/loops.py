"""The two event loops that the server may run on: asyncio's own, and uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

import pytest
import uvloop

T = TypeVar("T")


class Run(Protocol):
    """What runs a coroutine to its end on a loop of its own."""

    def __call__(self, main: Coroutine[Any, Any, T], /) -> T:
        """Return what *main* returns."""
        ...


LOOPS = [pytest.param(asyncio.run, id="asyncio"), pytest.param(uvloop.run, id="uvloop")]
