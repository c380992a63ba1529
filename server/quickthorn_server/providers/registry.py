"""Which provider a backend's word means, and the lives of all providers of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.dialects import DIALECTS
from quickthorn_server.core.provider import Provider
from quickthorn_server.core.secret import Secret
from quickthorn_server.providers import bedrock, params
from quickthorn_server.providers.anthropic import AnthropicFormat
from quickthorn_server.providers.azure import AzureFormat
from quickthorn_server.providers.bedrock import BedrockFormat
from quickthorn_server.providers.cohere import CohereFormat
from quickthorn_server.providers.echo import Echoless
from quickthorn_server.providers.gemini import GeminiFormat
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.http_provider import HttpProvider, WireFormat
from quickthorn_server.providers.local import Local
from quickthorn_server.providers.openai import OpenAiFormat
from quickthorn_server.providers.script import validate_script
from quickthorn_server.providers.scripted import Scripted
from quickthorn_server.providers.vertex import VertexFormat, is_location

WIRE_FORMATS: Mapping[str, Callable[[Backend], WireFormat]] = {
    "anthropic": AnthropicFormat,
    "bedrock": BedrockFormat,
    "cohere": CohereFormat,
    "openai": OpenAiFormat,
    "gemini": GeminiFormat,
    "vertex": VertexFormat,
    "azure": AzureFormat,
    **dict.fromkeys(DIALECTS, OpenAiFormat),
}
"""The formats that are spoken over HTTP, by the provider's word."""


def _provider(backend: Backend, http: HttpClient) -> Provider:
    match backend.provider:
        case "scripted":
            return Scripted.of(backend)
        case "local":
            return Local(backend, http)
        case "bedrock":
            return bedrock.provider(backend, http)
        case word:
            provider = HttpProvider(WIRE_FORMATS[word](backend), http)
            return Echoless(provider) if word in DIALECTS and DIALECTS[word].echoes else provider


class Providers(dict[str, Provider]):
    """One provider per backend, by the backend's name.  Closes them all when the block ends."""

    def __init__(self, backends: Iterable[Backend], http: HttpClient) -> None:
        super().__init__({backend.name: _provider(backend, http) for backend in backends})
        self._http = http

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for provider in self.values():
            await provider.close()

    def renew(self, backend: Backend, key: Secret) -> None:
        """Ask *backend* with another key from now on; streams that are open go on with theirs.

        What is asked with a key is asked over HTTP, and holds nothing that would have to be released.
        """
        self[backend.name] = _provider(replace(backend, api_key=key), self._http)

    async def start(self) -> None:
        """Start what has a life of its own: embedded models begin to load.  Raises LocalModelMissing."""
        for provider in self.values():
            if isinstance(provider, Local):
                await provider.start()


def check_options(backend: Backend) -> list[str]:
    """Return what is wrong with a backend's own settings, in words for whoever wrote them."""
    if backend.provider == "scripted":
        return validate_script(backend.options.get("script"))
    if backend.base_url and not _is_address(backend.base_url):
        return [f"base_url: {backend.base_url!r} is no http:// or https:// address"]
    location = str(backend.options.get("location") or "global")
    if backend.provider == "vertex" and not is_location(location):
        return [f"location: {location!r} is no place of Google's: write europe-west4, or global"]
    if backend.provider == "bedrock":
        return [*bedrock.problems(backend), *params.problems(backend)]
    return params.problems(backend)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
