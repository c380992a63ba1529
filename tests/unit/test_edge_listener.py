"""The server's options: names that gRPC ignores in silence when they are wrong."""

from __future__ import annotations

from quickthorn_server.edge.listener import OPTIONS


def test_the_options_that_a_mesh_and_long_streams_need() -> None:
    """Names and values, each measured; in particular no `min_recv_ping_`, and no grace that would cut streams."""
    assert dict(OPTIONS) == {
        "grpc.so_reuseport": 0,
        "grpc.max_receive_message_length": 32 * 1024 * 1024,
        "grpc.max_send_message_length": 32 * 1024 * 1024,
        "grpc.max_connection_age_ms": 600_000,
        "grpc.keepalive_time_ms": 30_000,
        "grpc.http2.ping_timeout_ms": 10_000,
        "grpc.http2.min_ping_interval_without_data_ms": 5_000,
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.server.max_pending_requests": 5_000,
        "grpc.server.max_pending_requests_hard_limit": 10_000,
    }
