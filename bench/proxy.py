"""The second floor: a naive pass-through, grpc.aio and the same HTTP client on uvloop, one backend, no routing.

It checks nothing, bounds nothing, times nothing, counts nothing and survives nothing.  A floor, not a judge: the one
thing of the server that it imports is the HTTP client, so that both have the same.  Usage: proxy.py UPSTREAM-URL
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc
import orjson
import uvloop

from bench.floor import serve
from quickthorn.v1.completion_pb2 import FINISH_REASON_STOP, Completion, CompletionRequest
from quickthorn.v1.content_pb2 import ROLE_ASSISTANT, ROLE_USER, Message, Part
from quickthorn.v1.events_pb2 import CompletionEvent, Finished, Started, TextDelta
from quickthorn.v1.routing_service_pb2_grpc import RoutingServicer
from quickthorn.v1.usage_pb2 import Usage
from quickthorn_server.providers.http import HttpClient, HttpReply

HEADERS = {"Content-Type": "application/json"}
CONNECT_TIMEOUT = 30.0  # seconds

Context = grpc.aio.ServicerContext[Any, Any]


class Proxy(RoutingServicer):
    """Passes on what comes."""

    def __init__(self, root: str, http: HttpClient) -> None:
        self._root = root
        self._http = http

    async def Complete(self, request: CompletionRequest, context: Context) -> Completion:  # noqa: ARG002, N802 - gRPC's
        """Answer in one message, whichever way the upstream answers."""
        if request.route == "whole":
            async with self._asked(request, stream=False) as reply:
                answer = orjson.loads(await reply.whole())
            return completion(answer["id"], answer["choices"][0]["message"]["content"], answer["usage"])
        texts: list[str] = []
        used: dict[str, int] = {}
        async with self._asked(request, stream=True) as reply:
            while data := await reply.read():
                for payload in payloads(data):
                    texts.append(text(payload))
                    used = payload["usage"] or used
        return completion("1", "".join(texts), used)

    async def StreamComplete(  # noqa: N802 - gRPC's name
        self,
        request: CompletionRequest,
        context: Context,  # noqa: ARG002 - the same
    ) -> AsyncIterator[CompletionEvent]:
        """Answer as it comes: the text of one read in one message."""
        used: dict[str, int] = {}
        yield CompletionEvent(started=Started(id="1", model="m"))
        async with self._asked(request, stream=True) as reply:
            while data := await reply.read():
                said = ""
                for payload in payloads(data):
                    said += text(payload)
                    used = payload["usage"] or used
                if said:
                    yield CompletionEvent(text=TextDelta(part=0, text=said))
        yield CompletionEvent(finished=Finished(finish_reason=FINISH_REASON_STOP, usage=usage(used)))

    def _asked(self, request: CompletionRequest, *, stream: bool) -> AbstractAsyncContextManager[HttpReply]:
        url = f"{self._root}/{request.route}/v1/chat/completions"
        return self._http.open("POST", url, HEADERS, body(request, stream=stream), CONNECT_TIMEOUT)


def body(request: CompletionRequest, *, stream: bool) -> bytes:
    """Return the request as the upstream wants it."""
    messages = [{"role": "system", "content": part.text} for part in request.system]
    for message in request.messages:
        role = "user" if message.role == ROLE_USER else "assistant"
        messages += [{"role": role, "content": part.text} for part in message.parts]
    tunables = {"temperature": request.sampling.temperature, "max_tokens": request.sampling.max_output_tokens}
    fields: dict[str, Any] = {"model": "m", "messages": messages, **tunables}
    if stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    return orjson.dumps(fields)


def payloads(data: bytes) -> list[dict[str, Any]]:
    """Return the events of one read, if it was cut where events end, which it is here."""
    return [orjson.loads(line[6:]) for line in data.split(b"\n\n") if line and line != b"data: [DONE]"]


def text(payload: dict[str, Any]) -> str:
    """Return the text of one event."""
    choices = payload["choices"]
    return choices[0]["delta"].get("content") or "" if choices else ""


def usage(used: dict[str, int]) -> Usage:
    """Return what was used."""
    return Usage(input_tokens=used.get("prompt_tokens"), output_tokens=used.get("completion_tokens"))


def completion(identifier: str, said: str, used: dict[str, int]) -> Completion:
    """Return a whole answer."""
    message = Message(role=ROLE_ASSISTANT, parts=[Part(text=said)])
    return Completion(id=identifier, message=message, finish_reason=FINISH_REASON_STOP, usage=usage(used))


async def main(root: str) -> None:
    """Serve with one pool of connections."""
    async with HttpClient() as http:
        await serve(Proxy(root, http))  # type: ignore[abstract] # the other RPCs are not asked for


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
