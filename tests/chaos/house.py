"""The processes of a scenario: an upstream, `quickthorn serve` with a configuration made for it, and its callers."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chaos.faults import Fault, Order, Pace
from tests.chaos.load import Job, Kind
from tests.chaos.logs import Attempt, Check, Seen, attempts_of, seen_of
from tests.chaos.upstream import Setting

ROOT = Path(__file__).parents[2]
LEAD = 0.25  # seconds between an order and the first call it is for

UNARY = Kind("unary", "Complete", "chat", 0.3)
WHOLE = Kind("whole", "Complete", "whole", 0.2)
STREAM = Kind("stream", "StreamComplete", "chat", 0.25)
CARRY = Kind("carry", "StreamComplete", "carry", 0.25)
MIXED = (UNARY, WHOLE, STREAM, CARRY)
"""A unary call that streams upstream, one that does not, a stream that may break, and one that is continued."""


_ROUTES = {"chat": (), "whole": ("upstream: whole",), "carry": ("on_break: continue",)}


class Program:
    """A process of ours that is spoken to by lines, pinned to *cores*."""

    def __init__(self, folder: Path, *command: str, cores: set[int], env: Mapping[str, str] | None = None) -> None:
        self._name = command[1].rpartition(".")[2]
        self._errors = (folder / f"{self._name}.err").open("a", encoding="utf-8")
        self._process = subprocess.Popen(  # noqa: S603 - our own commands
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
        )
        self.pid = self._process.pid
        self._read = b""
        os.sched_setaffinity(self.pid, cores)

    def tell(self, line: str) -> None:
        """Write a line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def hear(self, within: float = 60.0) -> str:
        """Return its next line.  Raises TimeoutError after *within* seconds, RuntimeError when it has ended."""
        assert self._process.stdout is not None
        until = time.monotonic() + within
        while b"\n" not in self._read:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError(f"{self._name} said nothing for {within:g} s")
            data = os.read(self._process.stdout.fileno(), 65_536)
            if not data:
                raise RuntimeError(f"{self._name} has ended with {self._process.wait()}")
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def nudge(self) -> None:
        """Send it SIGUSR2."""
        self._process.send_signal(signal.SIGUSR2)

    def kill(self) -> None:
        """End it with SIGKILL, and wait."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it, wait, and return its exit status."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            status = self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()
        return status


@dataclass(frozen=True, slots=True)
class Plan:
    """What is special about a scenario's house: who is there, and keys of the configuration as YAML, of all or *each*.

    *apart*: providers that live in a process of their own.  *secure*: those that speak TLS.  *beside*: those that are
    only in *routes*.  *crowds*: processes of callers.
    *asked*: the usual routes that there are, each with the keys *route*.
    """

    providers: tuple[str, ...] = ("a", "b", "c")
    apart: tuple[str, ...] = ()
    secure: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    crowds: int = 1
    server: str = "max_in_flight: 8000"
    backend: str = "timeouts: {connect: 800ms, first_token: 800ms, idle: 800ms, total: 4s}"
    route: str = "strategy: weighted, hedge: {delay: 200ms}"
    routes: str = ""
    asked: tuple[str, ...] = ("chat", "whole", "carry")
    each: Mapping[str, str] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)


class House:
    """Use as a context manager.  *name* is the scenario's, *seed* its own; *folder* keeps the logs."""

    def __init__(self, name: str, seed: int, folder: Path, plan: Plan) -> None:
        self.name = name
        self.seed = seed
        self.folder = folder / name
        self.plan = plan
        self.ports: dict[str, int] = {}
        self._jobs = 0
        self._programs: list[Program] = []

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        cores = sorted(os.sched_getaffinity(0))
        self._tested, self._others = {cores[-1]}, set(cores[:-1]) or {cores[-1]}
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in reversed(self._programs):
            program.stop()

    def _start(self) -> None:
        plan = self.plan
        tls, env = self._certificates() if plan.secure else ({}, {})
        self._crowds = [self._program("-m", "tests.chaos.load", cores=self._others) for _ in range(plan.crowds)]
        together = tuple(name for name in (*plan.providers, *plan.beside) if name not in plan.apart)
        self._upstreams = {each: self._upstream((each,), tls) for each in plan.apart}
        first = self._upstream(together, tls)
        self._upstreams |= dict.fromkeys(together, first)
        config = self.folder / "quickthorn.yaml"
        config.write_text(self._configuration())
        serve = ("-m", "tests.chaos.observed", "serve", "--config", str(config))
        self.server = self._program(*serve, cores=self._tested, env=env)
        self.address = self.server.hear().split()[3]
        for crowd in self._crowds:
            crowd.hear()

    def _program(self, *command: str, cores: set[int], env: Mapping[str, str] | None = None) -> Program:
        program = Program(self.folder, *command, cores=cores, env=env)
        self._programs.append(program)
        return program

    def _upstream(self, names: tuple[str, ...], tls: dict[str, tuple[str, str, str, str]]) -> Program:
        program = self._program("-m", "tests.chaos.upstream", cores=self._others)
        log = str(self.folder / f"upstream-{names[0]}.jsonl")
        mine = {name: files for name, files in tls.items() if name in names}
        program.tell(json.dumps(asdict(Setting(self.seed, names, log, self.plan.pace, mine))))
        self.ports |= dict(zip(names, map(int, program.hear().split()[1:]), strict=True))
        return program

    def _configuration(self) -> str:
        plan = self.plan
        rows = [f"server: {{listen: '127.0.0.1:0', drain: {{quiet: 50ms, grace: 5s}}, {plan.server}}}", "backends:"]
        for name in (*plan.providers, *plan.beside):
            scheme = "https" if name in plan.secure else "http"
            url = f"{scheme}://127.0.0.1:{self.ports[name]}/v1"
            rows.append(f"  - {{name: {name}, provider: openai, model: m, base_url: '{url}',")
            rows.append(
                f"     failure_domain: {name}, {', '.join(filter(None, (plan.backend, plan.each.get(name))))}}}"
            )
        names = ", ".join(plan.providers)
        rows.append("routes:")
        rows.extend(
            f"  - {{name: {name}, backends: [{names}], {', '.join((plan.route, *_ROUTES[name]))}}}"
            for name in plan.asked
        )
        return "\n".join(rows) + "\n" + plan.routes

    def _certificates(self) -> tuple[dict[str, tuple[str, str, str, str]], dict[str, str]]:
        from tests.support.pki import Authority  # noqa: PLC0415 - one scenario needs it

        known, unknown = Authority(self.folder, "known"), Authority(self.folder, "unknown")
        files: dict[str, tuple[str, str, str, str]] = {}
        for name in self.plan.secure:
            good, bad = known.issue(f"{name}-good", "IP:127.0.0.1"), unknown.issue(f"{name}-bad", "IP:127.0.0.1")
            files[name] = (str(good.cert), str(good.key), str(bad.cert), str(bad.key))
        return files, {"SSL_CERT_FILE": str(known.cert)}

    def order(self, provider: str, *faults: Fault, at: float = 0.0, pace: Pace | None = None) -> None:
        """Have *provider* fail like that from instant *at* on, or be well again where there is no fault."""
        order = Order(provider, at, faults, pace)
        self._upstreams[provider].tell(json.dumps(asdict(order)))

    def job(self, name: str, *kinds: Kind, **given: object) -> Job:
        """Return a job for the callers, which begins in a moment."""
        self._jobs += 1
        log = str(self.folder / f"calls-{self._jobs}-{name}.jsonl")
        made = Job(self.address, log, self.seed + self._jobs, kinds or MIXED, time.monotonic() + LEAD, name=name)
        return replace(made, **given)  # type: ignore[arg-type]

    def begin(self, job: Job, crowd: int = 0) -> None:
        """Have the callers do *job*."""
        self._crowds[crowd].tell(json.dumps(asdict(job)))

    def finish(self, job: Job, crowd: int = 0, within: float = 900.0) -> tuple[list[Seen], list[Check]]:
        """Wait until *job* is done, and return what its callers saw."""
        self._crowds[crowd].hear(within)
        return seen_of(Path(job.log))

    def calls(self, job: Job) -> tuple[list[Seen], list[Check]]:
        """Do *job*, and return what its callers saw."""
        self.begin(job)
        return self.finish(job)

    def warm(self, seconds: float = 0.7) -> None:
        """Have calls made, so that connections are there and code is warm."""
        self.calls(self.job("warm", workers=16, seconds=seconds))

    def truth(self) -> list[Attempt]:
        """Return all attempts so far, as the upstreams saw them, in the order of their arrival."""
        for program in {id(each): each for each in self._upstreams.values() if each.runs}.values():
            program.tell("flush")
            program.hear()
        return attempts_of(self.folder.glob("upstream-*.jsonl"))

    def kill(self, provider: str) -> None:
        """Kill the process of a provider that lives apart."""
        self._upstreams[provider].kill()

    def rss_mb(self) -> float:
        """Return what the server holds in memory now."""
        status = Path(f"/proc/{self.server.pid}/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024

    def counts(self) -> dict[str, int]:
        """Return how many descriptors, threads and watched objects the server has now."""
        self.server.nudge()
        found: dict[str, int] = json.loads(self.server.hear())
        process = Path(f"/proc/{self.server.pid}")
        return {
            **found,
            "descriptors": len(list((process / "fd").iterdir())),
            "threads": len(list((process / "task").iterdir())),
        }


def settled(house: House, within: float = 40.0) -> dict[str, int]:
    """Return the counts once two looks a second apart are equal, or after *within* seconds."""
    until = time.monotonic() + within
    before = house.counts()
    while time.monotonic() < until:
        time.sleep(1.0)
        now = house.counts()
        if now == before:
            break
        before = now
    return before
