"""The servers that the cases talk to: real ones with scripted backends, each in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from tests.conformance.fake import fake
from tests.support.pki import Authority, Identity

ESTATE = Path(__file__).parent / "estate.yaml"
KEYS = {"RIGHT": "the-right-key-0123456789"}

_PATIENCE = 20.0  # seconds
_ADDRESS = re.compile(r"listens on (\S+)")


@dataclass(frozen=True, slots=True)
class Papers:
    """Certificates of the stage, as files."""

    ours: Authority
    others: Authority
    server: Identity
    expired: Identity
    client: Identity

    def named(self, words: list[str]) -> dict[str, str]:
        """Return the `tls` of a case's line: "ca" or "other-ca" whom to trust, "cert" who we are."""
        given: dict[str, str] = {}
        for word in words:
            match word:
                case "ca":
                    given["ca"] = str(self.ours.cert)
                case "other-ca":
                    given["ca"] = str(self.others.cert)
                case "cert":
                    given |= {"cert": str(self.client.cert), "key": str(self.client.key)}
        return given


class Server:
    """One `quickthorn serve`: started when it is entered, ended when it is left."""

    def __init__(self, folder: Path, name: str, head: Mapping[str, object]) -> None:
        self._config = folder / f"{name}.yaml"
        self._records = folder / f"{name}.jsonl"
        server = {"listen": "127.0.0.1:0", "drain": {"quiet": "50ms", "grace": "10s"}, **head}
        callers = server.pop("callers", None)
        text = f"server: {json.dumps(server)}\nrecords: {{file: {json.dumps(str(self._records))}}}\n"
        if callers is not None:
            text += f"callers: {json.dumps(callers)}\n"
        self._config.write_text(text + ESTATE.read_text("utf-8"), "utf-8")
        self.address = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "quickthorn_server", "serve", "--config", str(self._config)]
        environment = {**os.environ, **KEYS}
        self._process = subprocess.Popen(  # noqa: S603 - our own server
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if match := _ADDRESS.search(line.decode()):
                self.address = match[1]
                break
        else:
            raise RuntimeError(f"the server did not start: try {' '.join(command)}")
        self._drained = threading.Thread(target=self._process.stdout.read, daemon=True)
        self._drained.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.drain()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._drained.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def drain(self) -> None:
        """Ask the server to go, as an orchestrator does."""
        self._process.send_signal(signal.SIGTERM)

    def ended(self, request_id: str) -> str:
        """Return how the server says that a call ended; "" = it does not, though it was given time."""
        give_up = time.monotonic() + _PATIENCE / 4
        while time.monotonic() < give_up:
            for line in self._records.read_text("utf-8").splitlines() if self._records.exists() else ():
                record = json.loads(line)
                if record.get("requestId") == request_id:
                    return str(record.get("outcome", ""))
            time.sleep(0.05)
        return ""


class Stage:
    """All servers, made when a case first asks for them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._servers: dict[str, Server] = {}
        self._addresses: dict[str, str] = {}
        self._count = 0
        self.papers = _papers(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def address(self, name: str) -> str:
        """Return where a server listens: `host:port`."""
        if name not in self._addresses:
            self._addresses[name] = self._started(name)
        return self._addresses[name]

    def server(self, name: str) -> Server:
        """Return a real server that runs already."""
        return self._servers[name]

    @contextmanager
    def draining(self, after: float) -> Iterator[str]:
        """Start a server for one case, and ask it to go *after* seconds from the first connection it gets."""
        self._count += 1
        with Server(self._folder, f"draining-{self._count}", {}) as server:
            timer = threading.Timer(after, server.drain)
            timer.start()
            try:
                yield server.address
            finally:
                timer.cancel()

    def _started(self, name: str) -> str:
        if name == "fake":
            return self._stack.enter_context(fake())
        if name == "nobody":
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                return f"127.0.0.1:{probe.getsockname()[1]}"
        server = self._stack.enter_context(Server(self._folder, name, self._head(name)))
        self._servers[name] = server
        host = "localhost" if name in {"tls", "mtls", "expired"} else "127.0.0.1"
        return f"{host}:{server.address.rpartition(':')[2]}"

    def _head(self, name: str) -> Mapping[str, object]:
        papers = self.papers
        match name:
            case "keyed":
                return {"callers": [{"name": "us", "api_key_env": "RIGHT", "routes": ["default"]}, _ELSEWHERE]}
            case "tls":
                return {"tls": {"cert_file": str(papers.server.cert), "key_file": str(papers.server.key)}}
            case "expired":
                return {"tls": {"cert_file": str(papers.expired.cert), "key_file": str(papers.expired.key)}}
            case "mtls":
                files = {"cert_file": str(papers.server.cert), "key_file": str(papers.server.key)}
                return {"tls": {**files, "client_ca_file": str(papers.ours.cert)}}
            case _:
                return {}


_ELSEWHERE = {"name": "others", "api_key_env": "OTHERS"}
"""A caller who may use every route: a route that nobody may use is a fault of the configuration."""
KEYS["OTHERS"] = "the-key-of-others-0123456789"


def _papers(folder: Path) -> Papers:
    ours, others = Authority(folder), Authority(folder, "other-ca")
    there = ("DNS:localhost", "IP:127.0.0.1")
    past = datetime.now(UTC) - timedelta(days=1)
    return Papers(
        ours, others, ours.issue("server", *there), ours.issue("expired", *there, until=past), ours.issue("client")
    )
