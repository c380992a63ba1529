"""The HTTP client over real sockets: the ways there.  TLS, proxies, addresses, and how long they may take."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.http_connection import HELD_BYTES
from tests.support.loops import LOOPS, Run
from tests.support.pki import Authority
from tests.support.proxy import THROUGH, Tunnel, proxy
from tests.support.upstream import Exchange, Upstream, replies, silent, upstream

AUTHORIZED = b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"


async def fetch(client: HttpClient, url: str, connect_timeout: float = 2.0) -> bytes:
    """Return the whole body of a reply."""
    async with client.open("POST", url, {"x-key": "sesame"}, b"{}", connect_timeout) as reply:
        return await reply.whole()


async def failure_of(call: Awaitable[object]) -> tuple[Failure, str]:
    """Return what *call* fails with, within three seconds, and the words for it."""
    async with asyncio.timeout(3):
        with pytest.raises(BackendError) as caught:
            await call
    assert "sesame" not in repr(caught.value)
    assert caught.value.__cause__ is None
    return caught.value.failure, str(caught.value)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Give an authority that is trusted by the environment's word."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.cert))
    return authority


def shown(authority: Authority, *addresses: str, expired: bool = False) -> ssl.SSLContext:
    """Return what a server shows whose certificate is for *addresses*."""
    until = datetime.now(UTC) - timedelta(minutes=1) if expired else None
    identity = authority.issue("server", *addresses, until=until)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity.cert, identity.key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@pytest.mark.parametrize("run", LOOPS)
def test_a_private_authority_is_trusted_if_the_environment_says_so(run: Run, authority: Authority) -> None:
    """SSL_CERT_FILE names it; one handshake serves many requests, and bodies of any size pass."""
    context = shown(authority, "IP:127.0.0.1")

    async def main() -> None:
        async with upstream(replies(200, bytes(2_000_000)), tls=context) as server, HttpClient() as client:
            for _ in range(3):
                assert len(await fetch(client, server.base_url)) == 2_000_000
            assert len(server.connections) == 1

    run(main())


@pytest.mark.parametrize("run", LOOPS)
def test_a_reader_that_lags_holds_the_upstream_over_tls_too(run: Run, authority: Authority) -> None:
    """Encryption has buffers of its own, and they have bounds as well."""
    context, total = shown(authority, "IP:127.0.0.1"), 20_000_000

    async def writes(exchange: Exchange) -> None:
        await exchange.head()
        for _ in range(total // 100_000):
            await exchange.chunk(bytes(100_000))
        await exchange.finish()

    async def main() -> int:
        async with upstream(writes, tls=context) as server, HttpClient() as client:
            async with client.open("POST", server.base_url, {}, b"", 2.0) as reply:
                size = len(await reply.read())
                await asyncio.sleep(0.3)
                assert server.busy
                assert reply._connection.reply.held <= 2 * HELD_BYTES
                while data := await reply.read():
                    size += len(data)
            return size

    assert run(main()) == total


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize(("address", "expired"), [("IP:127.0.0.1", True), ("DNS:other.example", False)])
def test_a_certificate_that_is_not_good_ends_the_way(
    run: Run, authority: Authority, address: str, expired: bool
) -> None:
    """Run out, or somebody else's: nothing is sent, least of all a key."""
    context = shown(authority, address, expired=expired)

    async def main() -> None:
        async with upstream(silent, tls=context) as server, HttpClient() as client:
            expected = (Failure.CONNECT, "the TLS handshake failed")
            assert await failure_of(fetch(client, server.base_url)) == expected
            assert server.exchanges == []

    run(main())


@pytest.mark.parametrize("run", LOOPS)
def test_a_handshake_that_nobody_answers_is_given_up(run: Run) -> None:
    """Within the time to connect, and its socket is closed then."""

    async def main() -> None:
        left = asyncio.Event()

        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            left.set()
            writer.close()

        async with await asyncio.start_server(mute, "127.0.0.1", 0) as server, HttpClient() as client:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            began = time.monotonic()
            expected = (Failure.CONNECT, "connecting took too long")
            assert await failure_of(fetch(client, url, connect_timeout=0.1)) == expected
            async with asyncio.timeout(1):
                await left.wait()
            assert time.monotonic() - began < 1.5

    run(main())


@pytest.mark.parametrize("run", LOOPS)
def test_an_address_of_version_6(run: Run) -> None:
    """As it is written in a URL."""

    async def main() -> str:
        async with upstream(replies(200, b"six"), host="::1") as server, HttpClient() as client:
            assert await fetch(client, server.base_url) == b"six"
            return server.exchanges[0].headers["host"].replace(str(server.port), "PORT")

    assert run(main()) == "[::1]:PORT"


@pytest.mark.parametrize("run", LOOPS)
def test_addresses_that_are_dead_cost_a_moment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One refuses, one never answers: the third is reached long before the second has been given up."""

    async def main() -> float:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            async with upstream(replies(200, b"ok")) as server, HttpClient() as client:
                ports = [1, full.getsockname()[1], server.port]
                found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

                async def resolve(*_: Any, **__: Any) -> list[Any]:
                    return found

                client._dialler._names.addresses = resolve  # type: ignore[method-assign]
                with socket.create_connection(("127.0.0.1", ports[1])):
                    began = time.monotonic()
                    assert await fetch(client, "http://three.example/") == b"ok"
                    return time.monotonic() - began

    monkeypatch.setenv("no_proxy", "*")
    assert run(main()) < 1.9


@asynccontextmanager
async def tunnelled(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, answer: bytes = THROUGH, *, secure: bool = False
) -> AsyncIterator[tuple[HttpClient, Tunnel, Upstream]]:
    """Give a client that reaches https://far.example only through a proxy, that proxy, and the upstream behind it."""
    context = shown(authority, "DNS:far.example", "IP:127.0.0.1")
    async with (
        upstream(replies(200, b"behind"), tls=context) as server,
        proxy(server.port, answer, context if secure else None) as tunnel,
    ):
        monkeypatch.setenv("https_proxy", tunnel.url)
        monkeypatch.delenv("no_proxy", raising=False)
        async with HttpClient() as client:
            yield client, tunnel, server


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_leads_to_https(run: Run, authority: Authority, monkeypatch: pytest.MonkeyPatch, secure: bool) -> None:
    """It sees where to, and its own key; the request goes past it under TLS, and so does the next on the same way."""

    async def main() -> None:
        async with tunnelled(authority, monkeypatch, secure=secure) as (client, tunnel, server):
            for _ in range(2):
                assert await fetch(client, "https://far.example/v1") == b"behind"
            (head,) = tunnel.heads
            assert head.startswith(b"CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n")
            assert AUTHORIZED in head
            assert b"sesame" not in head
            assert [exchange.path for exchange in server.exchanges] == ["/v1", "/v1"]
            assert "proxy-authorization" not in server.exchanges[0].headers

    run(main())


@pytest.mark.parametrize("run", LOOPS)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 2\r\n\r\nno",
            "the proxy does not let us through",
        ),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "the proxy does not let us through"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "the proxy does not let us through"),
        (THROUGH + b"garbage", "the proxy does not let us through"),
        (b"", "connecting took too long"),
    ],
    ids=["407", "502", "no HTTP", "garbage", "silence"],
)
def test_a_proxy_that_does_not_lead_there(
    run: Run, authority: Authority, monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str
) -> None:
    """Nobody is there, whatever it answers; the connection to it is closed."""

    async def main() -> None:
        async with tunnelled(authority, monkeypatch, answer) as (client, tunnel, server):
            url = "https://far.example/"
            failure, told = await failure_of(fetch(client, url, connect_timeout=0.3))
            assert failure is Failure.CONNECT
            assert told == words
            assert server.exchanges == []
            async with asyncio.timeout(1):
                while tunnel.tasks:  # noqa: ASYNC110 - the proxy has no event for it
                    await asyncio.sleep(0.005)

    run(main())


@pytest.mark.parametrize("run", LOOPS)
def test_a_cancel_on_the_way_leaves_nothing_behind(
    run: Run, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any moment of names, TCP, tunnels and TLS: the task ends cancelled, and every socket is closed."""
    dice = random.Random(1)

    async def descriptors(client: HttpClient) -> int:
        for pool in client._pools.values():
            pool.close()
        await asyncio.sleep(0.1)
        return _open_descriptors()

    async def main() -> None:
        async with tunnelled(authority, monkeypatch) as (client, tunnel, server):
            for url in (server.base_url, "https://far.example/"):
                before = await descriptors(client)
                for _ in range(150):
                    task = asyncio.create_task(fetch(client, url))
                    await asyncio.sleep(dice.random() * 0.008)
                    task.cancel()
                    (end,) = await asyncio.gather(task, return_exceptions=True)
                    assert end == b"behind" or isinstance(end, asyncio.CancelledError)
                    for pool in client._pools.values():
                        pool.close()
                assert await descriptors(client) <= before
            assert not tunnel.tasks

    run(main())


def test_a_proxy_is_asked_for_http_with_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """In absolute form; a refusal is an answer like others, for the status says what it is."""

    async def main() -> None:
        async with upstream(replies(407)) as asked:
            monkeypatch.setenv("http_proxy", f"http://user:p%40ss@127.0.0.1:{asked.port}")
            monkeypatch.delenv("no_proxy", raising=False)
            async with HttpClient() as client:
                for host in ("one", "two"):
                    async with client.open("POST", f"http://{host}.example/v1", {}, b"", 1.0) as reply:
                        assert reply.status == 407
                        await reply.drain()
            first, second = asked.exchanges
            assert (first.path, second.path) == ("http://one.example/v1", "http://two.example/v1")
            assert first.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
            assert len(asked.connections) == 1

    asyncio.run(main())


def _open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
