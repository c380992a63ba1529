"""What Cohere's errors mean.  Their prose is looked at here and kept nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.failure_words import FailureWords, failed, json_of
from quickthorn_server.providers.retry_after import retry_after

REQUEST_ID = "x-debug-trace-id"

_OK, _TOO_MANY = 200, 429
_BY_STATUS: Mapping[int, Failure] = {
    498: Failure.CONTENT_FILTERED,  # a word of the prompt or the answer is on the deny list
    499: Failure.LOST,  # Cohere believes that we hung up
}
"""The statuses that are Cohere's own (its page "Http status codes")."""

_WORDS = FailureWords(
    {
        "too_many_tokens": Failure.CONTEXT_LENGTH,
        "invalid_tool_generation": Failure.PROTOCOL,  # the model wrote a call that cannot be read
        "error_toxic": Failure.CONTENT_FILTERED,
        "error_limit": Failure.CONTEXT_LENGTH,
        "timeout": Failure.TIMEOUT,
    }
)

_USED_UP = re.compile(r"per month|/ ?month|monthly", re.IGNORECASE)
"""A trial key's calls of the month are gone (those of the minute come back)."""


def of_reply(status: int, header: Callable[[str], str], body: bytes) -> BackendError:
    """Return the error that a reply with a failing *status* is."""
    payload = json_of(body)
    return failed(
        _failure(payload if isinstance(payload, dict) else {}, status),
        status,
        retry_after=retry_after(header("retry-after-ms"), header("retry-after")),
        provider_request_id=header(REQUEST_ID),
    )


def of_payload(payload: Mapping[str, Any], request_id: str) -> BackendError:
    """Return the error that *payload*, met inside an answer that began well, is."""
    return failed(_failure(payload, _OK), _OK, provider_request_id=request_id)


def _failure(payload: Mapping[str, Any], status: int) -> Failure:
    message = str(payload.get("message") or payload.get("error") or "")
    if status == _TOO_MANY and _USED_UP.search(message):
        return Failure.QUOTA_EXHAUSTED
    words = (payload.get("error_type"), payload.get("finish_reason"))
    return _BY_STATUS.get(status) or _WORDS.failure(words, message, status)
