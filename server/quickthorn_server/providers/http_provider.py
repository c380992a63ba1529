"""One exchange over HTTP, the same for every wire format: send what it writes, yield what it reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from quickthorn_server.core.chunk import Burst, Chunk, End, FinishReason, Opened, UsageReport, Vectors
from quickthorn_server.core.embedding import EmbedPrompt, Vector
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import Ask
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.http import HttpClient, HttpReply
from quickthorn_server.providers.pushback import pushed_back
from quickthorn_server.providers.usage import together

_OK = 200
_LAST_WORDS = 5.0  # seconds, for usage and the mark of the end

Header = Callable[[str], str]
"""A reply's header by name, whatever its case; "" = it is not there."""


class Outgoing(NamedTuple):
    """A request ready to be sent: POST *body* to *url*; of the list of models GET, without one."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Reading(Protocol):
    """Bytes of a streamed answer into bursts.  Pure: whoever reads the bytes drives it."""

    done: bool
    """Whether the answer is complete: what follows is of no interest."""

    @property
    def over(self) -> bool:
        """Whether the model has said how its answer ends: what may still come are reports, and the end's mark."""
        ...

    def close(self) -> Burst:
        """Return the end of an answer that is over, whatever has become of its stream.  Raises BackendError."""
        ...

    def take(self, data: bytes) -> Burst:
        """Return the chunks in *data*, b"" = the end of the stream.

        What came before a failure in the same read still counts: the failure is kept for `check`.
        """
        ...

    def check(self) -> None:
        """Raise the BackendError that the last `take` met, if any."""
        ...


class WireFormat(Protocol):
    """How one backend is written to and what it answers means.  Pure: no network, no clock."""

    stream_types: frozenset[str]
    """Content types of a streamed answer."""

    def listing(self) -> Outgoing:
        """Return the request for the list of models, or for the first of them.  Raises BackendError (UNSUPPORTED)."""
        ...

    def connects_to(self) -> str:
        """Return an address of those that answer prompts."""
        ...

    def request(self, prompt: Prompt, *, whole: bool) -> Outgoing:
        """Return the request for *prompt*.  Raises BackendError (UNSUPPORTED, INVALID)."""
        ...

    def opened(self, header: Header) -> Opened:
        """Return what the head of an answer tells."""
        ...

    def reading(self, opened: Opened) -> Reading:
        """Return what reads a streamed answer."""
        ...

    def whole(self, body: bytes, opened: Opened) -> Burst:
        """Return the chunks of an answer that came in one piece.  Raises BackendError."""
        ...

    def failure(self, status: int, header: Header, body: bytes) -> BackendError:
        """Return the error that a reply with a failing *status* is; *body* may be cut, or empty."""
        ...

    def batches(self, prompt: EmbedPrompt) -> Sequence[Batch]:
        """Return the requests that together embed *prompt*.  Raises BackendError (UNSUPPORTED, INVALID)."""
        ...

    def embedded(self, body: bytes, batch: Batch) -> Embedded:
        """Return what the answer to *batch* holds.  Raises BackendError (PROTOCOL)."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """One request for the vectors of *count* inputs, in their order."""

    outgoing: Outgoing
    count: int


@dataclass(frozen=True, slots=True)
class Embedded:
    """The answer to one batch: a vector per input; *model* as the answer names it, "" = it does not."""

    vectors: tuple[Vector, ...]
    usage: Usage | None = None
    model: str = ""


class HttpProvider:
    """One backend that is asked over HTTP.  *before* is awaited before each attempt: keys are renewed there."""

    def __init__(self, wire: WireFormat, http: HttpClient, before: Callable[[], Awaitable[None]] | None = None) -> None:
        self._wire = wire
        self._http = http
        self._before = before

    async def stream(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Yield the answer's bursts, one per network read.

        `Opened` comes when the head is read, and once more, with the model that answers, when the body names it.
        Raises BackendError; see `Provider.stream`.
        """
        if ask.whole or isinstance(ask.prompt, EmbedPrompt):
            yield await self.whole(ask)
            return
        if self._before is not None:
            await self._before()
        async with self._sent(self._wire.request(ask.prompt, whole=False), ask) as reply:
            opened = await self._opened(reply)
            if not _streams(reply, self._wire.stream_types, whole=False):
                yield _headed(self._wire.whole(await reply.whole(), opened), opened)
                return
            yield [opened]
            reading = self._wire.reading(opened)
            while not reading.done:
                data = await (_last_words(reply) if reading.over else reply.read())
                if burst := reading.close() if data is None else reading.take(data):
                    yield burst
                reading.check()
            await reply.drain()

    async def whole(self, ask: Ask) -> Burst:
        """Return the whole answer; a server that streams all the same is read to its end.  See `Whole`."""
        if self._before is not None:
            await self._before()
        if isinstance(ask.prompt, EmbedPrompt):
            return await self._vectors(ask.prompt, ask)
        async with self._sent(self._wire.request(ask.prompt, whole=True), ask) as reply:
            opened = await self._opened(reply)
            if not _streams(reply, self._wire.stream_types, whole=True):
                return _headed(self._wire.whole(await reply.whole(), opened), opened)
            chunks: list[Chunk] = [opened]
            reading = self._wire.reading(opened)
            while not reading.done:
                chunks += reading.take(await reply.read())
                reading.check()
            await reply.drain()
            return chunks

    def _sent(self, sent: Outgoing, ask: Ask) -> AbstractAsyncContextManager[HttpReply]:
        headers = sent.headers
        if ask.request_id:  # for the provider's own log
            headers = {**headers, "X-Client-Request-Id": ask.request_id}
        return self._http.open("POST", sent.url, headers, sent.body, ask.connect_timeout)

    async def _opened(self, reply: HttpReply) -> Opened:
        """Return what the head of an answer tells.  Raises BackendError where it is none."""
        if reply.status != _OK:
            error = self._wire.failure(reply.status, reply.header, await reply.error_body())
            raise pushed_back(error, reply.header)
        return self._wire.opened(reply.header)

    async def _vectors(self, prompt: EmbedPrompt, ask: Ask) -> Burst:
        """Ask for one batch after the other: the lane's time limit bounds them all."""
        vectors: list[Vector] = []
        used: list[Usage | None] = []
        opened, model = Opened(), ""
        for batch in self._wire.batches(prompt):
            async with self._sent(batch.outgoing, ask) as reply:
                opened = await self._opened(reply)
                answer = self._wire.embedded(await reply.whole(), batch)
            vectors += answer.vectors
            used.append(answer.usage)
            model = answer.model or model
        opened = Opened(model or opened.model, opened.provider_request_id, opened.http_status)
        usage = together(used)
        reports: list[Chunk] = [] if usage is None else [UsageReport(usage)]
        return [opened, Vectors(tuple(vectors)), *reports, End(FinishReason.STOP)]

    async def connect(self, within: float) -> None:
        """See `Checkable`."""
        await self._http.reach(self._wire.connects_to(), within)

    async def list_models(self, within: float) -> None:
        """See `Checkable`."""
        sent = self._wire.listing()
        async with self._http.open("GET", sent.url, sent.headers, sent.body, within) as reply:
            await self._opened(reply)
            _streams(reply, frozenset(), whole=True)
            await reply.drain()

    async def close(self) -> None:
        """Do nothing: the connections are the client's."""


async def _last_words(reply: HttpReply) -> bytes | None:
    """Read what may come behind an answer; None = the connection broke, or hangs, and it is whole all the same."""
    try:
        async with asyncio.timeout(_LAST_WORDS):
            return await reply.read()
    except (TimeoutError, BackendError):
        return None


def _streams(reply: HttpReply, stream_types: frozenset[str], *, whole: bool) -> bool:
    """Say whether the reply is a stream, by what it says of itself, or by what was asked if it says nothing readable.

    Raises BackendError (PROTOCOL) for a web page, and for anything else that no wire format has.
    """
    kind = reply.header("content-type").partition(";")[0].strip().lower()
    if kind in stream_types:
        return True
    if kind == "application/json" or kind.endswith("+json"):
        return False
    if "/" not in kind:
        return not whole
    raise BackendError(Failure.PROTOCOL, "the reply's content type is neither JSON nor that of a stream")


def _headed(burst: Burst, opened: Opened) -> Burst:
    return burst if burst and isinstance(burst[0], Opened) else [opened, *burst]
