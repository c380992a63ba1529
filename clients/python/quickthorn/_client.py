"""The client for programs with threads, or with none."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc

from quickthorn._connection import (
    DEFAULT_TARGET,
    DEFAULT_TIMEOUT,
    CallArguments,
    ChannelOptions,
    Connection,
    Tls,
    addressed,
)
from quickthorn._errors import of_call
from quickthorn._fields import CallOptions, CompletionFields, EmbeddingInputs, EmbedFields, Messages
from quickthorn._request import completion_request, embed_request
from quickthorn._stream import Stream
from quickthorn.v1.completion_pb2 import Completion, CompletionRequest
from quickthorn.v1.embedding_pb2 import EmbedRequest, EmbedResponse
from quickthorn.v1.explanation_pb2 import Explanation
from quickthorn.v1.route_pb2 import ListRoutesRequest, ListRoutesResponse
from quickthorn.v1.routing_service_pb2_grpc import RoutingStub

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


class Client:
    """One connection to a Quickthorn server, for any number of calls at once.  Safe to share between threads.

    *target*: where the server listens, as host:port or any name that gRPC resolves (`dns:///...`, `unix:...`).
    *api_key*: sent as `authorization: Bearer ...`, in clear text unless *tls* is used.
    *tls*: False = clear text, True = TLS with gRPC's own roots, or a `Tls`.
    *timeout*: every call's deadline in seconds, unless the call has its own; None = no deadline.
    *wait_for_ready*: False = a call fails at once while there is no connection; True = it waits, until its deadline.
    *options*: gRPC channel options; they win over this package's own.
    *interceptors*: gRPC client interceptors, outermost first.

    Reads nothing from the environment.  Raises ValueError for a target or key that cannot work, OSError for a
    certificate that cannot be read; connects with the first call.  Every failed call raises QuickthornError.
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
        self._channel = self._connection.opened(grpc.insecure_channel, grpc.secure_channel)
        self._stub = RoutingStub(grpc.intercept_channel(self._channel, *interceptors))

    @property
    def target(self) -> str:
        """Where the server listens."""
        return self._connection.target

    def complete(self, messages: Messages | CompletionRequest, **fields: Unpack[CompletionFields]) -> Completion:
        """Return the whole answer to *messages*, or to a whole request.

        Raises QuickthornError if the call fails, TypeError or ValueError if no request can be made of the arguments.
        """
        request = completion_request(messages, fields)
        return _answer(self._stub.Complete, request, self._connection.call(fields, request.request_id))

    def stream(self, messages: Messages | CompletionRequest, **fields: Unpack[CompletionFields]) -> Stream:
        """Start an answer and return its events.

        Raises TypeError or ValueError if no request can be made of the arguments; whether the call fails is known only
        when the stream is read.
        """
        request = completion_request(messages, fields)
        return Stream(self._stub.StreamComplete(request, **self._connection.call(fields, request.request_id)))

    def explain(self, messages: Messages | CompletionRequest, **fields: Unpack[CompletionFields]) -> Explanation:
        """Return what would happen to the same call of `complete`.  Nothing is sent to any provider."""
        request = completion_request(messages, fields)
        return _answer(self._stub.Explain, request, self._connection.call(fields, request.request_id))

    def embed(self, inputs: EmbeddingInputs | EmbedRequest, **fields: Unpack[EmbedFields]) -> EmbedResponse:
        """Return one vector per input, in their order, all of one embedding space."""
        request = embed_request(inputs, fields)
        return _answer(self._stub.Embed, request, self._connection.call(fields, request.request_id))

    def list_routes(self, **options: Unpack[CallOptions]) -> ListRoutesResponse:
        """Return the routes that this caller may use."""
        return _answer(self._stub.ListRoutes, ListRoutesRequest(), self._connection.call(options))

    def close(self) -> None:
        """Close the connection and cancel the calls that are running."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.target!r})"


def _answer(
    method: grpc.UnaryUnaryMultiCallable[_Request, _Answer], request: _Request, arguments: CallArguments
) -> _Answer:
    # A future, not a plain call: it lets Ctrl-C through and can be cancelled when it comes.
    call = method.future(request, **arguments)
    try:
        return call.result()
    except grpc.RpcError as error:
        raise of_call(error) from error  # type: ignore[arg-type] # what a call raises is the call itself
    except BaseException:
        call.cancel()
        raise
