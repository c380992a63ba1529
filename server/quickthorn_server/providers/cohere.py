"""Cohere's chat and embeddings (API v2)."""

from __future__ import annotations

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Burst, Opened
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.known import KNOWN
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.providers import cohere_embed, cohere_errors
from quickthorn_server.providers.address import joined
from quickthorn_server.providers.cohere_content import NAME
from quickthorn_server.providers.cohere_reply import Answer
from quickthorn_server.providers.cohere_request import RequestForm
from quickthorn_server.providers.event_stream import SSE, EventReading
from quickthorn_server.providers.http_provider import Batch, Embedded, Header, Outgoing
from quickthorn_server.providers.sse import Event, SseDecoder

_CHAT, _EMBED, _MODELS = "/v2/chat", "/v2/embed", "/v1/models?page_size=1"


class CohereFormat:
    """How one backend that speaks Cohere's API v2 is written to and read."""

    stream_types = frozenset({SSE})

    def __init__(self, backend: Backend) -> None:
        base = backend.base_url or KNOWN[NAME].base_url
        self._backend = backend
        self._chat_url = joined(base, backend.path or _CHAT)
        self._embed_url = joined(base, backend.path or _EMBED)
        self._models_url = joined(base.rstrip("/").removesuffix("/v2"), _MODELS)
        self._form = RequestForm(backend)
        self._headers = {"Content-Type": "application/json"}
        if backend.api_key is not None:
            self._headers["Authorization"] = f"Bearer {backend.api_key.reveal()}"
        self._headers |= backend.headers

    def request(self, prompt: Prompt, *, whole: bool) -> Outgoing:
        """Return the request for *prompt*; see `WireFormat.request`."""
        return Outgoing(self._chat_url, self._headers, self._form.body(prompt, whole=whole))

    def listing(self) -> Outgoing:
        """Return the request for the first of the models ("List Models", of API v1 to this day)."""
        return Outgoing(self._models_url, self._headers, b"")

    def connects_to(self) -> str:
        """Return where prompts go."""
        return self._chat_url

    def opened(self, header: Header) -> Opened:
        """Return what the head of an answer tells."""
        return Opened(provider_request_id=header(cohere_errors.REQUEST_ID), http_status=200)

    def reading(self, opened: Opened) -> EventReading[Event]:
        """Return what reads a streamed answer."""
        return EventReading(Answer(opened), SseDecoder())

    def whole(self, body: bytes, opened: Opened) -> Burst:
        """Return the chunks of an answer that came in one piece.  Raises BackendError."""
        answer = Answer(opened)
        answer.whole(body)
        answer.finish()
        return answer.burst()

    def failure(self, status: int, header: Header, body: bytes) -> BackendError:
        """Return the error that a reply with a failing *status* is."""
        return cohere_errors.of_reply(status, header, body)

    def batches(self, prompt: EmbedPrompt) -> list[Batch]:
        """Return the requests that together embed *prompt*; see `WireFormat.batches`."""
        return [
            Batch(Outgoing(self._embed_url, self._headers, body), count)
            for body, count in cohere_embed.bodies(self._backend, prompt)
        ]

    def embedded(self, body: bytes, batch: Batch) -> Embedded:
        """Return what the answer to *batch* holds.  Raises BackendError (PROTOCOL)."""
        return cohere_embed.answer(body, batch.count)
