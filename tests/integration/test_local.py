"""The embedded model's process: supervised, private, restarted, and gone when its parent is, however that dies."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Chunk, End, FinishReason, Opened, TextDelta, UsageReport
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import Prompt, Sampling
from quickthorn_server.core.provider import Ask
from quickthorn_server.providers import local_process
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.local import Local
from quickthorn_server.providers.local_model import LocalModelMissing, locate
from tests.support.loops import LOOPS, Run

PROMPT = Prompt((Message(Role.USER, (Part(Text("Say hello.")),)),), sampling=Sampling(12, 0.0))
ENGINE = Path(__file__).parents[1] / "support" / "engine"
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the embedded model's process is supported on POSIX")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-in where the real engine would be found, here and in child processes; and be quick to restart."""
    monkeypatch.setenv("PYTHONPATH", str(ENGINE))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(local_process, "FIRST_PAUSE", 0.1)


pytestmark_engine = pytest.mark.usefixtures("engine")


def backend(folder: Path, name: str = "local", **orders: Any) -> Backend:
    """Return a backend whose model file holds *orders*."""
    file = folder / f"{name}.gguf"
    file.write_text(json.dumps(orders))
    return Backend(name, "local", "tiny", "tiny", options={"model_path": str(file)})


@asynccontextmanager
async def started(*backends: Backend) -> AsyncIterator[list[Local]]:
    """Give started providers; afterwards their processes must be gone."""
    async with HttpClient() as http:
        providers = [Local(given, http) for given in backends]
        for provider in providers:
            await provider.start()
        try:
            yield providers
        finally:
            pids = [provider.pid for provider in providers if provider.pid]
            began = time.monotonic()
            for provider in providers:
                await provider.close()
            assert time.monotonic() - began < 1.0  # by themselves, not by force
    assert not [pid for pid in pids if alive(pid)]


async def answer(provider: Local, prompt: Prompt = PROMPT) -> list[Chunk]:
    async with aclosing(provider.stream(Ask(prompt, "", 1.0))) as stream:
        return [chunk async for burst in stream for chunk in burst]


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


async def failure(provider: Local) -> Failure:
    with pytest.raises(BackendError) as caught:
        await answer(provider)
    return caught.value.failure


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie answers to signals; its state says what it is.
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


async def until_alive_again(provider: Local, old: int) -> int:
    async with asyncio.timeout(5):
        while provider.pid in {None, old}:  # noqa: ASYNC110 - a process has no event for it
            await asyncio.sleep(0.01)
    assert provider.pid is not None
    return provider.pid


@pytestmark_engine
@pytest.mark.parametrize("run", LOOPS)
def test_a_call_waits_while_the_model_loads(run: Run, tmp_path: Path) -> None:
    """`start` returns at once; the first call is answered as soon as the model is there."""

    async def main() -> None:
        began = time.monotonic()
        async with started(backend(tmp_path, load=0.3)) as (provider,):
            assert time.monotonic() - began < 0.2
            chunks = await answer(provider)
            assert text(chunks) == "hello"
            assert Opened("tiny", "", 200) in chunks
            assert chunks[-1] == End(FinishReason.STOP)

    run(main())


@pytestmark_engine
def test_giving_up_while_it_loads_takes_nothing_from_the_others(tmp_path: Path) -> None:
    """A cancelled call leaves the load alone."""

    async def main() -> str:
        async with started(backend(tmp_path, load=0.3)) as (provider,):
            impatient, patient = asyncio.create_task(answer(provider)), asyncio.create_task(answer(provider))
            await asyncio.sleep(0.05)
            impatient.cancel()
            return text(await patient)

    assert asyncio.run(main()) == "hello"


@pytestmark_engine
@pytest.mark.parametrize("run", LOOPS)
def test_a_killed_process_is_lost_and_comes_back(run: Run, tmp_path: Path) -> None:
    """LOST for the call it was answering, CONNECT at once while it is down, then it answers again."""

    async def main() -> None:
        async with started(backend(tmp_path, words=list("abcdefgh"), pause=0.05)) as (provider,):
            pid = provider.pid
            async with aclosing(provider.stream(Ask(PROMPT, "", 1.0))) as stream:
                await anext(stream)
                await anext(stream)
                assert pid is None
                pid = provider.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                with pytest.raises(BackendError) as caught:
                    async for _ in stream:
                        pass
            assert caught.value.failure is Failure.LOST
            async with asyncio.timeout(1):
                while provider.pid is not None:  # noqa: ASYNC110 - a process has no event for it
                    await asyncio.sleep(0.001)
                assert await failure(provider) is Failure.CONNECT
            await until_alive_again(provider, pid)
            assert text(await answer(provider)) == "abcdefgh"

    run(main())


@pytestmark_engine
def test_two_backends_with_one_file_have_a_process_each(tmp_path: Path) -> None:
    """Killing one leaves the other alone."""

    async def main() -> None:
        one = backend(tmp_path)
        async with started(one, one) as (first, second):
            await answer(first)
            assert first.pid
            assert second.pid
            assert first.pid != second.pid
            os.kill(first.pid, signal.SIGKILL)
            assert text(await answer(second)) == "hello"

    asyncio.run(main())


@pytestmark_engine
def test_others_on_this_machine_cannot_use_it(tmp_path: Path) -> None:
    """A random key, on no command line and in no environment."""

    async def main() -> None:
        async with started(backend(tmp_path)) as (provider,):
            await answer(provider)
            assert provider._process is not None
            address = await provider._process.address()
            asked = urllib.request.Request(f"{address.url}/chat/completions", b"{}", method="POST")  # noqa: S310
            with pytest.raises(urllib.error.HTTPError, match="401"):
                await asyncio.to_thread(urllib.request.urlopen, asked)
            process = Path(f"/proc/{provider.pid}")
            if process.exists():  # noqa: ASYNC240 - /proc is no disk
                for seen in ("cmdline", "environ"):
                    assert address.key.reveal().encode() not in (process / seen).read_bytes()

    asyncio.run(main())


@pytestmark_engine
def test_a_signal_to_the_whole_group_is_not_for_the_child(tmp_path: Path) -> None:
    """Ctrl-C and a service manager's SIGTERM reach it too, while the parent still drains."""

    async def main() -> None:
        async with started(backend(tmp_path, words=list("abcd"), pause=0.05)) as (provider,):
            await answer(provider)
            assert provider.pid
            call = asyncio.create_task(answer(provider))
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(provider.pid, number)
            assert text(await call) == "abcd"

    asyncio.run(main())


@pytestmark_engine
def test_a_model_that_does_not_load_is_told_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls fail at once with CONNECT; the log has the child's last words, not all of them; pauses grow."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(local_process, "FIRST_PAUSE", 0.05)

    async def main() -> None:
        async with started(backend(tmp_path, complaints=5000, fail="no such tensor")) as (provider,):
            assert await failure(provider) is Failure.CONNECT
            async with asyncio.timeout(10):
                while len(caplog.records) < 3:  # noqa: ASYNC110 - a log has no event for it
                    await asyncio.sleep(0.01)

    asyncio.run(main())
    told = [record.getMessage() for record in caplog.records]
    assert all("no such tensor" in line and len(line) < 2500 for line in told)
    assert [line.rpartition("again in ")[2] for line in told[:3]] == ["0.05 s", "0.10 s", "0.20 s"]


@pytestmark_engine
def test_a_process_that_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No interpreter, no memory, no descriptor left: calls fail at once, and when it works again they are answered."""
    real, gone = sys.executable, str(tmp_path / "no-python")

    async def main() -> str:
        monkeypatch.setattr(sys, "executable", gone)
        async with started(backend(tmp_path)) as (provider,):
            assert await failure(provider) is Failure.CONNECT
            monkeypatch.setattr(sys, "executable", real)
            await until_alive_again(provider, 0)
            return text(await answer(provider))

    assert asyncio.run(main()) == "hello"


@pytestmark_engine
def test_complaints_do_not_block_the_child(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Five megabytes on standard error, and it still answers; none of it is in our log."""
    caplog.set_level(logging.INFO)

    async def main() -> str:
        async with started(backend(tmp_path, complaints=5000)) as (provider,):
            return text(await answer(provider))

    assert asyncio.run(main()) == "hello"
    assert "complaint" not in caplog.text


PARENT = """
import asyncio, sys
from quickthorn_server.providers.local_process import LocalProcess

async def main():
    process = LocalProcess("p", {"model": "tiny", "model_path": sys.argv[1], "context": 1, "parallel": 1, "threads": 1,
                                 "cache_mib": 0})
    process.start()
    while process.pid is None:
        await asyncio.sleep(0.01)
    if sys.argv[2] == "ready":
        await process.address()
    else:
        await asyncio.sleep(0.5)  # long enough to be in the middle of loading
    print(process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["ready", "loading"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_child_goes_when_the_parent_goes(when: str, number: signal.Signals, tmp_path: Path) -> None:
    """Even while loading, when the engine holds the interpreter and only the kernel can act."""
    if when == "loading" and sys.platform != "linux":
        pytest.skip("only Linux tells a child of its parent's death by a signal")
    model = tmp_path / "m.gguf"
    model.write_text(json.dumps({} if when == "ready" else {"seize": 20}))
    path = os.pathsep.join([str(ENGINE), str(ROOT / "server"), str(ROOT / "clients" / "python")])
    with subprocess.Popen(  # noqa: S603 - our own words only
        [sys.executable, "-c", PARENT, str(model), when],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(number)
        parent.wait()
    gone_by = time.monotonic() + 2
    while alive(child) and time.monotonic() < gone_by:
        time.sleep(0.01)
    assert not alive(child)


def test_before_it_is_started_a_call_fails_cleanly(tmp_path: Path) -> None:
    """As CONNECT: the next backend takes over."""

    async def main() -> Failure:
        async with HttpClient() as http:
            return await failure(Local(backend(tmp_path), http))

    assert asyncio.run(main()) is Failure.CONNECT


def test_a_missing_model_is_told_at_start(tmp_path: Path) -> None:
    """Before the server listens, with the command that helps."""

    async def main() -> None:
        async with HttpClient() as http:
            await Local(
                Backend("l", "local", "m", "m", options={"model_path": str(tmp_path / "no.gguf")}), http
            ).start()

    with pytest.raises(LocalModelMissing):
        asyncio.run(main())


def _missing() -> str:
    try:
        locate({}, os.environ)
    except LocalModelMissing as missing:
        return str(missing)
    return ""


@pytest.mark.slow
@pytest.mark.skipif(bool(_missing()), reason=_missing())
def test_the_real_model_answers() -> None:
    """Words, usage, a finish reason; twice in a row, and two calls at once."""

    async def main() -> list[list[Chunk]]:
        async with started(Backend("local", "local", "smollm2", "smollm2")) as (provider,):
            first = [await answer(provider), await answer(provider)]
            return [*first, *await asyncio.gather(answer(provider), answer(provider))]

    for chunks in asyncio.run(main()):
        assert text(chunks)
        assert isinstance(chunks[-1], End)
        (usage,) = [chunk.usage for chunk in chunks if isinstance(chunk, UsageReport)]
        assert usage.input_tokens
        assert usage.output_tokens
        assert usage.output_tokens <= 12
