"""Anthropic's Messages API."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import orjson

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Burst, Opened
from quickthorn_server.core.content import ProviderBlock
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.providers import anthropic_errors
from quickthorn_server.providers.address import joined
from quickthorn_server.providers.anthropic_reply import Answer
from quickthorn_server.providers.anthropic_request import API_VERSION, RequestForm
from quickthorn_server.providers.event_stream import SSE, EventReading
from quickthorn_server.providers.failure_words import json_of
from quickthorn_server.providers.http_provider import Batch, Embedded, Header, Outgoing
from quickthorn_server.providers.sse import Event, SseDecoder

DEFAULT_URL, DEFAULT_PATH, LIST_PATH = "https://api.anthropic.com", "/v1/messages", "/v1/models?limit=1"

_BETA = "anthropic-beta"
_BETAS = {
    "bash_20241022": "computer-use-2024-10-22",
    "text_editor_20241022": "computer-use-2024-10-22",
    "computer_20241022": "computer-use-2024-10-22",
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
    "advisor_20260301": "advisor-tool-2026-03-01",
    "mcp_toolset": "mcp-client-2025-11-20",
}
"""Tools that are still asked for as a beta; what else a prompt can say is not: files, schemas, long caches, effort."""
_DATE = len("-2025-11-20")
_NAME = re.compile(r"[\w.-]+", re.ASCII)


class AnthropicFormat:
    """How one backend that speaks the Messages API is written to and read."""

    stream_types = frozenset({SSE})

    def __init__(self, backend: Backend) -> None:
        base = backend.base_url or DEFAULT_URL
        self._url = joined(base, backend.path or DEFAULT_PATH)
        self._models_url = joined(base, LIST_PATH)
        self._form = RequestForm(backend)
        self._headers = {"content-type": "application/json"}
        self._headers["anthropic-version"] = backend.options.get("api_version", API_VERSION)
        if backend.api_key is not None:
            self._headers["x-api-key"] = backend.api_key.reveal()
        self._headers |= {name.lower(): text for name, text in backend.headers.items()}
        self._betas = [beta.strip() for beta in self._headers.pop(_BETA, "").split(",") if beta.strip()]

    def request(self, prompt: Prompt, *, whole: bool) -> Outgoing:
        """Return the request for *prompt*; see `WireFormat.request`.

        `betas` among the caller's provider options, a list, goes into the header, as in Anthropic's own clients.
        """
        fields = self._form.fields(prompt, whole=whole)
        betas = [*self._betas, *_named(fields.pop("betas", None))]
        betas += _needed(prompt, betas)
        headers = {**self._headers, _BETA: ",".join(dict.fromkeys(betas))} if betas else self._headers
        return Outgoing(self._url, headers, orjson.dumps(fields))

    def listing(self) -> Outgoing:
        """Return the request for the first of the models ("List Models")."""
        return Outgoing(self._models_url, self._headers, b"")

    def connects_to(self) -> str:
        """Return where prompts go."""
        return self._url

    def opened(self, header: Header) -> Opened:
        """Return what the head of an answer tells."""
        return Opened(provider_request_id=header("request-id"), http_status=200)

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
        return anthropic_errors.of_reply(status, header, body)

    def batches(self, prompt: EmbedPrompt) -> list[Batch]:
        """Raise BackendError (UNSUPPORTED): this API does not embed."""
        del prompt
        raise anthropic_errors.cannot("embeddings")

    def embedded(self, body: bytes, batch: Batch) -> Embedded:
        """Raise BackendError (UNSUPPORTED): this API does not embed."""
        del body, batch
        raise anthropic_errors.cannot("embeddings")


def _named(betas: Any) -> list[str]:
    """Return the betas that a caller's options, or the backend's params, name.  Raises BackendError (INVALID)."""
    named = json_of(orjson.dumps(betas)) if isinstance(betas, orjson.Fragment) else betas or []
    if not isinstance(named, list) or not all(isinstance(beta, str) and _NAME.fullmatch(beta) for beta in named):
        raise BackendError(Failure.INVALID, "betas is no list of names")
    return named


def _needed(prompt: Prompt, given: Iterable[str]) -> list[str]:
    """Return the betas of the prompt's tools, except those of which another date is *given*."""
    kinds = (tool.kind.type for tool in prompt.tools if isinstance(tool.kind, ProviderBlock))
    dated = {beta[:-_DATE] for beta in given}
    return [_BETAS[kind] for kind in kinds if kind in _BETAS and _BETAS[kind][:-_DATE] not in dated]
