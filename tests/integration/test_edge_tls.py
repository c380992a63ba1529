"""Certificates that change, and those that cannot work: over real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from quickthorn_server.core.catalogue import Tls
from quickthorn_server.edge.certificates import Certificates
from quickthorn_server.edge.listener import listen
from quickthorn_server.edge.port import ListenError
from tests.support.grpc_rig import echo_server, unary
from tests.support.pki import Authority

ADDRESS = "DNS:localhost"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two authorities, two server certificates of the first and a client's, and a stranger's."""
    folder = tmp_path_factory.mktemp("pki")
    ours, other = Authority(folder), Authority(folder, "other")
    for name in ("one", "two", "client"):
        ours.issue(name, ADDRESS)
    other.issue("stranger", ADDRESS)
    ours.lock("locked", b"x")
    return folder


def install(pki: Path, name: str, where: Path) -> Tls:
    """Put certificate *name* where a server reads it, at a time of its own."""
    for kind in ("pem", "key"):
        (where / f"tls.{kind}").write_bytes((pki / f"{name}.{kind}").read_bytes())
        stamp = time.time_ns() + 1_000_000_000
        os.utime(where / f"tls.{kind}", ns=(stamp, stamp))
    return Tls(str(where / "tls.pem"), str(where / "tls.key"))


def channel_to(port: int, pki: Path, client: str = "") -> grpc.aio.Channel:
    """Return a new connection that trusts ca, and shows *client*'s certificate."""
    pair = [(pki / f"{client}.{kind}").read_bytes() for kind in ("key", "pem")] if client else [None, None]
    credentials = grpc.ssl_channel_credentials((pki / "ca.pem").read_bytes(), *pair)
    return grpc.aio.secure_channel(f"localhost:{port}", credentials, options=[("grpc.use_local_subchannel_pool", 1)])


async def served_as(port: int, pki: Path) -> str:
    """Return the common name in the certificate of a new handshake."""
    context = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    context.set_alpn_protocols(["h2"])

    def look() -> str:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=3) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as wrapped,
        ):
            shown: Any = wrapped.getpeercert()
        return str(shown["subject"][0][0][1])

    return await asyncio.to_thread(look)


def test_a_new_certificate_serves_new_connections(pki: Path, tmp_path: Path) -> None:
    """Handshakes after a change see it, running connections go on, and broken files change nothing."""
    tls = install(pki, "one", tmp_path)
    now = [0.0]
    certificates = Certificates(tls, lambda: now[0])

    async def main() -> None:
        made = echo_server()
        port = made.add_secure_port("127.0.0.1:0", certificates.credentials())
        await made.start()
        async with channel_to(port, pki) as old:
            await unary(old, "Echo")(StringValue(), timeout=3)
            assert await served_as(port, pki) == "one"
            install(pki, "two", tmp_path)
            assert await served_as(port, pki) == "one"  # looked at a moment ago
            now[0] += 1.0
            assert await served_as(port, pki) == "two"
            (tmp_path / "tls.pem").write_text("half a cert")
            now[0] += 1.0
            assert await served_as(port, pki) == "two"
            (tmp_path / "tls.pem").unlink()
            now[0] += 1.0
            assert await served_as(port, pki) == "two"
            await unary(old, "Echo")(StringValue(), timeout=3)
            async with channel_to(port, pki) as new:
                await unary(new, "Echo")(StringValue(), timeout=3)
        await made.stop(None)

    asyncio.run(main())


def test_files_are_read_only_when_they_change(pki: Path, tmp_path: Path) -> None:
    """Unchanged = None, and not even looked at within a second: the answer must cost nothing."""
    now = [0.0]
    certificates = Certificates(install(pki, "one", tmp_path), lambda: now[0])
    assert certificates.changed() is None
    install(pki, "two", tmp_path)
    assert certificates.changed() is None
    now[0] = 1.0
    assert certificates.changed() is not None
    now[0] = 2.0
    assert certificates.changed() is None


def test_files_that_cannot_be_used_are_logged_and_tried_again(
    pki: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate that came before its key changes nothing until the key has come too."""
    now = [0.0]
    certificates = Certificates(install(pki, "one", tmp_path), lambda: now[0])
    (tmp_path / "tls.pem").write_bytes((pki / "two.pem").read_bytes())
    for now[0] in (1.0, 2.0):
        assert certificates.changed() is None
    assert caplog.text.count("the certificate stays as it was") == 2
    (tmp_path / "tls.key").write_bytes((pki / "two.key").read_bytes())
    now[0] = 3.0
    assert certificates.changed() is not None


def test_clients_show_certificates_where_an_authority_is_set(pki: Path, tmp_path: Path) -> None:
    """Ours is let in; a stranger's and none are not."""
    plain = install(pki, "one", tmp_path)
    tls = Tls(plain.cert_file, plain.key_file, str(pki / "ca.pem"))

    async def main() -> None:
        made = echo_server()
        port = listen(made, "127.0.0.1:0", tls)
        await made.start()
        async with channel_to(port, pki, "client") as channel:
            await unary(channel, "Echo")(StringValue(), timeout=3)
        for client in ("stranger", ""):
            async with channel_to(port, pki, client) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await unary(channel, "Echo")(StringValue(), timeout=3)
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        await made.stop(None)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("cert", "key", "words"),
    [
        ("one.pem", "two.key", "one.pem and .*two.key are no matching PEM certificate and key"),
        ("missing.pem", "one.key", "No such file"),
        ("one.key", "one.key", "are no matching PEM"),
        ("ca.pem", "locked.key", "are no matching PEM"),
    ],
)
def test_certificates_that_cannot_work_are_said_at_the_start(pki: Path, cert: str, key: str, words: str) -> None:
    """Bare gRPC would only fail at the first handshake, and ask for a key's password on the terminal."""
    with pytest.raises(ListenError, match=words):
        Certificates(Tls(str(pki / cert), str(pki / key)))
