"""How a backend is checked while nobody calls it."""

from __future__ import annotations

from dataclasses import dataclass

from quickthorn_server.core.word import Word


class CheckMethod(Word):
    """What a check does, from the cheapest to the one that proves most."""

    CONNECT = "connect"
    MODELS = "models"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class CheckRule:
    """A check about every *interval* seconds, which may take *timeout*.

    *unhealthy* bad ones in a row open the backend's circuit, *healthy* good ones close it.  Of completions alone:
    *output_tokens* asked for, *most_tokens* read and written, what one costs at most (*cost*) and what all may cost in
    a day, both in nano-USD.
    """

    method: CheckMethod
    interval: float = 30.0
    timeout: float = 5.0
    unhealthy: int = 3
    healthy: int = 2
    output_tokens: int = 1
    most_tokens: int = 0
    cost: int = 0
    max_cost_per_day: int = 0
