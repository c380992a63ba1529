"""What Bedrock's errors mean.  Their prose is looked at here and kept nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.failure_words import FailureWords, failed, json_of
from quickthorn_server.providers.retry_after import retry_after

REQUEST_ID = "x-amzn-requestid"

_OK = 200

_WORDS = FailureWords(
    telling={
        "throttlingexception": Failure.RATE_LIMITED,
        "toomanyrequestsexception": Failure.RATE_LIMITED,
        "servicequotaexceededexception": Failure.QUOTA_EXHAUSTED,
        "modelnotreadyexception": Failure.OVERLOADED,
        "serviceunavailableexception": Failure.OVERLOADED,
        "modeltimeoutexception": Failure.TIMEOUT,
        "modelerrorexception": Failure.UNAVAILABLE,
        "modelstreamerrorexception": Failure.UNAVAILABLE,
        "internalserverexception": Failure.UNAVAILABLE,
        "resourcenotfoundexception": Failure.NOT_FOUND,
        "accessdeniedexception": Failure.FORBIDDEN,
        "optinrequired": Failure.FORBIDDEN,
        "expiredtokenexception": Failure.UNAUTHENTICATED,
        "expiredtoken": Failure.UNAUTHENTICATED,
        "unrecognizedclientexception": Failure.UNAUTHENTICATED,
        "invalidclienttokenid": Failure.UNAUTHENTICATED,
        "invalidsignatureexception": Failure.UNAUTHENTICATED,
        "signaturedoesnotmatch": Failure.UNAUTHENTICATED,
        "incompletesignatureexception": Failure.UNAUTHENTICATED,
        "missingauthenticationtokenexception": Failure.UNAUTHENTICATED,
        "missingauthenticationtoken": Failure.UNAUTHENTICATED,
    },
    vague={"validationexception": Failure.INVALID},
)

_PROSE: tuple[tuple[str, re.Pattern[str], Failure], ...] = tuple(
    (word, re.compile(prose, re.IGNORECASE), failure)
    for word, prose, failure in (
        ("throttlingexception", r"per day|daily", Failure.QUOTA_EXHAUSTED),
        ("accessdeniedexception", r"authentication failed|api key|bearer token", Failure.UNAUTHENTICATED),
        (
            "validationexception",
            r"context limit|too many input tokens|input token count|maximum number of (input )?tokens",
            Failure.CONTEXT_LENGTH,
        ),
        ("validationexception", r"(image|document|payload|request).* (exceeds|too large)", Failure.TOO_LARGE),
        # The operator's fault, not the caller's: another backend may well be named right.
        (
            "validationexception",
            r"model identifier is invalid|on-demand throughput|model id\b.*not (exist|supported)",
            Failure.NOT_FOUND,
        ),
    )
)
"""What a word means where its prose says more."""


def of_reply(status: int, header: Callable[[str], str], body: bytes) -> BackendError:
    """Return the error that a reply with a failing *status* is."""
    payload = json_of(body)
    said: Mapping[str, Any] = payload if isinstance(payload, dict) else {}
    names = (header("x-amzn-errortype"), said.get("__type"), said.get("code"))
    return failed(
        _failure(map(_bare, names), said, status),
        status,
        retry_after=retry_after(header("retry-after-ms"), header("retry-after")),
        provider_request_id=header(REQUEST_ID),
    )


def of_event(name: str, body: bytes, request_id: str) -> BackendError:
    """Return the error that an exception inside a stream is."""
    payload = json_of(body)
    said: Mapping[str, Any] = payload if isinstance(payload, dict) else {}
    return failed(_failure([_bare(name)], said, _OK), _OK, provider_request_id=request_id)


def _bare(name: object) -> str:
    """Return an error's name without its namespace before `#` and its address behind `:`."""
    return name.partition(":")[0].rpartition("#")[2].lower() if isinstance(name, str) else ""


def _failure(names: Iterable[str], said: Mapping[str, Any], status: int) -> Failure:
    words = list(names)
    message = str(said.get("message") or said.get("Message") or "")
    for word, prose, failure in _PROSE:
        if word in words and prose.search(message):
            return failure
    return _WORDS.failure(words, message, status)
