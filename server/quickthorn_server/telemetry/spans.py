"""Whether RPCs are traced: only in a process where somebody has set up OpenTelemetry's SDK."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from opentelemetry import trace

Run = Callable[[bytes, Any], Awaitable[bytes | None]]
Around = Callable[[str, Run], Run]


def around_rpcs() -> Around | None:
    """Return what puts a span around the RPCs of a method; None = nobody would receive it.

    Call it before the server is made: see `RpcSpans.alone`.
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    from quickthorn_server.telemetry.rpc_spans import RpcSpans  # noqa: PLC0415 - 80 ms that most processes need not pay

    RpcSpans.alone()
    return RpcSpans().around
