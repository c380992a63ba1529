"""The client for programs with asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast
from weakref import WeakSet

import grpc
import grpc.aio

from quickthorn._async_stream import AsyncStream, was_addressed_to_us
from quickthorn._connection import (
    DEFAULT_TARGET,
    DEFAULT_TIMEOUT,
    CallArguments,
    ChannelOptions,
    Connection,
    Tls,
    addressed,
)
from quickthorn._errors import cancelled_here, of_call
from quickthorn._fields import CallOptions, CompletionFields, EmbeddingInputs, EmbedFields, Messages
from quickthorn._request import completion_request, embed_request
from quickthorn.v1.completion_pb2 import Completion, CompletionRequest
from quickthorn.v1.embedding_pb2 import EmbedRequest, EmbedResponse
from quickthorn.v1.explanation_pb2 import Explanation
from quickthorn.v1.route_pb2 import ListRoutesRequest, ListRoutesResponse
from quickthorn.v1.routing_service_pb2_grpc import RoutingStub

if TYPE_CHECKING:
    from quickthorn.v1.routing_service_pb2_grpc import RoutingAsyncStub

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


class AsyncClient:
    """As `Client`, for asyncio.  Belongs to the event loop of its first call.

    Cancelling the task that waits for a call cancels the call, and CancelledError goes through.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        api_key: str | None = None,
        tls: bool | Tls = False,
        timeout: float | None = DEFAULT_TIMEOUT,
        wait_for_ready: bool = False,
        options: ChannelOptions = (),
        interceptors: Sequence[Any] = (),
    ) -> None:
        self._connection = Connection(*addressed(target, tls), api_key, timeout, wait_for_ready, options)
        self._interceptors = interceptors
        # Closing a channel does not find every call that runs on it: grpc.aio looks for them on the tasks' stacks.
        self._calls: WeakSet[grpc.aio.Call] = WeakSet()

    @property
    def target(self) -> str:
        """Where the server listens."""
        return self._connection.target

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        # Not in the constructor: a channel belongs to the loop that runs when it is made.
        return self._connection.opened(
            grpc.aio.insecure_channel, grpc.aio.secure_channel, interceptors=self._interceptors
        )

    @cached_property
    def _stub(self) -> RoutingAsyncStub:
        return cast("RoutingAsyncStub", RoutingStub(self._channel))

    async def complete(self, messages: Messages | CompletionRequest, **fields: Unpack[CompletionFields]) -> Completion:
        """As `Client.complete`."""
        request = completion_request(messages, fields)
        return await self._answer(self._stub.Complete, request, self._connection.call(fields, request.request_id))

    def stream(self, messages: Messages | CompletionRequest, **fields: Unpack[CompletionFields]) -> AsyncStream:
        """As `Client.stream`.  Not a coroutine: `async with client.stream(...) as events`.

        Raises RuntimeError where no event loop runs.
        """
        loop = asyncio.get_running_loop()
        request = completion_request(messages, fields)
        call = self._stub.StreamComplete(request, **self._connection.call(fields, request.request_id))
        self._calls.add(call)
        return AsyncStream(loop, call)

    async def explain(self, messages: Messages | CompletionRequest, **fields: Unpack[CompletionFields]) -> Explanation:
        """As `Client.explain`."""
        request = completion_request(messages, fields)
        return await self._answer(self._stub.Explain, request, self._connection.call(fields, request.request_id))

    async def embed(self, inputs: EmbeddingInputs | EmbedRequest, **fields: Unpack[EmbedFields]) -> EmbedResponse:
        """As `Client.embed`."""
        request = embed_request(inputs, fields)
        return await self._answer(self._stub.Embed, request, self._connection.call(fields, request.request_id))

    async def list_routes(self, **options: Unpack[CallOptions]) -> ListRoutesResponse:
        """As `Client.list_routes`."""
        return await self._answer(self._stub.ListRoutes, ListRoutesRequest(), self._connection.call(options))

    async def close(self) -> None:
        """Close the connection and cancel the calls that are running."""
        for call in list(self._calls):
            call.cancel()
        if "_channel" in self.__dict__:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.target!r})"

    async def _answer(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Answer],
        request: _Request,
        arguments: CallArguments,
    ) -> _Answer:
        call = method(request, **arguments)
        self._calls.add(call)
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise of_call(error) from error
        except asyncio.CancelledError as error:
            if was_addressed_to_us():
                raise
            raise cancelled_here() from error
