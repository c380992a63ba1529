"""The upstream of the chaos suite: providers on ports of their own, faults by order, and the truth in a file.

Raw sockets on uvloop.  Its standard input is the control: first a line of JSON that says who there is (`Setting`), then
one order a line, `flush`, or the end.  It prints `ports N N N` and one `flushed` for each flush.

The log has one line of JSON for each attempt, written when it is over or at a flush; instants are `time.monotonic`.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import ssl
import struct
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from math import exp
from typing import IO, Any, cast

import uvloop

from tests.chaos.answers import MARK
from tests.chaos.faults import LISTENING, Fault, Order, Pace, order_of
from tests.chaos.logs import Attempt
from tests.chaos.playing import play

_FLUSH = 0.05  # seconds a line of the log waits at most
_LOW_PORTS = range(20_000, 32_000)  # below those that connections take: a refused one must not meet itself


@dataclass(frozen=True, slots=True)
class Setting:
    """Who listens, and where the truth goes.  *tls*: provider -> certificate and key, and an untrusted pair."""

    seed: int
    providers: tuple[str, ...]
    log: str
    pace: Pace = field(default_factory=Pace)
    tls: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)


class Provider:
    """A listener, its connections, and what is wrong with it now."""

    def __init__(self, name: str, setting: Setting, log: IO[str]) -> None:
        self.name = name
        self.pace = setting.pace
        self.faults: tuple[Fault, ...] = ()
        self.lines: set[Line] = set()
        self.port = 0
        self.log = log
        self._seed = setting.seed
        self._tls = setting.tls.get(name)
        self._seen: Counter[str] = Counter()
        self._turns = 0
        self._away: set[str] = set()  # faults of the listener
        self._server: asyncio.Server | None = None

    async def listen(self, *, trusted: bool = True) -> None:
        """Be there, on the same port as before."""
        loop = asyncio.get_running_loop()
        chance, tls = random.Random(f"{self._seed} {self.name} {time.monotonic_ns()}"), self._context(trusted)
        while self._server is None:
            port = self.port or chance.choice(_LOW_PORTS)
            try:
                self._server = await loop.create_server(
                    lambda: Line(self), "127.0.0.1", port, ssl=tls, backlog=4096, reuse_address=True
                )
            except OSError:
                if self.port:
                    raise
                continue
            self.port = port

    async def obey(self, order: Order) -> None:
        """Have other faults, or another pace, from now on."""
        self.pace = order.pace or self.pace
        if order.faults is None:
            return
        before, now = self._away, {fault.name for fault in order.faults} & {*LISTENING}
        self.faults = tuple(fault for fault in order.faults if fault.name not in LISTENING)
        if before == now:
            return
        if self._server is not None:
            self._server.close()
            self._server = None
        for line in list(self.lines):
            line.abort("us")
        self._away = now
        if "refused" not in now:
            await self.listen(trusted="untrusted" not in now)

    def draw(self, call: str) -> tuple[random.Random, Fault | None]:
        """Return the dice of an attempt of *call*, and what befalls it: the same for the same seed."""
        self._seen[call] += 1
        self._turns += 1
        fate = random.Random(f"{self._seed} {self.name} {call} {self._seen[call]} fate")
        for fault in self.faults:
            if self._turns % 2 if fault.alternately else fate.random() < fault.share:
                return fate, fault
        return fate, None

    def first_after(self, call: str) -> float:
        """Return the seconds to the first token of *call*, whatever befalls it."""
        z = random.Random(f"{self._seed} {self.name} {call}").gauss(0.0, 1.0)
        return self.pace.first * exp(self.pace.spread * z)

    def tell(self, attempt: Attempt) -> None:
        """Write an attempt down."""
        self.log.write(json.dumps(asdict(attempt)) + "\n")

    def _context(self, trusted: bool) -> ssl.SSLContext | None:
        if self._tls is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*(self._tls[:2] if trusted else self._tls[2:]))
        return context


class Line(asyncio.Protocol):
    """One connection: one request after the other."""

    transport: asyncio.Transport

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.attempt: Attempt | None = None
        self.limit: int | None = None  # bytes until it is cut
        self.pieces: random.Random | None = None  # set: what is sent is sliced
        self._bytes = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop registers no subclass
        self.provider.lines.add(self)

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        head, blank, rest = bytes(self._bytes).partition(b"\r\n\r\n")
        if not blank or self._task is not None:
            return
        at = head.lower().find(b"content-length:")
        if len(rest) < (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0):
            return
        self._bytes.clear()
        mark = MARK.search(rest)
        call = mark[1].decode() if mark else ""
        self.attempt = Attempt(call, self.provider.name, time.monotonic(), b'"stream":true' in rest)
        self._task = asyncio.get_running_loop().create_task(self._play(self.attempt, rest))

    async def send(self, data: bytes) -> None:
        """Send *data*, in pieces or up to the limit where there are such; wait while the peer does not read."""
        if self.pieces is None:
            await self._send(data)
            return
        while data:
            size = self.pieces.randrange(1, 128)
            await self._send(data[:size])
            data = data[size:]
            await asyncio.sleep(0.001)

    async def _send(self, data: bytes) -> None:
        attempt = self.attempt
        if attempt is None or self.transport.is_closing():
            return
        cut = self.limit is not None and attempt.sent + len(data) > self.limit
        if self.limit is not None and cut:
            data = data[: self.limit - attempt.sent]
        attempt.first_byte = attempt.first_byte or time.monotonic()
        attempt.sent += len(data)
        attempt.tokens += data.count(b'"delta":{"content":"')
        self.transport.write(data)
        if cut:
            self.close()
        await self._writable.wait()

    def close(self) -> None:
        """Close properly, wherever the answer stands."""
        self._over("us")
        self.transport.close()

    def reset(self) -> None:
        """Close with an RST."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort("us")

    def abort(self, by: str) -> None:
        """Be gone at once."""
        self._over(by)
        self.transport.abort()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> None:
        self._over("peer")

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._over("peer")
        self.provider.lines.discard(self)

    async def _play(self, attempt: Attempt, body: bytes) -> None:
        await play(self, attempt, body)
        self._task = None
        if attempt.end == "":
            self._over("done")

    def _over(self, end: str) -> None:
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            attempt.end, attempt.ended = end, time.monotonic()
            self.provider.tell(attempt)
        if end == "peer" and self._task is not None:
            self._task.cancel()


async def _control(providers: dict[str, Provider], log: IO[str]) -> None:
    """Obey what standard input says, until it ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    later: set[asyncio.Task[None]] = set()

    async def at(order: Order) -> None:
        await asyncio.sleep(max(0.0, order.at - time.monotonic()))
        await providers[order.provider].obey(order)

    while line := await reader.readline():
        if line == b"flush\n":
            for provider in providers.values():
                for attempt in [each.attempt for each in provider.lines if each.attempt is not None]:
                    provider.tell(attempt)
            log.flush()
            _say("flushed")
        else:
            task = loop.create_task(at(order_of(json.loads(line))))
            later.add(task)
            task.add_done_callback(later.discard)


async def main() -> None:
    """Listen until standard input ends."""
    setting = _setting(json.loads(sys.stdin.readline()))
    with open(setting.log, "w", encoding="utf-8") as log:  # noqa: ASYNC230, PTH123 - nothing else runs yet
        providers = {name: Provider(name, setting, log) for name in setting.providers}
        for provider in providers.values():
            await provider.listen()
        _say("ports " + " ".join(str(provider.port) for provider in providers.values()))
        flushing = asyncio.create_task(_flushing(log))
        await _control(providers, log)
        flushing.cancel()


async def _flushing(log: IO[str]) -> None:
    while True:
        await asyncio.sleep(_FLUSH)
        log.flush()


def _setting(data: dict[str, Any]) -> Setting:
    tls = {name: (files[0], files[1], files[2], files[3]) for name, files in data["tls"].items()}
    return Setting(data["seed"], tuple(data["providers"]), data["log"], Pace(**data["pace"]), tls)


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
