"""One child process: started, watched, started again with backoff, and gone when we are."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.secret import Secret

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
"""Seconds before the child is started again: doubled with every start that fails."""

_SCRIPT = Path(__file__).with_name("local_child.py")
_FAREWELL = 2.0  # seconds that the child has to end by itself
_LAST_LINES, _LINE = 5, 300


@dataclass(frozen=True, slots=True)
class Address:
    """Where a running child listens, and the key that keeps other users of the machine out."""

    url: str
    key: Secret


class LocalProcess:
    """Keeps one child running, with *settings* on its standard input."""

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self._name = name
        self._settings = settings
        self._pause = FIRST_PAUSE
        self._address: asyncio.Future[Address] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.pid: int | None = None
        self._loaded = False

    def start(self) -> None:
        """Begin to load; returns at once."""
        self._address = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep(), name=f"local:{self._name}")

    async def address(self) -> Address:
        """Return where the child listens, waiting while it loads.  Raises BackendError (CONNECT) while it is dead."""
        if self._address is None:
            raise BackendError(Failure.CONNECT, "the local model is not started")
        # Shielded: a caller who gives up must not take the address away from the others.
        return await asyncio.shield(self._address)

    async def close(self) -> None:
        """End the child."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])

    async def _keep(self) -> None:
        while True:
            reason = await self._live_once()
            log.warning("local model %s: %s; again in %.2f s", self._name, reason, self._pause)
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            self._address = asyncio.get_running_loop().create_future()

    async def _live_once(self) -> str:
        """Run one child to its end and return why it ended; from then on calls fail at once."""
        last: deque[str] = deque(maxlen=_LAST_LINES)
        self._loaded = False
        try:
            # -P: the script's folder must not come first on the child's path: modules in it are named as the library's.
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", str(_SCRIPT), stdin=PIPE, stdout=PIPE, stderr=PIPE
            )
            self.pid = process.pid
            listener = asyncio.create_task(_listen(process, last), name=f"local:{self._name}:stderr")
            try:
                reason = await self._watch(process)
                await asyncio.wait([listener], timeout=_FAREWELL)
            finally:
                self._gone()
                await _end(process)
                listener.cancel()
        except (OSError, ValueError) as error:
            self._gone()
            return f"cannot be started ({type(error).__name__})"
        # What it said while it loaded tells why it could not; later lines could quote a prompt.
        return reason if self._loaded else " ".join([reason, *last])

    async def _watch(self, process: Process) -> str:
        assert process.stdin is not None  # noqa: S101 - asked for
        assert process.stdout is not None  # noqa: S101 - asked for
        key = secrets.token_urlsafe(32)
        settings = {**self._settings, "api_key": key, "parent": os.getpid()}
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        line = await process.stdout.readline()
        if not line:
            return f"did not start (exit status {await process.wait()})."
        assert self._address is not None  # noqa: S101 - set before
        self._address.set_result(Address(f"{json.loads(line)['address']}/v1", Secret(key)))
        self._pause = FIRST_PAUSE
        self._loaded = True
        log.info("local model %s: ready (process %d)", self._name, process.pid)
        return f"ended (exit status {await process.wait()})."

    def _gone(self) -> None:
        """Make calls fail at once, those that wait included, until the next child begins."""
        self.pid = None
        assert self._address is not None  # noqa: S101 - set before
        if self._address.done():
            self._address = asyncio.get_running_loop().create_future()
        self._address.set_exception(BackendError(Failure.CONNECT, "the local model is being started again"))
        self._address.exception()  # looked at: nobody may be waiting, and that is no fault


async def _listen(process: Process, last: deque[str]) -> None:
    """Read what the child complains about, so that it never blocks; keep the last lines, cut, for the log."""
    assert process.stderr is not None  # noqa: S101 - asked for
    while data := await process.stderr.read(4096):
        last.extend(line[:_LINE] for line in data.decode(errors="replace").splitlines())


async def _end(process: Process) -> None:
    """Close the child's input, which ends it; kill it if that does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_FAREWELL):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
