"""generateContent and batchEmbedContents of the Gemini API (Google AI), and what Vertex AI shares with it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Burst, Opened
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.providers import gemini_embed, gemini_errors
from quickthorn_server.providers.address import escaped, joined
from quickthorn_server.providers.event_stream import SSE, EventReading
from quickthorn_server.providers.gemini_dialect import Dialect
from quickthorn_server.providers.gemini_reply import Answer
from quickthorn_server.providers.gemini_request import RequestForm
from quickthorn_server.providers.gemini_stream import GoogleEvents
from quickthorn_server.providers.http_provider import Batch, Embedded, Header, Outgoing
from quickthorn_server.providers.sse import Event

_URL, _VERSION = "https://generativelanguage.googleapis.com", "v1beta"
_VERSIONED = re.compile(r"/(v\d+\w*)/*$")
_METHOD = re.compile(r":\w+$")


class GoogleFormat:
    """How one backend that speaks generateContent is written to and read; *url* is that of its model."""

    stream_types = frozenset({SSE})

    def __init__(self, backend: Backend, dialect: Dialect, url: str, key: Mapping[str, str]) -> None:
        self._params = backend.params
        self._dialect = dialect
        self._url = url
        self._form = RequestForm(backend, dialect)
        self._headers = {"Content-Type": "application/json", **key, **backend.headers}

    def request(self, prompt: Prompt, *, whole: bool) -> Outgoing:
        """Return the request for *prompt*; see `WireFormat.request`."""
        method = "generateContent" if whole else "streamGenerateContent?alt=sse"
        return self._outgoing(method, self._form.body(prompt))

    def listing(self) -> Outgoing:
        """Raise BackendError (UNSUPPORTED): on Vertex AI a project has no list of what it may ask."""
        raise BackendError(Failure.UNSUPPORTED, "Vertex AI has no list of models")

    def connects_to(self) -> str:
        """Return where prompts go."""
        return self._url

    def opened(self, header: Header) -> Opened:
        """Return what the head of an answer tells; Google names the answer in its body, a proxy may do so here."""
        return Opened(provider_request_id=header("x-request-id"), http_status=200)

    def reading(self, opened: Opened) -> EventReading[Event]:
        """Return what reads a streamed answer."""
        return EventReading(Answer(opened, self._dialect), GoogleEvents())

    def whole(self, body: bytes, opened: Opened) -> Burst:
        """Return the chunks of an answer that came in one piece.  Raises BackendError."""
        answer = Answer(opened, self._dialect)
        answer.whole(body)
        answer.finish()
        return answer.burst()

    def failure(self, status: int, header: Header, body: bytes) -> BackendError:
        """Return the error that a reply with a failing *status* is."""
        return gemini_errors.of_reply(status, header, body)

    def _outgoing(self, method: str, body: bytes) -> Outgoing:
        return Outgoing(f"{self._url}:{method}", self._headers, body)


class GeminiFormat(GoogleFormat):
    """How one backend of the Gemini API is written to and read."""

    def __init__(self, backend: Backend) -> None:
        root = backend.base_url or _URL
        dialect = Dialect("gemini", backend.model, placed(root, _VERSION, ""), validates=True)
        url = joined(root, pathed(backend)) if backend.path else placed(root, _VERSION, dialect.resource)
        key = {} if backend.api_key is None else {"x-goog-api-key": backend.api_key.reveal()}
        super().__init__(backend, dialect, url, key)
        self._models_url = placed(root, _VERSION, "models") + "?pageSize=1"

    def listing(self) -> Outgoing:
        """Return the request for the first of the models ("models.list")."""
        return Outgoing(self._models_url, self._headers, b"")

    def batches(self, prompt: EmbedPrompt) -> list[Batch]:
        """Return the requests that together embed *prompt*; see `WireFormat.batches`."""
        bodies = gemini_embed.bodies(prompt, self._params, self._dialect)
        return [Batch(self._outgoing(gemini_embed.METHOD, body), number) for body, number in bodies]

    def embedded(self, body: bytes, batch: Batch) -> Embedded:
        """Return what the answer to *batch* holds.  Raises BackendError (PROTOCOL)."""
        return gemini_embed.answer(body, batch.count)


def placed(base_url: str, version: str, resource: str) -> str:
    """Return the address of *resource*; a version that *base_url* ends with counts instead of *version*."""
    found = _VERSIONED.search(base_url)
    return joined(base_url, f"/{found[1] if found else version}/{escaped(resource, '/')}")


def pathed(backend: Backend) -> str:
    """Return the configured path of the model, without a method: that is another for each kind of request."""
    return _METHOD.sub("", backend.path.partition("?")[0])
