"""Server reflection, in both versions that clients ask for."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from quickthorn.v1 import admin_service_pb2, routing_service_pb2

# Services are known to the descriptor pool only once their own file is imported; the stubs do not import it.
_FILES = (routing_service_pb2, admin_service_pb2, health_pb2, reflection_pb2)

SERVICES = tuple(service.full_name for file in _FILES for service in file.DESCRIPTOR.services_by_name.values())
"""What clients are told of.  Not v1 of reflection: tools describe what they are told of, and no file describes it."""

_V1 = "grpc.reflection.v1.ServerReflection"


def register_reflection(server: grpc.aio.Server) -> None:
    """Let clients ask *server* for the schema of its services; call it before the server starts.

    Only v1alpha ships; v1 has the same messages on the wire under another name.
    """
    reflection.enable_server_reflection(SERVICES, server)
    handler = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(SERVICES).ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_V1, methods),))
