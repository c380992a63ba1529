"""What we would send, beside what recorded clients sent to the same server for the same prompt."""

from __future__ import annotations

import json
from typing import Any

from quickthorn_server.core.embedding import EmbedPrompt
from tests.support.openai_cases import backend, wire
from tests.support.openai_prompts import normal, prompt_of
from tests.support.recorded import Case, cases, parameters

SHAPED = sorted({(case.provider, case.api) for case in cases() if case.api in {"chat_completions", "responses"}})


@parameters(*SHAPED)
def test_a_recorded_request_is_what_we_would_send(case: Case) -> None:
    """The same address and the same body, but for what may be written in two ways and what we add on purpose."""
    recorded = case.request["json"]
    word = backend(case).provider
    thinks = frozenset({"reasoning"} if "include" in recorded else ())
    sent = wire(case, capabilities=thinks).request(prompt_of(recorded, word), whole=not recorded.get("stream"))
    ours = normal(json.loads(sent.body))
    _without_what_we_add(ours, recorded)
    assert ours == normal(recorded)
    host, path = str(case.request["host"]), str(case.request["path"])
    if path.startswith("/openai/deployments/"):
        assert sent.url.startswith(f"https://{host}/openai/deployments/")
    else:
        assert sent.url == f"https://{host}{path}"


@parameters(*sorted({(case.provider, case.api) for case in cases() if case.api == "embeddings"}))
def test_a_recorded_request_for_vectors_is_what_we_would_send(case: Case) -> None:
    """The inputs, and how long vectors are to be; we ask for them as numbers where nobody says otherwise."""
    recorded = case.request["json"]
    inputs = recorded["input"] if isinstance(recorded["input"], list) else [recorded["input"]]
    form = {"encoding_format": recorded.get("encoding_format")}
    (batch,) = wire(case, params=form).batches(EmbedPrompt(tuple(inputs), dimensions=recorded.get("dimensions")))
    ours = json.loads(batch.outgoing.body)
    assert ours == recorded | {"input": inputs}
    assert batch.outgoing.url.partition("?")[0].endswith("/embeddings")


def _without_what_we_add(ours: dict[str, Any], recorded: dict[str, Any]) -> None:
    """We ask every stream for its usage, and nobody to store a response."""
    for name in ("stream_options", "include"):
        if name not in recorded:
            ours.pop(name, None)
