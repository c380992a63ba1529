"""What a client connects with, and what it refuses to try."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import quickthorn
from quickthorn import AsyncClient, Client, Tls
from quickthorn._connection import Connection, addressed

PROJECT = Path(__file__).parents[2] / "clients" / "python" / "pyproject.toml"


def connection(target: str = "127.0.0.1:50051", **changes: Any) -> Connection:
    """Return a connection that differs from the default in *changes*."""
    plain = {"tls": False, "api_key": None, "timeout": 600.0, "wait_for_ready": False, "options": ()}
    return Connection(target, **{**plain, **changes})


def channel_options(*args: Any, **changes: Any) -> dict[str, Any]:
    """Return the options that the channel would be opened with."""

    def opened(_target: str, *_credentials: Any, options: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(options)

    return connection(*args, **changes).opened(opened, opened)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("http://localhost", 'has no port; use "localhost:50051"'),
        ("ftp://localhost:50051", 'neither http:// nor https://, but ftp://; use "host:port"'),
        ("localhost", 'has no port; use "localhost:50051"'),
        ("", 'has no port; use "127.0.0.1:50051"'),
    ],
)
def test_a_target_that_cannot_work_is_refused(target: str, said: str) -> None:
    """The remedy is in the message, and nothing is connected to."""
    for client in (Client, AsyncClient):
        with pytest.raises(ValueError, match=said):
            client(target)


def test_a_web_address_says_how_to_speak() -> None:
    """`https` is TLS with the roots of gRPC, unless more is said; clear text where TLS is asked for is refused."""
    assert addressed("http://localhost:50051", tls=False) == ("localhost:50051", False)
    assert addressed("HTTPS://llm.example.com:443/", tls=False) == ("llm.example.com:443", True)
    tls = Tls(server_name="other")
    assert addressed("https://llm.example.com:443", tls) == ("llm.example.com:443", tls)
    with pytest.raises(ValueError, match='use "https://localhost:50051"'):
        addressed("http://localhost:50051", tls=True)


@pytest.mark.parametrize(
    "target", ["localhost:50051", "[::1]:50051", "dns:///quickthorn.example:50051", "unix:/run/qt.sock", "xds:///qt"]
)
def test_whatever_grpc_resolves_is_a_target(target: str) -> None:
    """Names, addresses, sockets and resolvers' schemes are left to gRPC."""
    assert connection(target).target == target


@pytest.mark.parametrize("key", ["", "sk-secret\n", "sk secret", "sk-sécret"])
def test_a_key_that_cannot_travel_is_refused_without_being_shown(key: str) -> None:
    """The line break at the end of a file is the usual case; the message must not hold the key."""
    with pytest.raises(ValueError, match="api_key") as caught:
        connection(api_key=key)
    assert "secret" not in str(caught.value)


def test_secrets_are_not_in_the_repr() -> None:
    """What gets printed and logged shows no key."""
    shown = repr(connection(api_key="sk-secret", tls=Tls(cert=b"public", key=b"secret")))
    assert "secret" not in shown
    with Client(api_key="sk-secret") as client:
        assert repr(client) == "Client('127.0.0.1:50051')"


def test_half_a_client_certificate_is_refused() -> None:
    """A certificate without its key proves nothing."""
    with pytest.raises(ValueError, match="both cert and key"):
        Client(tls=Tls(cert=b"certificate"))


def test_the_channel_neither_retries_nor_hedges() -> None:
    """The server does that, and two hedgers multiply; not even DNS may switch it on."""
    options = channel_options()
    [method] = json.loads(options["grpc.service_config"])["methodConfig"]
    assert method == {"name": [{"service": "quickthorn.v1.Routing"}]}
    assert options["grpc.service_config_disable_resolution"] == 1


def test_the_channel_fits_long_streams_of_large_messages() -> None:
    """32 MiB both ways, pings every 30 s, also while nothing is said."""
    options = channel_options()
    assert options["grpc.max_receive_message_length"] == options["grpc.max_send_message_length"] == 32 * 1024 * 1024
    assert options["grpc.keepalive_time_ms"] == 30_000
    assert options["grpc.http2.ping_timeout_ms"] == 10_000
    assert options["grpc.keepalive_permit_without_calls"] == 1


def test_the_callers_options_win() -> None:
    """Every option of the channel can be overridden."""
    given = (("grpc.keepalive_time_ms", 5_000), ("grpc.lb_policy_name", "round_robin"))
    options = channel_options(options=given)
    assert options["grpc.keepalive_time_ms"] == 5_000
    assert options["grpc.lb_policy_name"] == "round_robin"


@pytest.mark.parametrize(
    ("target", "proxied"),
    [
        ("127.0.0.1:1", False),
        ("localhost:1", False),
        ("[::1]:1", False),
        ("dns:///localhost:1", False),
        ("unix:/run/qt.sock", False),
        ("127.0.0.1.example.com:1", True),
        ("llm.example.com:443", True),
    ],
)
def test_no_proxy_is_asked_to_reach_this_machine(target: str, proxied: bool) -> None:
    """An `http_proxy` in the environment is for other machines."""
    assert ("grpc.enable_http_proxy" in channel_options(target)) is not proxied


def test_a_server_may_have_another_name_than_its_target() -> None:
    """`server_name` is what the certificate is compared with."""
    assert channel_options(tls=Tls(server_name="qt"))["grpc.ssl_target_name_override"] == "qt"


def test_a_call_carries_key_and_request_id() -> None:
    """Both travel as metadata beside the caller's own; an id that no header can carry stays in the request."""
    call = connection(api_key="sk-1").call({"metadata": [("traceparent", "00-1")]}, "r-1")
    assert call["metadata"] == (
        ("traceparent", "00-1"),
        ("authorization", "Bearer sk-1"),
        ("quickthorn-request-id", "r-1"),
    )
    assert connection().call({}, "réclame")["metadata"] == ()


def test_a_calls_own_deadline_wins() -> None:
    """Left out means the client's, None means none."""
    assert connection().call({})["timeout"] == 600.0
    assert connection().call({"timeout": None})["timeout"] is None
    assert connection(timeout=None).call({"timeout": 2.5})["timeout"] == 2.5
    assert connection(wait_for_ready=True).call({})["wait_for_ready"] is True


def test_there_is_one_version() -> None:
    """The package says what its distribution says."""
    assert tomllib.loads(PROJECT.read_text())["project"]["version"] == quickthorn.__version__
