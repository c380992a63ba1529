"""Listening, and what an operator reads when it cannot be: over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from quickthorn_server.edge.listener import listen
from quickthorn_server.edge.port import ListenError
from tests.support.grpc_rig import echo_server, unary
from tests.support.http2 import RawCall

ANY = "0.0.0.0"  # noqa: S104 - bound only to be found taken


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run *command* with nothing to read, and return what it wrote."""
    return subprocess.run(  # noqa: S603 - the commands are below
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False, **options
    )


@contextlib.contextmanager
def taken(host: str, *, shared: bool) -> Iterator[int]:
    """Hold a port of *host*, with SO_REUSEPORT where *shared*."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        try:
            holder.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        holder.listen()
        yield holder.getsockname()[1]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    ("holder", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", ANY),
        ("127.0.0.1", "[::]"),
        (ANY, "127.0.0.1"),
        ("::1", "[::1]"),
        ("::1", "localhost"),
        ("::1", "[::]"),
    ],
)
def test_a_taken_port_is_said(holder: str, address: str, shared: bool) -> None:
    """Also where the holder would share it, and where a name stands for two addresses of which one is taken."""

    async def main() -> None:
        with taken(holder, shared=shared) as port:
            made = echo_server()
            with pytest.raises(ListenError) as caught:
                listen(made, f"{address}:{port}", None)
            await made.stop(None)
        words = f"cannot listen on {address}:{port}: another process does; stop it or choose another port"
        assert str(caught.value) == words

    asyncio.run(main())


def test_a_grpc_server_with_default_options_is_noticed() -> None:
    """It binds with SO_REUSEPORT: a second one with defaults would steal its connections without a word."""

    async def main() -> None:
        holder = grpc.aio.server()
        port = holder.add_insecure_port("127.0.0.1:0")
        await holder.start()
        made = echo_server()
        with pytest.raises(ListenError, match="another process does"):
            listen(made, f"127.0.0.1:{port}", None)
        await made.stop(None)
        await holder.stop(None)

    asyncio.run(main())


def test_nobody_can_steal_our_port() -> None:
    """A second server with default options fails to bind next to ours."""

    async def main() -> None:
        made, thief = echo_server(), grpc.aio.server()
        port = listen(made, "127.0.0.1:0", None)
        await made.start()
        with pytest.raises(RuntimeError):
            thief.add_insecure_port(f"127.0.0.1:{port}")
        await thief.stop(None)
        await made.stop(None)

    asyncio.run(main())


def test_a_port_is_free_again_at_once() -> None:
    """Connections that the server before has closed, still in TIME_WAIT, do not hold it."""

    async def main() -> None:
        first, second = echo_server(), echo_server()
        port = listen(first, "127.0.0.1:0", None)
        assert port
        await first.start()
        call = await RawCall.start(port, "/test.Echo/Echo")
        await call.answer()
        await first.stop(None)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await call.frame():
                pass
        await call.close()
        with socket.socket() as naive, pytest.raises(OSError, match="in use"):
            naive.bind(("127.0.0.1", port))
        assert listen(second, f"127.0.0.1:{port}", None) == port
        await second.stop(None)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nosuch.invalid:1", 'the name "nosuch.invalid" cannot be resolved'),
        ("192.0.2.1:5000", "this machine has no such address"),
        ("unix:/nosuch/dir/s", "could not bind"),
        (f"unix:/tmp/{'x' * 200}", "AF_UNIX path too long"),
    ],
)
def test_other_faults_are_sentences_too(address: str, words: str) -> None:
    """One typed error, whatever is wrong."""

    async def main() -> None:
        made = echo_server()
        with pytest.raises(ListenError, match=words):
            listen(made, address, None)
        await made.stop(None)

    asyncio.run(main())


def test_a_port_that_needs_a_privilege() -> None:
    """Nobody may bind port 80: the sentence says what to do."""
    if Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text() != "1024\n":
        pytest.skip("low ports are open to everybody here")
    code = """
import encodings.idna, os
from quickthorn_server.edge.port import ListenError, check_free
if os.getuid() == 0:
    os.setuid(65534)
try:
    check_free("127.0.0.1:80")
except ListenError as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = run(sys.executable, "-c", code, env=environment)
    assert done.stdout == (
        "cannot listen on 127.0.0.1:80: not permitted; choose a port above 1023 or grant CAP_NET_BIND_SERVICE\n"
    ), done.stderr


def test_unix_sockets(tmp_path: Path) -> None:
    """A living server's socket is not taken over, a dead one's is, and a file is left alone."""
    address = f"unix:{tmp_path}/s"

    async def main() -> None:
        made, second, third = echo_server(), echo_server(), echo_server()
        assert listen(made, address, None) == 0
        await made.start()
        with pytest.raises(ListenError, match="another process does"):
            listen(second, address, None)
        async with grpc.aio.insecure_channel(address) as channel:
            await unary(channel, "Echo")(StringValue(), timeout=2)
        await made.stop(None)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(f"{tmp_path}/dead")
        assert listen(second, f"unix://{tmp_path}/dead", None) == 0
        (tmp_path / "file").write_text("precious")
        with pytest.raises(ListenError, match="exists and is no socket"):
            listen(third, f"unix:{tmp_path}/file", None)
        assert (tmp_path / "file").read_text() == "precious"
        for each in (second, third):
            await each.stop(None)

    asyncio.run(main())
