"""The bench: CPU and latency of the server beside two floors of the same run, printed as one JSON object at the end.

Server, upstream, echo and pass-through are processes of their own, and this one is the load.  It imports nothing of the
server.  Usage: run.py [full|short]
"""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import uvloop

from bench.direct import Direct
from bench.load import Call, Target, open_loop

HERE = Path(__file__).parent
SEED = 20261120
PACES = ("whole", "fold", "paced", "burst")
BURST = 10  # tokens of a read of `burst`

CONFIG = """\
server: {{listen: "127.0.0.1:0"}}
records: {{file: "{records}"}}
backends:
"""
BACKEND = """\
  - {{name: {pace}-{which}, provider: openai, model: gpt-4o, base_url: "http://127.0.0.1:{port}/{pace}/v1",
     price: {{input: 2.50, output: 10.00}}, context_window: 128000, failure_domain: {which}}}
"""
ROUTE = """\
  - {{name: {pace}, backends: [{pace}-a, {pace}-b], hedge: {{delay: 5s}}, upstream: {upstream}}}
"""


@dataclass(frozen=True, slots=True)
class Form:
    """How long a run is: *rounds* of windows of *seconds*, and of latencies."""

    rounds: int
    seconds: float
    latency_rounds: int
    latency_seconds: float


FORMS = {"full": Form(7, 1.5, 5, 2.0), "short": Form(3, 0.8, 3, 1.0)}


class Program:
    """A process that says in its first line where it listens, and ends with its standard input, or when told to."""

    def __init__(self, *command: str, core: int | None) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own commands
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=HERE.parent,
        )
        self.pid = self._process.pid
        if core is not None:
            os.sched_setaffinity(self.pid, {core})
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        self.words = self._process.stdout.readline().split()
        if not self.words:
            sys.exit(f"{' '.join(command)} did not start")

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(timeout=20)

    def rss_mb(self) -> float:
        """Return what it holds in memory now."""
        status = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


def configuration(port: int, records: Path) -> str:
    """Return two backends and one hedged route for each pace; *records* is where decisions are written."""
    backends = "".join(BACKEND.format(pace=pace, which=which, port=port) for pace in PACES for which in "ab")
    upstreams = {pace: "whole" if pace == "whole" else "stream" for pace in PACES}
    routes = "".join(ROUTE.format(pace=pace, upstream=upstream) for pace, upstream in upstreams.items())
    return f"{CONFIG.format(records=records)}{backends}routes:\n{routes}"


async def recorded(ours: Target) -> str:
    """Return what the echo is to repeat: the server's own messages."""
    lines = [f"whole {b64encode(await ours.complete('whole')).decode()}"]
    for pace in ("paced", "burst"):
        lines += [f"{pace} {b64encode(message).decode()}" for message in await ours.record(pace)]
    return "\n".join(lines)


async def costs(targets: Mapping[str, Target], form: Form) -> dict[str, float]:
    """Measure CPU: rounds in which every server has its turn, so that noise meets them all; return medians."""
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(form.rounds):
        for name, target in targets.items():
            microseconds, rate = await target.saturated("whole", form.seconds)
            found[f"{name}_unary_us"].append(microseconds)
            found[f"{name}_calls_per_second"].append(rate)
        for name, target in targets.items():
            if name != "echo":  # it does not fold: its answer is the same
                found[f"{name}_unary_streamed_us"].append((await target.saturated("fold", form.seconds))[0])
        for name, target in targets.items():
            found[f"{name}_token_us"].append(await target.streaming("paced", form.seconds, 1))
            found[f"{name}_burst_token_us"].append(await target.streaming("burst", form.seconds, BURST))
        say("round", {name: round(values[-1], 1) for name, values in found.items()})
    return {name: median(values) for name, values in found.items()}


async def latencies(calls: Mapping[str, Call], rate: float, form: Form) -> dict[str, float]:
    """Measure latencies at *rate* in turns; return p50 and p99 in milliseconds, medians over the rounds."""
    chance = random.Random(SEED)  # noqa: S311 - arrivals, no secrets
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(form.latency_rounds):
        for name, call in calls.items():
            ranked = sorted(await open_loop(call, rate, form.latency_seconds, chance))
            for share in (50, 99):
                found[f"{name}_p{share}_ms"].append(ranked[len(ranked) * share // 100] * 1e3)
    return {name: median(values) for name, values in found.items()}


def plan_us() -> float:
    """Return what `plan_cost.py` measures."""
    command = [sys.executable, "-m", "bench.plan_cost"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE.parent)  # noqa: S603 - ours
    return float(done.stdout)


def machine() -> dict[str, Any]:
    """Return what the figures belong to."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "grpcio": grpc.__version__,
        "httptools": version("httptools"),
        "kernel": platform.release(),
    }


def say(word: str, what: object) -> None:
    """Print progress."""
    print(word, what, file=sys.stderr, flush=True)


def result(measured: Mapping[str, float], form: Form, *, rss: float, rate: float) -> dict[str, Any]:
    """Return the figures by the names they are judged by."""
    us = {name: measured[f"ours_{name}"] for name in ("unary_us", "unary_streamed_us", "token_us", "burst_token_us")}

    def over(name: str, floor: str) -> float:
        return round(us[name] / measured[f"{floor}_{name}"], 2)

    return {
        **{name: round(value, 1) for name, value in us.items()},
        "plan_us": plan_us(),
        "rss_mb": round(rss, 1),
        "added_p50_ms": round(measured["ours_p50_ms"] - measured["direct_p50_ms"], 2),
        "added_p99_ms": round(measured["ours_p99_ms"] - measured["direct_p99_ms"], 2),
        "unary_ratio": over("unary_us", "echo"),
        "token_ratio": over("token_us", "echo"),
        "unary_over_proxy": over("unary_us", "proxy"),
        "token_over_proxy": over("token_us", "proxy"),
        "rate_of_latencies": round(rate),
        "measured": {name: round(value, 2) for name, value in sorted(measured.items())},
        "seed": SEED,
        "n": {"rounds": form.rounds, "seconds": form.seconds, "latency_rounds": form.latency_rounds},
        "machine": machine(),
    }


async def measure(programs: Mapping[str, Program], targets: Mapping[str, Target], form: Form) -> dict[str, Any]:
    """Measure everything, one after the other."""
    measured = await costs(targets, form)
    rate = measured["ours_calls_per_second"] / 2
    with Direct(int(programs["upstream"].words[1])) as direct:
        calls: dict[str, Call] = {"direct": direct.complete}
        for name, target in targets.items():
            calls[name] = lambda target=target: target.complete("whole")  # type: ignore[misc]
        measured |= await latencies(calls, rate, form)
    return result(measured, form, rss=programs["ours"].rss_mb(), rate=rate)


async def main(form: Form) -> None:
    """Start everything, measure, and print."""
    began = time.perf_counter()
    cores = sorted(os.sched_getaffinity(0))
    tested, others = (cores[-1], cores[0]) if len(cores) > 1 else (None, None)
    if others is not None:
        os.sched_setaffinity(0, set(cores[:-1]))
    programs = {"upstream": Program("-m", "bench.upstream", core=others)}
    targets: dict[str, Target] = {}
    with tempfile.TemporaryDirectory() as folder:
        config, messages = Path(folder, "bench.yaml"), Path(folder, "messages")
        port = int(programs["upstream"].words[1])
        config.write_text(configuration(port, Path(folder, "records")))  # noqa: ASYNC240 - nothing else runs yet
        try:
            serve = ("-m", "bench.observed", "serve", "--config", str(config))
            programs["ours"] = Program(*serve, core=tested)
            ours = Target("ours", programs["ours"].words[3], programs["ours"].pid)
            messages.write_text(await recorded(ours))  # noqa: ASYNC240 - the same
            programs["echo"] = Program("-m", "bench.echo", str(messages), core=tested)
            programs["proxy"] = Program("-m", "bench.proxy", f"http://127.0.0.1:{port}", core=tested)
            targets = {name: Target(name, programs[name].words[1], programs[name].pid) for name in ("echo", "proxy")}
            targets["ours"] = ours
            found = await measure(programs, targets, form)
        finally:
            for target in targets.values():
                await target.close()
            for program in programs.values():
                program.stop()
    print(json.dumps({**found, "took_s": round(time.perf_counter() - began)}, indent=2))


if __name__ == "__main__":
    uvloop.run(main(FORMS[sys.argv[1] if len(sys.argv) > 1 else "full"]))
