"""How both floors are served."""

from __future__ import annotations

import asyncio
import sys

import grpc

from quickthorn.v1.routing_service_pb2_grpc import RoutingServicer, add_RoutingServicer_to_server


async def serve(servicer: RoutingServicer) -> None:
    """Serve until standard input ends; print `listening ADDRESS` first."""
    server = grpc.aio.server()
    add_RoutingServicer_to_server(servicer, server)  # type: ignore[no-untyped-call,unused-ignore]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening 127.0.0.1:{port}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop(None)
