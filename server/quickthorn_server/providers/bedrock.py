"""Amazon Bedrock: Converse and ConverseStream, and embeddings through InvokeModel."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Burst, Opened
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.providers import bedrock_embed, bedrock_errors
from quickthorn_server.providers.address import escaped, joined
from quickthorn_server.providers.bedrock_aws import (
    INSTALLED,
    Chain,
    Frame,
    FrameDecoder,
    Key,
    load,
    region_of_environment,
    signed,
)
from quickthorn_server.providers.bedrock_content import cannot
from quickthorn_server.providers.bedrock_keys import KeyRing
from quickthorn_server.providers.bedrock_reply import Answer
from quickthorn_server.providers.bedrock_request import RequestForm
from quickthorn_server.providers.event_stream import EventReading
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.http_provider import Batch, Embedded, Header, HttpProvider, Outgoing

EVENT_STREAM = "application/vnd.amazon.eventstream"

_HOST = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_REGION = re.compile(r"[a-z][a-z0-9-]{0,62}")
_ANY_REGION = "us-east-1"


class BedrockFormat:
    """How one backend on Bedrock is written to and read.

    Requests are signed with what *key* returns; with the backend's own key, an API key of Bedrock's, as the bearer.
    """

    stream_types = frozenset({EVENT_STREAM})

    def __init__(self, backend: Backend, key: Callable[[], Key] | None = None) -> None:
        self._backend = backend
        self._key = key if backend.api_key is None else None
        self._region = region_of(backend)
        path = f"/model/{escaped(backend.model)}"
        base = backend.base_url or _address(self._region)
        self._converse_url = joined(base, backend.path or f"{path}/converse")
        self._invoke_url = joined(base, backend.path or f"{path}/invoke")
        self._form = RequestForm(backend)
        self._headers = {"Content-Type": "application/json"}
        if backend.api_key is not None:
            self._headers["Authorization"] = f"Bearer {backend.api_key.reveal()}"
        self._headers |= backend.headers

    def request(self, prompt: Prompt, *, whole: bool) -> Outgoing:
        """Return the request for *prompt*; see `WireFormat.request`."""
        return self._outgoing(self._converse_url + ("" if whole else "-stream"), self._form.body(prompt))

    def listing(self) -> Outgoing:
        """Raise BackendError (UNSUPPORTED): models are listed by another service of AWS's, at another host."""
        raise cannot("a list of models")

    def connects_to(self) -> str:
        """Return where prompts go."""
        return self._converse_url

    def opened(self, header: Header) -> Opened:
        """Return what the head of an answer tells."""
        return Opened(provider_request_id=header(bedrock_errors.REQUEST_ID), http_status=200)

    def reading(self, opened: Opened) -> EventReading[Frame]:
        """Return what reads a streamed answer."""
        return EventReading(Answer(opened), FrameDecoder())

    def whole(self, body: bytes, opened: Opened) -> Burst:
        """Return the chunks of an answer that came in one piece.  Raises BackendError."""
        answer = Answer(opened)
        answer.whole(body)
        answer.finish()
        return answer.burst()

    def failure(self, status: int, header: Header, body: bytes) -> BackendError:
        """Return the error that a reply with a failing *status* is."""
        return bedrock_errors.of_reply(status, header, body)

    def batches(self, prompt: EmbedPrompt) -> list[Batch]:
        """Return the requests that together embed *prompt*; see `WireFormat.batches`."""
        bodies = bedrock_embed.bodies(self._backend, prompt)
        return [Batch(self._outgoing(self._invoke_url, body), count) for body, count in bodies]

    def embedded(self, body: bytes, batch: Batch) -> Embedded:
        """Return what the answer to *batch* holds.  Raises BackendError (PROTOCOL)."""
        return bedrock_embed.answer(self._backend, body, batch.count)

    def _outgoing(self, url: str, body: bytes) -> Outgoing:
        if self._key is None:
            return Outgoing(url, self._headers, body)
        return Outgoing(url, signed(url, self._headers, body, key=self._key(), region=self._region), body)


def provider(backend: Backend, http: HttpClient) -> HttpProvider:
    """Return the provider of a backend; without a key of its own it signs with AWS's default chain of credentials."""
    load()
    if backend.api_key is not None:
        return HttpProvider(BedrockFormat(backend), http)
    ring = KeyRing(Chain().look)
    return HttpProvider(BedrockFormat(backend, ring.key), http, before=ring.renew)


def problems(backend: Backend) -> list[str]:
    """Return what keeps a backend from being asked, in words for whoever configured it."""
    found: list[str] = []
    if not INSTALLED:
        found.append("provider: bedrock needs botocore; pip install 'quickthorn[bedrock]'")
    region = region_of(backend)
    if not region:
        found.append("aws_region: which region is not said; set it here, or AWS_REGION in the environment")
    elif not _REGION.fullmatch(region):
        found.append(f"aws_region: {region!r} is no region of AWS's: write eu-central-1")
    return found


def region_of(backend: Backend) -> str:
    """Return the region of a backend: as configured, as its address says, as the environment says, or "".

    At an address that is not AWS's own the region is only a word in a signature.
    """
    configured = backend.options.get("aws_region")
    if isinstance(configured, str) and configured:
        return configured
    host = _HOST.search(urlsplit(backend.base_url).hostname or "")
    return host.group(1) if host else region_of_environment() or (_ANY_REGION if backend.base_url else "")


def _address(region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://bedrock-runtime.{region}.{suffix}"
