"""Where a client connects and with what: target, TLS, key, deadline, channel options."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import grpc

from quickthorn._fields import CallOptions
from quickthorn._version import __version__

DEFAULT_TARGET = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 600.0
"""Seconds.  Long enough for a long answer, short enough that nothing waits for ever."""

ChannelOptions = Sequence[tuple[str, Any]]
Pem = bytes | str | PathLike[str]
"""Bytes are PEM text itself, anything else is the path of a file with it."""

_MESSAGE_LIMIT = 32 * 1024 * 1024
_NO_RETRIES = {"methodConfig": [{"name": [{"service": "quickthorn.v1.Routing"}]}]}

_OPTIONS: ChannelOptions = (
    ("grpc.primary_user_agent", f"quickthorn-python/{__version__}"),
    ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
    ("grpc.max_send_message_length", _MESSAGE_LIMIT),
    # A model may think for minutes: pings keep middleboxes from forgetting the connection and find a dead one.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # The server retries, fails over and hedges; a second layer would multiply attempts and what they cost.  So no
    # retry policy, and none from DNS.  What gRPC does by itself stays: it resends what no server has seen.
    ("grpc.service_config", json.dumps(_NO_RETRIES)),
    ("grpc.service_config_disable_resolution", 1),
    # gRPC's own longest wait before it connects again is two minutes.
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
_C = TypeVar("_C")
_SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "vsock:", "xds:", "passthrough:")
_LOOPBACK = re.compile(r"(?:dns:/*|ipv[46]:)?(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?|unix.*")
_WEB_SCHEME = re.compile(r"https?://", re.IGNORECASE)


class CallArguments(TypedDict):
    """What a generated stub takes beside its request."""

    timeout: float | None
    wait_for_ready: bool
    metadata: tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS.

    *ca*: whom to trust; None = the roots that gRPC brings along.  *cert* and *key*: who we are, both or neither.
    *server_name*: the name to expect in the server's certificate if it is not the target's.
    """

    ca: Pem | None = None
    cert: Pem | None = None
    key: Pem | None = field(default=None, repr=False)
    server_name: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """Return the channel's credentials.  Raises OSError if a file cannot be read."""
        if (self.cert is None) != (self.key is None):
            raise ValueError("a client certificate needs both cert and key")
        return grpc.ssl_channel_credentials(_pem(self.ca), _pem(self.key), _pem(self.cert))


@dataclass(frozen=True, slots=True)
class Connection:
    """Everything that a channel and its calls need.  Raises ValueError if it cannot work."""

    target: str
    tls: bool | Tls
    api_key: str | None = field(repr=False)
    timeout: float | None
    wait_for_ready: bool
    options: ChannelOptions

    def __post_init__(self) -> None:
        if self.api_key is not None and not _travels(self.api_key):
            # The key itself stays out of the message.
            raise ValueError("api_key is empty or holds a space, line break or other character no header can carry")

    def opened(self, insecure: Callable[..., _C], secure: Callable[..., _C], **more: Any) -> _C:
        """Return a channel made by one of the two, which take what grpc and grpc.aio take."""
        tls = Tls() if self.tls is True else self.tls
        options = self._channel_options(tls.server_name if tls else "")
        if tls:
            return secure(self.target, tls.credentials(), options=options, **more)
        return insecure(self.target, options=options, **more)

    def call(self, options: CallOptions, request_id: str = "") -> CallArguments:
        """Return the arguments of one call.  *request_id* travels as metadata too, so that even a refusal echoes it."""
        metadata = list(options.get("metadata", ()))
        if self.api_key is not None:
            metadata.append(("authorization", f"Bearer {self.api_key}"))
        if request_id and _travels(request_id):
            metadata.append(("quickthorn-request-id", request_id))
        return {
            "timeout": options.get("timeout", self.timeout),
            "wait_for_ready": options.get("wait_for_ready", self.wait_for_ready),
            "metadata": tuple(metadata),
        }

    def _channel_options(self, server_name: str) -> list[tuple[str, Any]]:
        chosen = dict(_OPTIONS)
        if _LOOPBACK.fullmatch(self.target):
            chosen["grpc.enable_http_proxy"] = 0  # gRPC would ask an HTTP proxy to connect to this machine
        if server_name:
            chosen["grpc.ssl_target_name_override"] = server_name
        return list({**chosen, **dict(self.options)}.items())


def addressed(target: str, tls: bool | Tls) -> tuple[str, bool | Tls]:
    """Return the address that *target* means and how to speak there.

    A target is `host:port`, `http://host:port` (the same), `https://host:port` (TLS, as *tls* says or with gRPC's
    roots), or a name in gRPC's own schemes, such as `unix:/path`.  Raises ValueError for anything else.
    """
    if web := _WEB_SCHEME.match(target):
        bare = target[web.end() :].rstrip("/")
        secure = web.group().lower() == "https://"
        if tls and not secure:
            raise ValueError(f'target "{target}" is clear text, and tls is asked for; use "https://{bare}"')
        target, tls = bare, tls or secure
    elif "://" in target and not target.startswith(_SCHEMES):
        scheme = target.partition("://")[0]
        raise ValueError(f'target "{target}" is neither http:// nor https://, but {scheme}://; use "host:port"')
    if not target.startswith(_SCHEMES) and not re.search(r":\d+$", target):
        raise ValueError(f'target "{target}" has no port; use "{target or "127.0.0.1"}:50051" or wherever it listens')
    return target, tls


def _travels(value: str) -> bool:
    """Whether *value* can stand in a header."""
    return value.isascii() and value.isprintable() and bool(value) and " " not in value


def _pem(given: Pem | None) -> bytes | None:
    return given if given is None or isinstance(given, bytes) else Path(given).read_bytes()
