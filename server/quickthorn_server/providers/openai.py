"""Chat completions and embeddings, of OpenAI and of every server that speaks like it (vLLM, llama.cpp, Ollama ...)."""

from __future__ import annotations

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Burst, Opened
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.providers import openai_embed, openai_errors
from quickthorn_server.providers.event_stream import SSE, EventReading
from quickthorn_server.providers.http_provider import Batch, Embedded, Header, Outgoing
from quickthorn_server.providers.openai_reply import Answer
from quickthorn_server.providers.openai_request import RequestForm

DEFAULT_URL, DEFAULT_PATH = "https://api.openai.com/v1", "/chat/completions"


class OpenAiFormat:
    """How one backend that speaks chat completions is written to and read."""

    stream_types = frozenset({SSE})

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        root = (backend.base_url or DEFAULT_URL).rstrip("/") + "/"
        self._chat_url = root + (backend.path or DEFAULT_PATH).lstrip("/")
        self._embed_url = root + (backend.path or openai_embed.PATH).lstrip("/")
        self._form = RequestForm(backend)
        self._headers = {"Content-Type": "application/json"}
        if backend.api_key is not None:
            self._headers["Authorization"] = f"Bearer {backend.api_key.reveal()}"
        self._headers |= backend.headers

    def request(self, prompt: Prompt, *, whole: bool) -> Outgoing:
        """Return the request for *prompt*; see `WireFormat.request`."""
        return Outgoing(self._chat_url, self._headers, self._form.body(prompt, whole=whole))

    def opened(self, header: Header) -> Opened:
        """Return what the head of an answer tells."""
        return Opened(provider_request_id=header("x-request-id"), http_status=200)

    def reading(self, opened: Opened) -> EventReading:
        """Return what reads a streamed answer."""
        return EventReading(Answer(opened))

    def whole(self, body: bytes, opened: Opened) -> Burst:
        """Return the chunks of an answer that came in one piece.  Raises BackendError."""
        answer = Answer(opened)
        answer.whole(body)
        answer.finish()
        return answer.burst()

    def failure(self, status: int, header: Header, body: bytes) -> BackendError:
        """Return the error that a reply with a failing *status* is."""
        return openai_errors.of_reply(status, header, body)

    def batches(self, prompt: EmbedPrompt) -> list[Batch]:
        """Return the requests that together embed *prompt*; see `WireFormat.batches`."""
        body = openai_embed.body(self._backend, prompt)
        return [Batch(Outgoing(self._embed_url, self._headers, body), len(prompt.inputs))]

    def embedded(self, body: bytes, batch: Batch) -> Embedded:
        """Return what the answer to *batch* holds.  Raises BackendError (PROTOCOL)."""
        return openai_embed.answer(body, batch.count)
