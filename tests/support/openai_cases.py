"""Recorded cases of OpenAI-shaped servers, and the backends that would have asked them."""

from __future__ import annotations

from typing import Any

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.secret import Secret
from quickthorn_server.providers.azure import AzureFormat
from quickthorn_server.providers.openai import OpenAiFormat
from tests.support.recorded import Case

_WORDS = {
    "azure_ai": "azure",
    "azure_openai": "azure",
    "local": "openai",
    "ollama_cloud": "ollama",
    "vercel_gateway": "vercel",
}
_PATHS = ("/chat/completions", "/responses", "/embeddings")


def backend(case: Case, **more: Any) -> Backend:
    """Return the backend whose requests are those of *case*."""
    path, _, query = str(case.request["path"]).partition("?")
    root = path.removesuffix(next(end for end in _PATHS if path.endswith(end)))
    options = {"api": "responses"} if case.api == "responses" else {}
    version = query.removeprefix("api-version=")
    if version:
        options["api_version"] = version
    return Backend(
        "b",
        _WORDS.get(case.provider, case.provider),
        str((case.request.get("json") or {}).get("model") or "m"),
        "m",
        base_url=f"https://{case.request['host']}{root}",
        api_key=Secret("k"),
        options=options,
        **more,
    )


def wire(case: Case, **more: Any) -> OpenAiFormat:
    """Return the format that reads *case*."""
    asked = backend(case, **more)
    return AzureFormat(asked) if asked.provider == "azure" else OpenAiFormat(asked)
