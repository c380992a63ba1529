"""Chat completions, responses and embeddings, of OpenAI and of every server that speaks like it."""

from __future__ import annotations

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Burst, Opened
from quickthorn_server.core.dialects import Dialect, by_responses, dialect_of
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.providers import openai_embed, openai_errors
from quickthorn_server.providers.event_stream import SSE, EventReading
from quickthorn_server.providers.http_provider import Batch, Embedded, Header, Outgoing
from quickthorn_server.providers.openai_reply import Answer, whole_answer
from quickthorn_server.providers.openai_request import RequestForm
from quickthorn_server.providers.openai_responses_reply import ResponseAnswer
from quickthorn_server.providers.openai_responses_request import ResponseForm
from quickthorn_server.providers.sse import Event, SseDecoder

CHAT, RESPONSES, EMBED, MODELS = "/chat/completions", "/responses", openai_embed.PATH, "/models"


class OpenAiFormat:
    """How one backend that speaks like OpenAI is written to and read; *dialect* None = its provider's."""

    stream_types = frozenset({SSE})

    def __init__(self, backend: Backend, dialect: Dialect | None = None) -> None:
        self._dialect = dialect or dialect_of(backend.provider, backend.base_url)
        self._backend = backend
        self._responses = by_responses(backend.options.get("api"), backend.path)
        self._form = (ResponseForm if self._responses else RequestForm)(backend, self._dialect)
        self._headers = {"Content-Type": "application/json", **self._key(backend), **backend.headers}
        self._chat_url = self._address(RESPONSES if self._responses else CHAT)
        self._embed_url = self._address(EMBED)

    def request(self, prompt: Prompt, *, whole: bool) -> Outgoing:
        """Return the request for *prompt*; see `WireFormat.request`."""
        return Outgoing(self._chat_url, self._headers, self._form.body(prompt, whole=whole))

    def listing(self) -> Outgoing:
        """Return the request for the list of models."""
        return Outgoing(f"{self._root(MODELS)}{MODELS}", self._headers, b"")

    def connects_to(self) -> str:
        """Return where prompts go."""
        return self._chat_url

    def opened(self, header: Header) -> Opened:
        """Return what the head of an answer tells."""
        return Opened(provider_request_id=openai_errors.request_id(header), http_status=200)

    def reading(self, opened: Opened) -> EventReading[Event]:
        """Return what reads a streamed answer."""
        return EventReading(self._answer(opened), SseDecoder())

    def whole(self, body: bytes, opened: Opened) -> Burst:
        """Return the chunks of an answer that came in one piece.  Raises BackendError."""
        if not self._responses:
            return whole_answer(body, opened, self._backend.provider)
        answer = ResponseAnswer(opened, self._backend.provider)
        answer.whole(body)
        answer.finish()
        return answer.burst()

    def failure(self, status: int, header: Header, body: bytes) -> BackendError:
        """Return the error that a reply with a failing *status* is."""
        return openai_errors.of_reply(status, header, body)

    def batches(self, prompt: EmbedPrompt) -> list[Batch]:
        """Return the requests that together embed *prompt*; see `WireFormat.batches`."""
        outgoing = Outgoing(self._embed_url, self._headers, b"")
        return openai_embed.batches(outgoing, self._backend, prompt, self._dialect)

    def embedded(self, body: bytes, batch: Batch) -> Embedded:
        """Return what the answer to *batch* holds.  Raises BackendError (PROTOCOL)."""
        return openai_embed.answer(body, batch.count)

    def _answer(self, opened: Opened) -> Answer | ResponseAnswer:
        return (ResponseAnswer if self._responses else Answer)(opened, self._backend.provider)

    def _key(self, backend: Backend) -> dict[str, str]:
        """Return the header that holds the key."""
        return {} if backend.api_key is None else {"Authorization": f"Bearer {backend.api_key.reveal()}"}

    def _address(self, path: str) -> str:
        """Return where requests for *path* go: the backend's own path goes before ours.

        The bare host of a known service means its whole address.
        """
        return f"{self._root(path)}/{(self._backend.path or path).lstrip('/')}"

    def _root(self, path: str) -> str:
        known, given = self._dialect.base_url, self._backend.base_url.rstrip("/")
        root = known if not given or known.startswith(f"{given}/") else given
        return root.removesuffix(path)
