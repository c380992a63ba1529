"""The callers of the chaos suite, in a process of their own: raw gRPC, an open loop, and what they saw in a file.

One job a line on standard input (`Job` as JSON); on standard output `ready`, and `done` for each.  The log has one line
of JSON for each call and each look at the health service; instants are `time.monotonic`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import IO, Any

import grpc
import uvloop
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from quickthorn.v1.completion_pb2 import Completion, CompletionRequest
from quickthorn.v1.content_pb2 import ROLE_USER, Message, Part
from quickthorn.v1.events_pb2 import CompletionEvent
from quickthorn.v1.failure_pb2 import RouteFailure
from tests.chaos.answers import starts_right, tokens_of
from tests.chaos.logs import Check, Seen

_CHANNELS = 4
_NARROW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536))  # so that not reading is felt


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to call: *rpc* is `Complete`, `StreamComplete`, or `bare` for a socket straight to the upstream."""

    name: str
    rpc: str
    route: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """*count* calls at *rate* a second from instant *start* on; or, with *workers*, so many at once for *seconds*.

    *cancel*: given up so many seconds after they were sent, drawn between the two.  *pause*: seconds between two reads
    of a stream; *reads*: after so many of them nothing is read any more until *hold* seconds have passed.
    *health*: services asked every *every* seconds meanwhile.  *words*: length of the prompt.
    """

    address: str
    log: str
    seed: int
    kinds: tuple[Kind, ...]
    start: float = 0.0
    count: int = 0
    rate: float = 1.0
    workers: int = 0
    seconds: float = 0.0
    name: str = "c"
    deadline: float = 10.0
    tokens: int = 12
    pad: int = 0
    cancel: tuple[float, float] | None = None
    pause: float = 0.0
    reads: int = 0
    hold: float = 0.0
    health: tuple[str, ...] = ()
    every: float = 0.05
    words: int = 20
    narrow: bool = False


class Callers:
    """Makes the calls of one job."""

    def __init__(self, job: Job, log: IO[str]) -> None:
        self._job = job
        self._log = log
        self._dice = random.Random(job.seed)
        self._channels = [
            grpc.aio.insecure_channel(
                job.address, (("grpc.use_local_subchannel_pool", 1), *(_NARROW if job.narrow else ()))
            )
            for _ in range(_CHANNELS)
        ]
        self._ways: dict[str, list[Any]] = {
            "Complete": [each.unary_unary("/quickthorn.v1.Routing/Complete") for each in self._channels],
            "StreamComplete": [each.unary_stream("/quickthorn.v1.Routing/StreamComplete") for each in self._channels],
        }
        self._number = 0

    async def run(self) -> None:
        """Make them all."""
        job = self._job
        asking = [asyncio.create_task(self._ask_health(service)) for service in job.health]
        if job.workers:
            await asyncio.gather(*(self._one_after_the_other() for _ in range(job.workers)))
        else:
            await self._open_loop()
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        for channel in self._channels:
            await channel.close()

    async def _open_loop(self) -> None:
        running: set[asyncio.Task[Seen]] = set()
        due = self._job.start
        for _ in range(self._job.count):
            due += self._dice.expovariate(self._job.rate)
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self._call(due))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    async def _one_after_the_other(self) -> None:
        end = self._job.start + self._job.seconds
        await asyncio.sleep(max(0.0, self._job.start - time.monotonic()))
        while time.monotonic() < end:
            seen = await self._call(time.monotonic())
            await asyncio.sleep(seen.pushback or 0.0)

    async def _call(self, due: float) -> Seen:
        job = self._job
        self._number += 1
        kind = self._dice.choices(job.kinds, [each.weight for each in job.kinds])[0]
        seen = Seen(f"{job.name}{self._number}", kind.name, due)
        cancel = None if job.cancel is None else self._dice.uniform(*job.cancel)
        if kind.rpc == "bare":
            await self._bare(seen, kind.route, cancel or 0.0)
            return seen
        way = self._ways[kind.rpc][self._number % _CHANNELS]
        seen.sent = time.monotonic()
        text: list[str] = []
        call = way(self._request(seen.call, kind), timeout=job.deadline)
        timer = None if cancel is None else asyncio.get_running_loop().call_later(cancel, _cancel, seen, call)
        try:
            await (self._hear(call, seen, text) if kind.rpc == "StreamComplete" else _answer(call, seen, text))
            seen.code = "OK"
        except grpc.aio.AioRpcError as error:
            seen.done = time.monotonic()
            _learn(seen, error)
        except asyncio.CancelledError:
            if seen.cancelled is None:
                raise
            seen.code = "CANCELLED"
        seen.done = seen.done or time.monotonic()
        if timer is not None:
            timer.cancel()
        self._write(seen, "".join(text))
        return seen

    async def _hear(self, call: Any, seen: Seen, text: list[str]) -> None:
        job, count = self._job, 0
        async for event in _events(call):
            match event.WhichOneof("event"):
                case "text":
                    seen.first = seen.first or time.monotonic()
                    text.append(event.text.text)
                case "seam":
                    seen.seams.append((event.seam.offset, event.seam.method, event.seam.exact))
            if job.pause:
                await asyncio.sleep(job.pause)
            count += 1
            if job.reads and count >= job.reads:
                await asyncio.sleep(job.hold)

    def _request(self, name: str, kind: Kind) -> bytes:
        prompt = f"#{name}# " + "word " * self._job.words
        return CompletionRequest(
            route=kind.route,
            messages=[Message(role=ROLE_USER, parts=[Part(text=prompt)])],
        ).SerializeToString()

    async def _bare(self, seen: Seen, where: str, cancel: float) -> None:
        """Ask the upstream itself over a bare socket, and close it: the floor of every cancel."""
        host, _, port = where.rpartition(":")
        body = json.dumps({"stream": True, "messages": [{"role": "user", "content": f"#{seen.call}#"}]})
        body = body.replace(": true", ":true")
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, int(port))
        transport.write(f"POST /v1 HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        seen.sent = time.monotonic()
        await asyncio.sleep(cancel)
        seen.cancelled = time.monotonic()
        transport.abort()
        seen.code, seen.done = "CANCELLED", time.monotonic()
        self._write(seen, "")

    def _write(self, seen: Seen, text: str) -> None:
        seen.size = len(text.encode())
        if text:
            job = self._job
            whole = sum(max(job.pad, len(token)) for token in tokens_of(seen.call, job.tokens))
            right = starts_right(text, seen.call, job.tokens, job.pad)
            seen.text = "wrong" if not right else "whole" if len(text) == whole else "start"
        self._log.write(json.dumps(asdict(seen)) + "\n")

    async def _ask_health(self, service: str) -> None:
        ask: Any = self._channels[0].unary_unary("/grpc.health.v1.Health/Check")
        request = HealthCheckRequest(service=service).SerializeToString()
        while True:
            began = time.monotonic()
            try:
                answer = HealthCheckResponse.FromString(await ask(request, timeout=self._job.deadline))
                serving = answer.status == HealthCheckResponse.SERVING
            except grpc.aio.AioRpcError:
                serving = False
            check = Check(service, began, time.monotonic() - began, serving)
            self._log.write(json.dumps(asdict(check)) + "\n")
            await asyncio.sleep(self._job.every)


async def _events(call: Any) -> AsyncIterator[CompletionEvent]:
    while (message := await call.read()) is not grpc.aio.EOF:
        yield CompletionEvent.FromString(message)


async def _answer(call: Any, seen: Seen, text: list[str]) -> None:
    raw = await call
    seen.done = seen.first = time.monotonic()
    text.extend(part.text for part in Completion.FromString(raw).message.parts)


def _cancel(seen: Seen, call: Any) -> None:
    seen.cancelled = time.monotonic()
    call.cancel()


def _learn(seen: Seen, error: grpc.aio.AioRpcError) -> None:
    seen.code = error.code().name
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-retry-pushback-ms":
            seen.pushback = int(value) / 1e3
        elif key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in Status.FromString(value).details:
                _note(seen, detail)


def _note(seen: Seen, detail: Any) -> None:
    info, retry, failure = ErrorInfo(), RetryInfo(), RouteFailure()
    if detail.Unpack(info):
        seen.reason = info.reason
    elif detail.Unpack(retry):
        seen.wait = retry.retry_delay.ToTimedelta().total_seconds()
    elif detail.Unpack(failure):
        seen.told = failure.delivered


def job_of(data: dict[str, Any]) -> Job:
    """Read a job that went through JSON."""
    cancel = data["cancel"] and (data["cancel"][0], data["cancel"][1])
    kinds = tuple(Kind(**kind) for kind in data["kinds"])
    return Job(**data | {"kinds": kinds, "cancel": cancel, "health": tuple(data["health"])})


async def main() -> None:
    """Do the jobs on standard input."""
    loop = asyncio.get_running_loop()
    _say("ready")
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        job = job_of(json.loads(line))
        with open(job.log, "w", encoding="utf-8") as log:  # noqa: ASYNC230, PTH123 - nothing else runs yet
            await Callers(job, log).run()
        _say("done")


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    gc.set_threshold(100_000, 10, 10)
    uvloop.run(main())
