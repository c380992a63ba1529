"""The embedded default: a small model in a child process, spoken to as to any OpenAI-compatible server."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Burst
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.provider import Ask
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.http_provider import HttpProvider
from quickthorn_server.providers.local_model import locate
from quickthorn_server.providers.local_process import Address, LocalProcess
from quickthorn_server.providers.openai import OpenAiFormat

CONTEXT, PARALLEL = 4096, 2
"""What a backend that says nothing gets: tokens per call, and calls at once."""

_CACHE_MIB = 256  # what the server may keep of prompts it has seen; its own default is 8 GiB


class Local:
    """One backend's own model process: another backend with the same file has another one."""

    def __init__(self, backend: Backend, http: HttpClient) -> None:
        self._backend = backend
        self._http = http
        self._process: LocalProcess | None = None
        self._asked: tuple[Address, HttpProvider] | None = None

    @property
    def pid(self) -> int | None:
        """The model's process, None while there is none."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Begin to load the model; returns at once.  Raises LocalModelMissing when a piece is not installed."""
        options = self._backend.options
        settings = {
            "model": self._backend.model,
            "model_path": str(locate(options, os.environ)),
            "context": options.get("context") or CONTEXT,
            "parallel": options.get("parallel") or PARALLEL,
            "threads": options.get("threads") or _threads(),
            "cache_mib": _CACHE_MIB,
        }
        self._process = LocalProcess(self._backend.name, settings)
        self._process.start()

    async def stream(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Yield the answer's bursts; waits while the model loads.

        Raises BackendError: CONNECT while the process is down, LOST when it dies, else as any such server.
        """
        async with aclosing((await self._server()).stream(ask)) as bursts:
            async for burst in bursts:
                yield burst

    async def close(self) -> None:
        """End the process."""
        if self._process is not None:
            await self._process.close()

    async def _server(self) -> HttpProvider:
        """Return the provider for the process that runs now: each one has its own port and key."""
        if self._process is None:
            raise BackendError(Failure.CONNECT, "the local model is not started")
        address = await self._process.address()
        if self._asked is None or self._asked[0] is not address:
            backend = replace(self._backend, base_url=address.url, path="", api_key=address.key)
            self._asked = address, HttpProvider(OpenAiFormat(backend), self._http)
        return self._asked[1]


def _threads() -> int:
    """Return half the processors we may use.

    llama.cpp's threads wait for each other by spinning: with one too many for the machine, measured on 2 processors
    with one of them busy, 2 threads wrote 8 tokens/s where 1 wrote 43; idle, the second thread added next to nothing.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, available // 2)
