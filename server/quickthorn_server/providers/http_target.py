"""Where a request goes: its address and the proxy before it, out of a URL and the environment's proxies.  Pure."""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import proxy_bypass

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy; *authorization* is the value of Proxy-Authorization, "" = it wants none."""

    host: str
    port: int
    tls: bool
    authorization: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Destination:
    """What a connection leads to.  *tunnel*: the proxy to pass through on the way, by CONNECT."""

    host: str
    port: int
    tls: bool
    tunnel: Proxy | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is sent to, and the resource and headers that it asks with."""

    destination: Destination
    resource: str
    headers: tuple[tuple[str, str], ...]


def target_of(url: str, proxies: Mapping[str, str]) -> Target:
    """Return where *url* leads; *proxies* are addresses by scheme.  Raises ValueError when *url* is no http(s) address.

    What is passed through a proxy asks it in absolute form without TLS, and through a tunnel with it (RFC 9112, 3.2.2
    and 3.2.3).
    """
    parts, host, port = _address(url)
    authority = f"[{host}]" if ":" in host else host
    if port != _PORTS[parts.scheme]:
        authority = f"{authority}:{port}"
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [("Host", authority)]
    tls = parts.scheme == "https"
    proxy = None if _direct(host) else _proxy(proxies.get(parts.scheme, ""))
    if proxy is None or tls:
        return Target(Destination(host, port, tls, proxy), resource, tuple(headers))
    if proxy.authorization:
        headers.append(("Proxy-Authorization", proxy.authorization))
    return Target(Destination(proxy.host, proxy.port, proxy.tls), f"http://{authority}{resource}", tuple(headers))


def _address(url: str) -> tuple[SplitResult, str, int]:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("an address is printable ASCII without spaces")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("an address begins with http:// or https://, and names a host")
    return parts, parts.hostname, parts.port or _PORTS[parts.scheme]


def _proxy(url: str) -> Proxy | None:
    """Return the proxy that *url* names; as everywhere, `proxy:3128` means http."""
    if not url:
        return None
    parts, host, port = _address(url if "://" in url else f"http://{url}")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(pair.encode()).decode()}"
    return Proxy(host, port, parts.scheme == "https", authorization)


def _direct(host: str) -> bool:
    """Say whether *host* is reached without a proxy: loopback never has one (the rule of Go's httpproxy)."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return bool(proxy_bypass(host))
