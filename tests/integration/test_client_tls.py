"""TLS and mutual TLS, of both clients, and what is said where they do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from quickthorn import Client, QuickthornError, Tls, text
from tests.support.both_clients import Call, both_clients
from tests.support.fake_routing import FakeRouting, serving
from tests.support.pki import Authority, Identity


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return whom both sides trust."""
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Identity:
    """Return the identity of a server on this machine."""
    return authority.issue("server", "DNS:localhost", "DNS:quickthorn.test", "IP:127.0.0.1")


@pytest.fixture
def fake(server: Identity) -> Iterator[FakeRouting]:
    """Return a server that speaks TLS."""
    with serving(FakeRouting(), grpc.ssl_server_credentials([server.pair()])) as running:
        yield running


def refusal(call: Call, fake: FakeRouting, tls: bool | Tls) -> QuickthornError:
    """Return the error of a call that cannot connect."""
    with pytest.raises(QuickthornError) as caught:
        call(fake, "complete", "Hello", client={"tls": tls}, timeout=5)
    assert not caught.value.from_server
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    return caught.value


@both_clients
def test_a_trusted_server_answers(fake: FakeRouting, call: Call, authority: Authority) -> None:
    """The authority may be given as a file or as its text."""
    for ca in (authority.cert, str(authority.cert), authority.cert.read_bytes()):
        assert text(call(fake, "complete", "Hello", client={"tls": Tls(ca=ca), "api_key": "sk-1"})) == "Hello, world"
    assert fake.metadata[-1]["authorization"] == "Bearer sk-1"


@both_clients
def test_an_untrusted_server_is_refused(fake: FakeRouting, call: Call, tmp_path: Path) -> None:
    """Neither the public roots nor another authority vouch for it; no request is sent."""
    refusal(call, fake, True)
    refusal(call, fake, Tls(ca=Authority(tmp_path, "other").cert))
    assert fake.requests == []


@both_clients
def test_clear_text_and_tls_do_not_mix(fake: FakeRouting, call: Call, authority: Authority) -> None:
    """Clear text to a TLS server and the reverse are one clear error each, soon."""
    refusal(call, fake, False)
    with serving(FakeRouting()) as plain:
        refusal(call, plain, Tls(ca=authority.cert))


@both_clients
def test_a_name_can_be_expected_that_is_not_the_targets(call: Call, authority: Authority, tmp_path: Path) -> None:
    """Behind a tunnel the certificate's name is not the one that was connected to."""
    named = authority.issue(f"named-{tmp_path.name}", "DNS:quickthorn.test")
    with serving(FakeRouting(), grpc.ssl_server_credentials([named.pair()])) as fake:
        refusal(call, fake, Tls(ca=authority.cert))
        expected = Tls(ca=authority.cert, server_name="quickthorn.test")
        assert text(call(fake, "complete", "Hello", client={"tls": expected})) == "Hello, world"


@both_clients
def test_mutual_tls(call: Call, authority: Authority, server: Identity) -> None:
    """A server that wants a certificate gets it; without one nothing is served."""
    credentials = grpc.ssl_server_credentials(
        [server.pair()], root_certificates=authority.cert.read_bytes(), require_client_auth=True
    )
    client = authority.issue("client")
    with serving(FakeRouting(), credentials) as fake:
        proven = Tls(ca=authority.cert, cert=client.cert, key=client.key)
        assert text(call(fake, "complete", "Hello", client={"tls": proven})) == "Hello, world"
        refusal(call, fake, Tls(ca=authority.cert))


def test_a_certificate_that_cannot_be_read_is_said_at_once() -> None:
    """A wrong path is an OSError that names it, before anything is connected to."""
    with pytest.raises(FileNotFoundError, match=r"absent\.pem"):
        Client(tls=Tls(ca="absent.pem"))
