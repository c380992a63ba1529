"""Server reflection in both versions, over real sockets, behind the interceptor and without a key."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2

from quickthorn.v1.routing_service_pb2_grpc import RoutingServicer, add_RoutingServicer_to_server
from quickthorn_server.core.catalogue import Caller
from quickthorn_server.core.secret import Secret
from quickthorn_server.edge.callers import Callers
from quickthorn_server.edge.gate import Gate
from quickthorn_server.edge.health import Health
from quickthorn_server.edge.interceptor import Edge
from quickthorn_server.edge.listener import new_server
from quickthorn_server.edge.reflection import register_reflection
from tests.support.grpc_rig import told

SERVICES = {
    "quickthorn.v1.Routing",
    "quickthorn.v1.Admin",
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
}


async def asked(channel: grpc.aio.Channel, version: str, **question: str) -> Any:
    """Return the answer to one question of reflection *version*."""
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )()
    await call.write(reflection_pb2.ServerReflectionRequest(**question))
    answer = await call.read()
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK
    return answer


async def learned(channel: grpc.aio.Channel, version: str, symbol: str) -> DescriptorPool:
    """Return a pool with the file of *symbol* and all that it needs, each asked for by name."""
    pool = DescriptorPool()
    known: set[str] = set()

    async def add(**question: str) -> None:
        answer = await asked(channel, version, **question)
        for raw in answer.file_descriptor_response.file_descriptor_proto:
            file = FileDescriptorProto.FromString(raw)
            known.add(file.name)
            for needed in file.dependency:
                if needed not in known:
                    await add(file_by_filename=needed)
            pool.AddSerializedFile(raw)

    await add(file_containing_symbol=symbol)
    return pool


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_a_client_that_knows_nothing_learns_the_schema(version: str) -> None:
    """Services are listed, and the files of Routing build a pool with its methods; no key is asked for."""

    async def main() -> None:
        server = new_server(Edge(Gate(10), Callers([Caller("anna", Secret("key"))]), told))
        add_RoutingServicer_to_server(RoutingServicer(), server)  # type: ignore[abstract]
        Health().register(server)
        register_reflection(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            listed = await asked(channel, version, list_services="")
            names = {service.name for service in listed.list_services_response.service}
            assert names == SERVICES
            pool = await learned(channel, version, "quickthorn.v1.Routing")
            service = pool.FindServiceByName("quickthorn.v1.Routing")
            assert "StreamComplete" in service.methods_by_name
            for name in names:
                answer = await asked(channel, version, file_containing_symbol=name)
                assert answer.HasField("file_descriptor_response"), name
            missing = await asked(channel, version, file_containing_symbol="nobody.Knows")
            assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
        await server.stop(None)

    asyncio.run(main())
