"""Server reflection, in both versions that clients ask for."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from quickthorn.v1 import admin_service_pb2, routing_service_pb2

# Services are known to the descriptor pool only once their own file is imported; the stubs do not import it.
_FILES = (routing_service_pb2, admin_service_pb2, health_pb2, reflection_pb2)

SERVICES = tuple(service.full_name for file in _FILES for service in file.DESCRIPTOR.services_by_name.values())
"""What clients are told of.  Not v1 of reflection: tools describe what they are told of, and no file describes it."""

_V1 = "grpc.reflection.v1.ServerReflection"


class _Pool:
    """The pool of all descriptors, where methods are symbols too: ghz and `grpcurl describe` ask for theirs."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - the pool's own name
        """Return the file of a message, service, enum or method.  Raises KeyError if there is no such symbol."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


def register_reflection(server: grpc.aio.Server) -> None:
    """Let clients ask *server* for the schema of its services; call it before the server starts.

    Only v1alpha ships; v1 has the same messages on the wire under another name.
    """
    pool = _Pool()
    reflection.enable_server_reflection(SERVICES, server, pool=pool)
    handler = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(SERVICES, pool=pool).ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_V1, methods),))
