"""Gemini on Vertex AI: the same wire, addressed by project and place."""

from __future__ import annotations

import re

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.providers import vertex_embed
from quickthorn_server.providers.address import joined
from quickthorn_server.providers.gemini import GoogleFormat, pathed, placed
from quickthorn_server.providers.gemini_dialect import Dialect
from quickthorn_server.providers.http_provider import Batch, Embedded

_VERSION = "v1"
_CONTINENTS = frozenset({"us", "eu"})
_API_KEYS = ("AIza", "AQ.")
_LOCATION = re.compile(r"[a-z][a-z0-9-]{0,62}")


class VertexFormat(GoogleFormat):
    """How one backend of Vertex AI is written to and read.

    With a project it shows a bearer token, without one (express mode) an API key; a key that looks like an API key is
    shown as one either way.
    """

    def __init__(self, backend: Backend) -> None:
        project = str(backend.options.get("project") or "")
        location = str(backend.options.get("location") or "global")
        root = backend.base_url or _host(location if project else "global")
        resource = _resource(backend.model, project, location)
        url = joined(root, pathed(backend)) if backend.path else placed(root, _VERSION, resource)
        super().__init__(backend, Dialect("vertex", backend.model), url, _key(backend, project))
        self._embedding = vertex_embed.method(backend.model)

    def batches(self, prompt: EmbedPrompt) -> list[Batch]:
        """Return the requests that together embed *prompt*; see `WireFormat.batches`."""
        bodies = vertex_embed.bodies(prompt, self._params, self._dialect)
        return [Batch(self._outgoing(self._embedding, body), number) for body, number in bodies]

    def embedded(self, body: bytes, batch: Batch) -> Embedded:
        """Return what the answer to *batch* holds.  Raises BackendError (PROTOCOL)."""
        return vertex_embed.answer(body, batch.count)


def is_location(word: str) -> bool:
    """Say whether *word* may be a part of a host's name, as locations are."""
    return _LOCATION.fullmatch(word) is not None


def _host(location: str) -> str:
    """Return where a *location* is asked: a region, a continent, or nowhere in particular."""
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in _CONTINENTS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def _resource(model: str, project: str, location: str) -> str:
    """Return the model's place in the API: Google's own, unless it names its publisher, endpoint or project itself."""
    if model.startswith("projects/"):
        return model
    if not model.startswith(("publishers/", "endpoints/")):
        model = f"publishers/google/models/{model.removeprefix('models/')}"
    return f"projects/{project}/locations/{location}/{model}" if project else model


def _key(backend: Backend, project: str) -> dict[str, str]:
    if backend.api_key is None:
        return {}
    key = backend.api_key.reveal()
    if project and not key.startswith(_API_KEYS):
        return {"Authorization": f"Bearer {key}"}
    return {"x-goog-api-key": key}
