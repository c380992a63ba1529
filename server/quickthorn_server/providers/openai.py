"""Chat completions and embeddings, of OpenAI and of every server that speaks like it (vLLM, llama.cpp, Ollama ...)."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Burst, End, FinishReason, Opened, UsageReport, Vectors
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.provider import Ask
from quickthorn_server.providers import openai_embed, openai_errors
from quickthorn_server.providers.http import HttpClient, HttpReply
from quickthorn_server.providers.openai_reply import Answer
from quickthorn_server.providers.openai_request import RequestForm
from quickthorn_server.providers.sse import SseDecoder

DEFAULT_URL, DEFAULT_PATH = "https://api.openai.com/v1", "/chat/completions"

_DONE = b"[DONE]"


class OpenAi:
    """One backend that speaks chat completions."""

    def __init__(self, backend: Backend, http: HttpClient) -> None:
        self._http = http
        self._backend = backend
        self._root = (backend.base_url or DEFAULT_URL).rstrip("/") + "/"
        self._url = self._root + (backend.path or DEFAULT_PATH).lstrip("/")
        self._form = RequestForm(backend)
        self._headers = {"Content-Type": "application/json"}
        if backend.api_key is not None:
            self._headers["Authorization"] = f"Bearer {backend.api_key.reveal()}"
        self._headers |= backend.headers

    async def stream(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Yield the answer's bursts, one per network read.

        `Opened` comes when the head is read, and once more, with the model that answers, when the body names it.
        Raises BackendError; see `Provider.stream`.
        """
        headers = {**self._headers, "X-Client-Request-Id": ask.request_id} if ask.request_id else self._headers
        if isinstance(ask.prompt, EmbedPrompt):
            yield await self._embedded(ask.prompt, headers, ask.connect_timeout)
            return
        body = self._form.body(ask.prompt, whole=ask.whole)
        async with self._http.open("POST", self._url, headers, body, ask.connect_timeout) as reply:
            if reply.status != 200:  # noqa: PLR2004 - the one status this format answers with
                raise await openai_errors.of_reply(reply)
            opened = Opened(provider_request_id=reply.header("x-request-id"), http_status=reply.status)
            if not _streams(reply, ask):
                yield _whole(await reply.whole(), opened)
                return
            yield [opened]
            reading = EventReading(Answer(opened))
            while not reading.done:
                if burst := reading.take(await reply.read()):
                    yield burst
                reading.check()
            await reply.drain()

    async def _embedded(self, prompt: EmbedPrompt, headers: dict[str, str], connect_timeout: float) -> Burst:
        url = self._root + (self._backend.path or openai_embed.PATH).lstrip("/")
        body = openai_embed.body(self._backend, prompt)
        async with self._http.open("POST", url, headers, body, connect_timeout) as reply:
            if reply.status != 200:  # noqa: PLR2004 - the one status this format answers with
                raise await openai_errors.of_reply(reply)
            vectors, usage, model = openai_embed.answer(await reply.whole(), len(prompt.inputs))
            opened = Opened(model, reply.header("x-request-id"), reply.status)
            used = [UsageReport(usage)] if usage is not None else []
            return [opened, Vectors(vectors), *used, End(FinishReason.STOP)]

    async def close(self) -> None:
        """Do nothing: the connections are the client's."""


def _streams(reply: HttpReply, ask: Ask) -> bool:
    """Say whether the reply is a stream, whatever was asked.  Raises BackendError (PROTOCOL) for a web page."""
    kind = reply.header("content-type").partition(";")[0].strip().lower()
    if kind in {"text/event-stream", ""}:
        return bool(kind) or not ask.whole
    if kind == "application/json" or kind.endswith("+json"):
        return False
    raise BackendError(Failure.PROTOCOL, "the reply's content type is neither JSON nor an event stream")


def _whole(body: bytes, opened: Opened) -> Burst:
    answer = Answer(opened)
    answer.whole(body)
    answer.finish()
    chunks = answer.burst()
    return chunks if isinstance(chunks[0], Opened) else [opened, *chunks]


class EventReading:
    """Bytes of an event stream into bursts.  Pure: whoever reads the bytes drives it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._decoder = SseDecoder()
        self._failed: BackendError | None = None
        self.done = False

    def take(self, data: bytes) -> Burst:
        """Return the chunks in *data*, b"" = the end of the stream.

        What came before a failure in the same read still counts: the failure is kept for `check`.
        """
        try:
            for event in self._decoder.feed(data) if data else self._decoder.finish():
                if event.data == _DONE:
                    self.done = True
                    break
                self._answer.event(event.data)
            if self.done or not data:
                self.done = True
                self._answer.finish()
        except BackendError as error:
            self._failed = error
        return self._answer.burst()

    def check(self) -> None:
        """Raise the BackendError that the last `take` met, if any."""
        if self._failed is not None:
            raise self._failed
