"""Azure's addresses, keys and filters."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.failures import Failure
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.secret import Secret
from quickthorn_server.providers.azure import AzureFormat

NAME = "https://name.openai.azure.com"


def wire(base_url: str = NAME, path: str = "", **options: Any) -> AzureFormat:
    key = Secret("k-1")
    return AzureFormat(Backend("b", "azure", "gpt 4o", "m", base_url=base_url, path=path, api_key=key, options=options))


@pytest.mark.parametrize(
    ("base_url", "options", "url"),
    [
        (NAME, {}, f"{NAME}/openai/deployments/gpt%204o/chat/completions?api-version=2024-10-21"),
        (f"{NAME}/", {}, f"{NAME}/openai/deployments/gpt%204o/chat/completions?api-version=2024-10-21"),
        (f"{NAME}/openai", {}, f"{NAME}/openai/deployments/gpt%204o/chat/completions?api-version=2024-10-21"),
        (
            f"{NAME}/openai/deployments/gpt%204o",
            {"api_version": "2025-01-01-preview"},
            f"{NAME}/openai/deployments/gpt%204o/chat/completions?api-version=2025-01-01-preview",
        ),
        (f"{NAME}/openai/v1", {}, f"{NAME}/openai/v1/chat/completions"),
        (f"{NAME}/openai/v1/", {"api_version": "preview"}, f"{NAME}/openai/v1/chat/completions?api-version=preview"),
        (NAME, {"api": "responses"}, f"{NAME}/openai/v1/responses"),
        (f"{NAME}/openai/v1", {"api": "responses"}, f"{NAME}/openai/v1/responses"),
        (
            "https://name.services.ai.azure.com/models",
            {},
            "https://name.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        ),
    ],
)
def test_addresses(base_url: str, options: dict[str, Any], url: str) -> None:
    """Deployments are versioned by date, the newer interface is not, Foundry's models have a place of their own."""
    sent = wire(base_url, **options).request(Prompt((Message(Role.USER, (Part(Text("hi")),)),)), whole=True)
    assert sent.url == url
    assert sent.headers["api-key"] == "k-1"
    assert "Authorization" not in sent.headers


def test_a_path_of_ones_own_keeps_its_version() -> None:
    """One that names none has none, unless it is configured."""
    asked = [
        wire(path="/x/chat?api-version=7", api_version="9"),
        wire(path="/x/chat", api_version="9"),
        wire(path="/x/chat"),
    ]
    urls = [each.request(Prompt(()), whole=True).url for each in asked]
    assert urls == [f"{NAME}/x/chat?api-version=7", f"{NAME}/x/chat?api-version=9", f"{NAME}/x/chat"]


def test_vectors_come_from_a_deployment_too() -> None:
    """By the same rule."""
    (batch,) = wire().batches(EmbedPrompt(("a",)))
    assert batch.outgoing.url == f"{NAME}/openai/deployments/gpt%204o/embeddings?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("status", "error", "failure"),
    [
        (
            400,
            {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
            Failure.CONTENT_FILTERED,
        ),
        (400, {"code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}}, Failure.CONTENT_FILTERED),
        (404, {"code": "DeploymentNotFound"}, Failure.NOT_FOUND),
        (429, {"code": "429"}, Failure.RATE_LIMITED),
        (401, {"code": "401"}, Failure.UNAUTHENTICATED),
    ],
)
def test_errors(status: int, error: dict[str, Any], failure: Failure) -> None:
    """Codes that are words say more than the status; a refused prompt says why one level deeper."""
    found = wire().failure(status, lambda _: "", json.dumps({"error": error}).encode())
    assert found.failure is failure


def test_the_request_is_known_by_azures_name_where_there_is_no_other() -> None:
    """For asking its support."""
    headers = {"apim-request-id": "a-1"}
    assert wire().opened(lambda name: headers.get(name, "")).provider_request_id == "a-1"
