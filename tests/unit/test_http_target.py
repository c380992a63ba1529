"""Where a request goes, and what its head says."""

from __future__ import annotations

import pytest

from quickthorn_server.providers.http_request import RequestForm
from quickthorn_server.providers.http_target import Destination, Proxy, Target, target_of

PROXIES = {"http": "http://user:p%40ss@proxy:3128", "https": "secure.proxy:3129"}
KEY = ("Proxy-Authorization", "Basic dXNlcjpwQHNz")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "near.example")


@pytest.mark.parametrize(
    ("url", "destination", "resource", "host"),
    [
        ("http://near.example", Destination("near.example", 80, tls=False), "/", "near.example"),
        ("https://NEAR.example/v1?a=b%20c", Destination("near.example", 443, tls=True), "/v1?a=b%20c", "near.example"),
        ("https://near.example:8443/", Destination("near.example", 8443, tls=True), "/", "near.example:8443"),
        ("http://near.example:80/#part", Destination("near.example", 80, tls=False), "/", "near.example"),
        ("http://[::1]:8000/v1", Destination("::1", 8000, tls=False), "/v1", "[::1]:8000"),
        ("http://127.1.2.3/v1", Destination("127.1.2.3", 80, tls=False), "/v1", "127.1.2.3"),
        ("http://localhost/v1", Destination("localhost", 80, tls=False), "/v1", "localhost"),
    ],
)
def test_an_address_without_a_proxy(url: str, destination: Destination, resource: str, host: str) -> None:
    """Loopback and what NO_PROXY names are reached directly, whatever proxies there are."""
    assert target_of(url, PROXIES) == Target(destination, resource, (("Host", host),))


def test_http_through_a_proxy() -> None:
    """The proxy is asked, in absolute form and with its own key; all origins share its connections."""
    target = target_of("http://far.example:81/v1?a", PROXIES)
    assert target.destination == Destination("proxy", 3128, tls=False)
    assert target.resource == "http://far.example:81/v1?a"
    assert target.headers == (("Host", "far.example:81"), KEY)


def test_https_through_a_proxy() -> None:
    """The proxy leads to the origin, which is asked as always; `host:port` alone means http."""
    target = target_of("https://far.example/v1", PROXIES)
    tunnel = Proxy("secure.proxy", 3129, tls=False)
    assert target == Target(Destination("far.example", 443, True, tunnel), "/v1", (("Host", "far.example"),))
    keyed = target_of("https://far.example/v1", {"https": "https://user:p%40ss@proxy"})
    assert keyed.destination.tunnel == Proxy("proxy", 443, True, KEY[1])
    assert "Basic" not in repr(keyed)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("ftp://far.example/", ""),
        ("http:///v1", ""),
        ("far.example", ""),
        ("http://far.example:99999/", ""),
        ("http://far.example/a b", ""),
        ("http://far.example/\r\nx-key: 1", ""),
        ("http://fär.example/", ""),
        ("http://far.example/", "socks5://proxy:1080"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, proxy: str) -> None:
    """Nothing is guessed, and nothing is cleaned up in silence."""
    with pytest.raises(ValueError, match=r"."):
        target_of(url, {"http": proxy})


def head(method: str = "POST", resource: str = "/", **headers: str) -> bytes:
    """Return the head of a request with 7 bytes of body; `_` in names stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    target = Target(Destination("h", 80, tls=False), resource, (("Host", "h"),))
    return RequestForm(method, target, tuple(named)).head(named, 7)


def test_the_head_of_a_request() -> None:
    """Every byte of it."""
    assert head(resource="/50%25", X_Key="1%d") == (
        b"POST /50%25 HTTP/1.1\r\nHost: h\r\nUser-Agent: quickthorn\r\nAccept-Encoding: identity\r\n"
        b"Content-Length: 7\r\nX-Key: 1%d\r\n\r\n"
    )


def test_own_headers_can_be_replaced() -> None:
    """Whatever their case; they are not sent twice."""
    lines = head(HOST="other", user_agent="mine").split(b"\r\n")
    assert lines[1:] == [
        b"Accept-Encoding: identity",
        b"Content-Length: 7",
        b"HOST: other",
        b"user-agent: mine",
        b"",
        b"",
    ]


def test_the_later_of_two_names_that_differ_in_case_counts() -> None:
    """As where a backend's own headers stand beside those of its wire format."""
    lines = head(x_a="1", x_key="first", x_b="2", X_KEY="second").split(b"\r\n")
    assert lines[5:] == [b"x-a: 1", b"x-b: 2", b"X-KEY: second", b"", b""]


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nx: y", "a\rx: y", "a\n", "a\0", "\r\n", "\ud800"])
def test_a_value_cannot_smuggle_in_a_header(value: str) -> None:
    """Line ends of any kind are refused, at the end too; so is what cannot be encoded."""
    with pytest.raises(ValueError, match=r"."):
        head(x_key=value)


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {"x y": ""}),
        ("POST", {"x\r\ny": ""}),
        ("POST", {"": ""}),
        ("POST", {"x:": ""}),
        ("POST", {"\u212a": "a Kelvin sign, whose lower case is k"}),
        ("POST", {"Content-Length": "9"}),
        ("POST", {"transfer-encoding": "chunked"}),
        ("POST /a", {}),
        ("HEAD", {}),
        ("CONNECT", {}),
    ],
)
def test_what_would_change_where_a_message_ends_is_refused(method: str, headers: dict[str, str]) -> None:
    """Names that are none, the framing, methods whose replies have other ends."""
    with pytest.raises(ValueError, match=r"."):
        head(method, **headers)
