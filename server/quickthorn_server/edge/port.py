"""Where to listen: read an address strictly, and find out who else listens there, which gRPC does not say.

What gRPC 1.85 does by itself: a port that its own default shares is taken twice without a word; `localhost` is bound
on ::1 only when 127.0.0.1 is taken; a living server's unix socket is removed and replaced; port 99999 becomes 34463
and a missing port 443.
"""

from __future__ import annotations

import errno
import re
import socket
from dataclasses import dataclass
from pathlib import Path

_TCP = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%\w]+)\]|(?P<name>[^\[\]:/\s]+)):(?P<port>[0-9]{1,5})")
_HIGHEST_PORT = 65_535
_CONNECT = 1.0  # seconds: a unix socket that does not answer by then is somebody's all the same

Target = tuple[int, str]


class ListenError(Exception):
    """The server cannot listen; the message is one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host, or an IPv6 address without brackets, and a port; 0 = any free one."""

    host: str
    port: int


def tcp_address(address: str) -> TcpAddress:
    """Return the parts of `host:port` or `[ipv6]:port`.  Raises ListenError."""
    found = _TCP.fullmatch(address)
    if found is None or int(found["port"]) > _HIGHEST_PORT:
        raise ListenError(f'"{address}" is no address: say host:port, [ipv6]:port or unix:/path')
    return TcpAddress(found["v6"] or found["name"], int(found["port"]))


def check_free(address: str) -> None:
    """Raise ListenError where a server could not listen on *address*, or would share it with another."""
    if address.startswith("unix:"):
        _check_path(address, Path(re.sub(r"^unix:(//)?", "", address)))
    elif not address.startswith("unix-abstract:"):  # gRPC itself refuses one that is taken
        _check_tcp(address, tcp_address(address))


def sentence(address: str, error: OSError) -> str:
    """Return what an operator should read when binding *address* fails with *error*."""
    match error.errno:
        case errno.EADDRINUSE:
            return f"cannot listen on {address}: another process does; stop it or choose another port"
        case errno.EACCES | errno.EPERM:
            return f"cannot listen on {address}: not permitted; choose a port above 1023 or grant CAP_NET_BIND_SERVICE"
        case errno.EADDRNOTAVAIL:
            return f"cannot listen on {address}: this machine has no such address; 0.0.0.0 stands for all it has"
        case _:
            return f"cannot listen on {address}: {error.strerror or error}"


def _check_tcp(address: str, tcp: TcpAddress) -> None:
    """Bind every address that the name stands for.  One in use is a failure; some missing, such as IPv6, is not."""
    failures = []
    targets = _targets(address, tcp)
    for family, host in targets:
        try:
            _bind(family, host, tcp.port)
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                raise ListenError(sentence(address, error)) from None
            failures.append(error)
    if len(failures) == len(targets):
        raise ListenError(sentence(address, failures[0]))


def _targets(address: str, tcp: TcpAddress) -> list[Target]:
    if tcp.host == "localhost":  # gRPC binds both, whatever the resolver says
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    try:
        found = socket.getaddrinfo(tcp.host, tcp.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise ListenError(f'cannot listen on {address}: the name "{tcp.host}" cannot be resolved') from None
    return [(family, str(where[0])) for family, _, _, _, where in found]


def _bind(family: int, host: str, port: int) -> None:
    """Bind once, without SO_REUSEPORT: it fails even where the holder would share."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As gRPC does: connections of a server that has just ended do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _check_path(address: str, path: Path) -> None:
    if path.exists() and not path.is_socket():
        raise ListenError(f"cannot listen on {address}: {path} exists and is no socket; choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return  # nobody there; a socket left behind is replaced
        except OSError as error:
            raise ListenError(sentence(address, error)) from None
    raise ListenError(f"cannot listen on {address}: another process does; stop it or choose another path")
