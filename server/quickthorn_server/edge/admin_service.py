"""`quickthorn.v1.Admin`, so far in name only."""

from __future__ import annotations

import grpc

from quickthorn.v1.admin_service_pb2_grpc import AdminServicer, add_AdminServicer_to_server


def register_admin(server: grpc.aio.Server) -> None:
    """Add the service to *server*, before it starts: every RPC answers UNIMPLEMENTED and says its name."""
    # The generated methods raise; the edge's interceptor knows them for what they are and never calls them.
    add_AdminServicer_to_server(AdminServicer(), server)  # type: ignore[abstract]
