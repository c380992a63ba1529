"""Measure what one plan over 50 backends costs, in a process of its own; prints microseconds of CPU.

The one part of the bench that imports the server: it measures the router itself, which no outside can see alone.
"""

from __future__ import annotations

import statistics
import time
from decimal import Decimal

from quickthorn_server.core.catalogue import Backend, Catalogue, Entry, HedgeRule, Route
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.plan import Circuit, Knowledge
from quickthorn_server.core.prompt import Prompt, Sampling
from quickthorn_server.core.request import Request
from quickthorn_server.core.usage import Price
from quickthorn_server.routing.router import Router

BACKENDS, CALLS, ROUNDS = 50, 1000, 15


def catalogue() -> Catalogue:
    """Return 50 backends in one hedged route."""
    price = Price(Decimal("0.25"), Decimal("2.00"))
    capabilities = frozenset({"text", "tools", "json_schema"})
    backends = {
        f"b{place}": Backend(
            f"b{place}", "openai", "m", "m", price=price, context_window=128_000, capabilities=capabilities
        )
        for place in range(BACKENDS)
    }
    entries = tuple(Entry(name, group=place % 5) for place, name in enumerate(backends))
    return Catalogue(backends, {"default": Route("default", entries, hedge=HedgeRule(delay=0.8))}, "v")


def request() -> Request:
    """Return an ordinary request, made anew as a server would."""
    prompt = Prompt(
        messages=(Message(Role.USER, (Part(Text("word " * 80)),)),),
        system=(Part(Text("You answer in one sentence.")),),
        sampling=Sampling(max_output_tokens=256, temperature=0.2),
    )
    return Request(prompt, route="default")


def main() -> None:
    """Print the median over all rounds."""
    router, knowledge = Router(catalogue()), Knowledge({"b3": Circuit.OPEN}, {})
    costs = []
    for _ in range(ROUNDS):
        requests = [request() for _ in range(CALLS)]
        began = time.process_time_ns()
        for turn, each in enumerate(requests):
            router.plan(each, knowledge, turn)
        costs.append((time.process_time_ns() - began) / CALLS / 1e3)
    print(f"{statistics.median(costs):.1f}")


if __name__ == "__main__":
    main()
