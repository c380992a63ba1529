"""Addresses, and what an operator reads when one cannot be used."""

from __future__ import annotations

import errno
import os

import pytest

from quickthorn_server.edge.port import ListenError, TcpAddress, check_free, sentence, tcp_address


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("127.0.0.1:50051", "127.0.0.1", 50051),
        ("localhost:0", "localhost", 0),
        ("[::1]:443", "::1", 443),
        ("[::]:65535", "::", 65535),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("router.internal:80", "router.internal", 80),
    ],
)
def test_addresses(address: str, host: str, port: int) -> None:
    """A name, an IPv4 or a bracketed IPv6 address, and a port."""
    assert tcp_address(address) == TcpAddress(host, port)


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":50051",
        "127.0.0.1",
        "[::1]",
        "::1:50051",
        "127.0.0.1:99999",
        "127.0.0.1:http",
        "dns:///h:1",
        "h:1:2",
        "a b:1",
    ],
)
def test_what_grpc_would_misread_is_refused(address: str) -> None:
    """Without a port gRPC takes 443, and of 99999 it makes 34463: both are no address here."""
    with pytest.raises(ListenError, match="is no address: say host:port"):
        check_free(address)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EADDRINUSE, "another process does; stop it or choose another port"),
        (errno.EACCES, "not permitted; choose a port above 1023"),
        (errno.EADDRNOTAVAIL, "no such address; 0.0.0.0 stands for all"),
        (errno.ENOTSUP, os.strerror(errno.ENOTSUP)),
    ],
)
def test_each_fault_says_what_to_do(code: int, words: str) -> None:
    """One sentence with the address, the cause and the remedy."""
    told = sentence("10.0.0.1:80", OSError(code, os.strerror(code)))
    assert told.startswith("cannot listen on 10.0.0.1:80: ")
    assert words in told
