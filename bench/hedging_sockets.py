"""Hedging end to end, over sockets: a real model behind a proxy that stalls at random, with hedging and without.

Two copies of the embedded model, each behind a stalling proxy, every part a process of its own; one server with a route
that does not hedge and one that hedges by `delay: auto`.  Calls of both alternate, so that whatever happens on the
machine meets both.  Prints one JSON object and keeps it for `python -m bench.hedging.plots`.
Usage: python -m bench.hedging_sockets [CALLS] [SEED]
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import numpy as np

from bench.judge_hedging import percentile
from bench.run import machine, say
from quickthorn.v1.completion_pb2 import CompletionRequest
from quickthorn.v1.content_pb2 import ROLE_USER, Message, Part
from quickthorn.v1.options_pb2 import Sampling
from quickthorn.v1.routing_service_pb2_grpc import RoutingStub
from quickthorn.v1.trace_pb2 import LANE_CAUSE_SILENCE, RouteTrace

ROOT = Path(__file__).resolve().parents[1]
MODEL = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "quickthorn/models")
CHILD = ROOT / "server/quickthorn_server/providers/local_child.py"
RESULT = ROOT / "bench/results/hedging/sockets.json"
KEY = "QUICKTHORN_BENCH_KEY"  # of the models
ROUTES = ("off", "auto")
CALLS = 750  # of each route
RATE = 8.0  # calls per second, both together: the models are busy for a quarter of the time
STALLED, SHORTEST, LONGEST = 0.04, 2.0, 6.0
TOKENS = 1
DEADLINE = 60.0
PROMPTS = ("Name a colour.", "What is the capital of France?", "Say hello in Spanish.", "Is the sky blue?")

CONFIG = """\
server: {{listen: "127.0.0.1:0"}}
backends:
  - {{name: one, provider: openai, model: local, base_url: "http://127.0.0.1:{one}/v1", api_key_env: {key}}}
  - {{name: two, provider: openai, model: local, base_url: "http://127.0.0.1:{two}/v1", api_key_env: {key}}}
routes:
  - {{name: "off", backends: [one, two]}}
  - {{name: auto, backends: [one, two], hedge: {{delay: auto, target: p99}}, budget: {{hedges: 10%, burst: 20}}}}
"""


@dataclass(slots=True)
class Heard:
    """What one route's calls came to: seconds to first content, hedges sent, and those that served.

    A call that failed counts as if it had taken the whole deadline.
    """

    times: list[float] = field(default_factory=list)
    failed: int = 0
    hedges: int = 0
    won: int = 0
    basis: str = ""

    def figures(self) -> dict[str, Any]:
        """Return percentiles in milliseconds, hedges, and the times themselves."""
        times = np.array(self.times)
        shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
        return {
            **{name: round(percentile(times, share) * 1e3, 1) for name, share in shares.items()},
            "hedged": round(self.hedges / len(times), 4),
            "hedges": self.hedges,
            "failed": self.failed,
            "served_by_hedge": self.won,
            "basis_of_the_last": self.basis,
            "times_ms": [round(each * 1e3, 1) for each in self.times],
        }


class Program:
    """A process that says one line when it is ready and ends with its standard input."""

    def __init__(self, *command: str, told: str = "", key: str = "") -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own commands
            (sys.executable, *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, KEY: key},
        )
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        assert self._process.stdout is not None  # noqa: S101 - the same
        if told:
            self._process.stdin.write(told + "\n")
            self._process.stdin.flush()
        self.line = self._process.stdout.readline()
        if not self.line:
            sys.exit(f"{' '.join(command)} did not start")

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(timeout=30)


@contextmanager
def running(seed: int) -> Iterator[str]:
    """Start two models, two proxies and the server; yield where it listens."""
    key, programs = secrets.token_hex(16), list[Program]()
    try:
        ports = {name: _stalling_model(programs, key, seed + place) for place, name in enumerate(("one", "two"))}
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
            config.write(CONFIG.format(key=KEY, **ports))
            config.flush()
            programs.append(Program("-m", "quickthorn_server", "serve", "--config", config.name, key=key))
            yield programs[-1].line.split()[3]
    finally:
        for program in reversed(programs):
            program.stop()


def _stalling_model(programs: list[Program], key: str, seed: int) -> int:
    """Start a model and its proxy; return the proxy's port."""
    model = next(MODEL.glob("*.gguf"), None)
    if model is None:
        sys.exit("the local model is not here yet; run: quickthorn local pull")
    settings = {"model": "local", "model_path": str(model), "api_key": key, "parent": os.getpid()}
    settings |= {"context": 512, "parallel": 4, "threads": 1, "cache_mib": 64}
    programs.append(Program(str(CHILD), told=json.dumps(settings)))
    port = urlsplit(json.loads(programs[-1].line)["address"]).port
    stalls = map(str, (port, seed, STALLED, SHORTEST, LONGEST))
    programs.append(Program("-m", "bench.hedging.stalling", *stalls))
    return int(programs[-1].line.split()[1])


async def call(stub: Any, route: str, prompt: str, heard: Heard) -> None:
    """Make one call and note when its first text came."""
    request = CompletionRequest(
        route=route,
        messages=[Message(role=ROLE_USER, parts=[Part(text=prompt)])],
        sampling=Sampling(max_output_tokens=TOKENS),
    )
    began, first = time.perf_counter(), None
    try:
        async for event in stub.StreamComplete(request, timeout=DEADLINE):
            if first is None and event.HasField("text"):
                first = time.perf_counter() - began
            if event.HasField("finished"):
                note(event.finished.trace, heard)
    except grpc.aio.AioRpcError as fault:
        say("failed", f"{route}: {fault.details()}")
        heard.failed += 1
        first = DEADLINE
    heard.times.append(first if first is not None else time.perf_counter() - began)


def note(trace: RouteTrace, heard: Heard) -> None:
    """Count the hedges of one call, and keep what they rested on."""
    hedges = [attempt.cause == LANE_CAUSE_SILENCE for attempt in trace.attempts]
    heard.hedges += sum(hedges)
    heard.won += hedges[trace.served_by]
    heard.basis = trace.hedge_basis or trace.no_hedge


async def measure(address: str, count: int, chance: random.Random) -> dict[str, Heard]:
    """Call both routes in turns, Poisson arrivals, whatever is still under way."""
    found = {route: Heard() for route in ROUTES}
    async with grpc.aio.insecure_channel(address) as channel:
        stub = RoutingStub(channel)  # type: ignore[no-untyped-call,unused-ignore]
        for route in ROUTES:
            await call(stub, route, PROMPTS[0], Heard())  # connections and models warm up
        async with asyncio.TaskGroup() as calls:
            for turn in range(2 * count):
                calls.create_task(call(stub, ROUTES[turn % 2], chance.choice(PROMPTS), found[ROUTES[turn % 2]]))
                await asyncio.sleep(chance.expovariate(RATE))
                if turn % 100 == 0:
                    say("calls", f"{turn} of {2 * count}, {found['auto'].basis}")
    return found


def main(count: int = CALLS, seed: int = 20261120) -> None:
    """Measure, print, and keep the figures."""
    began = time.perf_counter()
    with running(seed) as address:
        found = asyncio.run(measure(address, count, random.Random(seed)))  # noqa: S311 - arrivals, no secrets
    figures = {route: heard.figures() for route, heard in found.items()}
    result = {
        "stalls": {"share": STALLED, "shortest_s": SHORTEST, "longest_s": LONGEST},
        **figures,
        "seed": seed,
        "n": count,
        "machine": machine() | {"took_s": round(time.perf_counter() - began)},
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, separators=(",", ":")).replace('},"', '},\n"') + "\n")
    shown = {
        route: {name: value for name, value in each.items() if name != "times_ms"} for route, each in figures.items()
    }
    print(json.dumps(result | shown, indent=2))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
