"""Recorded exchanges with the Gemini API and Vertex AI, read however they are cut, and asked as they were asked."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.secret import Secret
from quickthorn_server.providers.gemini import GeminiFormat
from quickthorn_server.providers.http_provider import Batch, Outgoing, WireFormat
from quickthorn_server.providers.vertex import VertexFormat
from tests.support.recorded import Case, answered, check, parameters
from tests.support.recorded_gemini import plain, prompt

CONTENT = [(provider, f"{method}enerateContent") for provider in ("gemini", "vertex") for method in ("g", "streamG")]
EMBEDDINGS = [("gemini", "batchEmbedContents"), ("vertex", "predict")]
VERTEX = re.compile(r"/(?P<version>\w+)/projects/(?P<project>[\w-]+)/locations/(?P<location>[\w-]+)/")


def wire(case: Case) -> WireFormat:
    """Return the format that asks for what the case asked."""
    model = str(case.request["path"]).rpartition("/")[2].partition(":")[0]
    if case.provider == "gemini":
        return GeminiFormat(Backend("b", "gemini", model, model, api_key=Secret("AIzaK")))
    place = VERTEX.match(case.request["path"])
    assert place is not None
    root = f"https://{place['location']}-aiplatform.googleapis.com/{place['version']}"
    options = {"project": place["project"], "location": place["location"]}
    return VertexFormat(Backend("b", "vertex", model, model, base_url=root, api_key=Secret("ya29.t"), options=options))


def streams(case: Case) -> bool:
    """Return whether a stream was asked for."""
    return ":stream" in case.request["path"]


def same(sent: Outgoing, case: Case, request: Any) -> None:
    """Assert that what is sent is what was recorded, and that the key stands in a header only.

    Some recorders asked without alt=sse, and asked for a region at the global host: we do neither.
    """
    where, recorded = urlsplit(sent.url), urlsplit(f"https://host{case.request['path']}")
    assert where.path == recorded.path
    assert where.query == ("alt=sse" if streams(case) else "")
    assert plain(json.loads(sent.body)) == request
    key = {"gemini": ("x-goog-api-key", "AIzaK"), "vertex": ("Authorization", "Bearer ya29.t")}[case.provider]
    assert key in sent.headers.items()


@parameters(*CONTENT)
def test_recorded_content_comes_out_as_it_was_meant(case: Case) -> None:
    """Words, thinking, calls, finish reason, usage and failures, however the network cuts the body."""
    for pieces in case.splits():
        check(case, answered(wire(case), case, pieces))


@parameters(*CONTENT)
def test_the_same_prompt_becomes_the_request_that_was_recorded(case: Case) -> None:
    """Everything that was asked is asked, where and as it was."""
    request = plain(case.request["json"])
    sent = wire(case).request(prompt(case.provider, request), whole=not streams(case))
    same(sent, case, request)


@parameters(*EMBEDDINGS)
def test_recorded_vectors_come_out_in_order(case: Case) -> None:
    """As many vectors as were asked for, each whole, and the tokens where they are told."""
    expected = case.expected["embeddings"]
    embedded = wire(case).embedded(case.body, Batch(Outgoing("", {}, b""), expected["count"]))
    assert [list(vector.values[:3]) for vector in embedded.vectors] == expected["first3"]
    assert {len(vector.values) for vector in embedded.vectors} == {expected["dims"]}
    told = case.expected["usage"]
    assert told is None or (embedded.usage is not None and embedded.usage.input_tokens == told["input"])


@parameters(*EMBEDDINGS)
def test_the_same_inputs_become_the_request_that_was_recorded(case: Case) -> None:
    """One content an input; a recorded content of several parts is no input of ours."""
    request = plain(case.request["json"])
    if case.provider == "gemini":
        parts = [part for each in request["requests"] for part in each["content"]["parts"]]
        inputs, dimensions = [part.get("text") for part in parts], request["requests"][0]["outputDimensionality"]
    else:
        inputs = [each["content"] for each in request["instances"]]
        dimensions = request["parameters"]["outputDimensionality"]
    if None in inputs:
        pytest.skip("one content of a text and an image together: the contract embeds them apart")
    (batch,) = wire(case).batches(EmbedPrompt(tuple(inputs), dimensions=dimensions))
    same(batch.outgoing, case, request)
