"""OpenAI's formats as Azure serves them: deployments, API versions, its own key header, models of Foundry."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.dialects import AZURE
from quickthorn_server.providers.http_provider import Outgoing
from quickthorn_server.providers.openai import MODELS, OpenAiFormat

API_VERSION = "2024-10-21"
"""The newest stable version of the deployments' API ("Azure OpenAI in Foundry Models REST API reference")."""
MODELS_VERSION = "2024-05-01-preview"
"""The version of Foundry's model inference API that its own clients ask for."""

_VERSIONED = "/openai/v1"


class AzureFormat(OpenAiFormat):
    """How one Azure backend is written to and read.

    The address decides: one that ends in `/openai/v1` has no versions, one that ends in `/models` is Foundry's, and any
    other one serves deployments, of which `model` is the name.  Filters end an answer or an attempt; what they found
    in an answer that they ended is a block of it, and what they let pass is not kept.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, AZURE)

    def _key(self, backend: Backend) -> dict[str, str]:
        return {} if backend.api_key is None else {"api-key": backend.api_key.reveal()}

    def listing(self) -> Outgoing:
        """Return the request for the models of the account ("Models - List"); Foundry's own inference has none."""
        root, version = self._backend.base_url.rstrip("/"), _given(self._backend)
        if root.endswith(_VERSIONED):
            url = _versioned(root + MODELS, version)
        else:
            account = root.partition("/openai/")[0].removesuffix("/openai")
            url = _versioned(f"{account}/openai{MODELS}", version or API_VERSION)
        return Outgoing(url, self._headers, b"")

    def _address(self, path: str) -> str:
        backend = self._backend
        root = backend.base_url.rstrip("/")
        if backend.path:
            return _versioned(f"{root}/{backend.path.lstrip('/')}", _given(backend))
        version = _given(backend)
        if root.endswith(_VERSIONED):
            return _versioned(root + path, version)
        if self._responses:
            return _versioned(f"{root.removesuffix('/openai')}{_VERSIONED}{path}", version)
        if root.endswith("/models"):
            return _versioned(root + path, version or MODELS_VERSION)
        deployment = f"/openai/deployments/{quote(backend.model, safe='')}"
        root = root.removesuffix("/openai")
        root = root if urlsplit(root).path.endswith(deployment) else root + deployment
        return _versioned(root + path, version or API_VERSION)


def _given(backend: Backend) -> str:
    return str(backend.options.get("api_version") or "")


def _versioned(url: str, version: str) -> str:
    if not version or "api-version=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}api-version={version}"
