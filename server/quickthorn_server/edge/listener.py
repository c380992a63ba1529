"""The gRPC server object and where it listens."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from quickthorn_server.core.catalogue import Tls
from quickthorn_server.edge.certificates import Certificates
from quickthorn_server.edge.port import ListenError, check_free

_MIB = 1024 * 1024

OPTIONS: tuple[tuple[str, int], ...] = (
    # A port that is taken must fail to bind, not be shared silently.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 32 * _MIB),
    ("grpc.max_send_message_length", 32 * _MIB),
    # Calls that we have not taken yet.  Beyond the first number some, beyond the second all are ended as CANCELLED and
    # without a word: with gRPC's own 1,000 and 3,000 these were 2,750 of 6,000 at once.
    ("grpc.server.max_pending_requests", 5_000),
    ("grpc.server.max_pending_requests_hard_limit", 10_000),
    # Connections end after a while, so that load balancers get to spread them; the grace stays infinite, because any
    # shorter one cuts the streams that outlive it.
    ("grpc.max_connection_age_ms", 600_000),
    # A frozen peer is found after the sum of these two.  `grpc.keepalive_timeout_ms` made no difference.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    # Below every interval at which a mesh pings; also without calls, or it loses its idle connections.  The name with
    # `min_recv_ping_` is silently ignored.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


def new_server(
    interceptor: grpc.aio.ServerInterceptor, options: Sequence[tuple[str, int]] = OPTIONS
) -> grpc.aio.Server:
    """Return a server without services that listens nowhere yet.

    Without `maximum_concurrent_rpcs`: it would count health checks too, and refuse without pushback.
    """
    return grpc.aio.server(interceptors=(interceptor,), options=options)


def listen(server: grpc.aio.Server, address: str, tls: Tls | None) -> int:
    """Let *server* listen on *address* and return the port, 0 for a unix socket.

    Raises ListenError where the address is taken, also by one who would share it, or cannot be used.
    """
    check_free(address)
    try:
        if tls is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, Certificates(tls).credentials())
    except RuntimeError:
        raise ListenError(f"cannot listen on {address}: gRPC could not bind it") from None
    return 0 if address.startswith("unix") else port
