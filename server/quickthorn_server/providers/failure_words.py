"""What a failed answer means: by its words where they say more than its status.  Prose is looked at and never kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from quickthorn_server.core.failures import BackendError, Failure, of_status

_OK = 200
_STATUS = re.compile(r"[345]\d\d")
_FAULTS = range(400, 600)

_TOO_LONG = re.compile(
    r"context[ _](length|window|size)|maximum context|prompt is too long|too many tokens|input is too long"
    r"|exceeds the maximum number of tokens|input token count",
    re.IGNORECASE,
)
_MAY_BE_TOO_LONG = frozenset({_OK, 400, 413, 422})


@dataclass(frozen=True, slots=True)
class FailureWords:
    """The words of one wire format, in lower case.

    *telling* ones say more than the HTTP status; *vague* ones count only where there is no telling status: inside a
    stream that began with 200.
    """

    telling: Mapping[str, Failure]
    vague: Mapping[str, Failure] = field(default_factory=dict)

    def failure(self, words: Iterable[object], message: str, http_status: int) -> Failure:
        """Return what *words* (codes and types, of any JSON type), the prose *message* and the status say together."""
        given = list(words)
        spoken = [word.lower() for word in given if isinstance(word, str)]
        for word in spoken:
            if word in self.telling:
                return self.telling[word]
        if http_status in _MAY_BE_TOO_LONG and _TOO_LONG.search(message):
            return Failure.CONTEXT_LENGTH
        if http_status != _OK:
            return of_status(http_status)
        for number in _numbers(given):
            if number > _OK:
                return of_status(number)
        return next((self.vague[word] for word in spoken if word in self.vague), Failure.UNAVAILABLE)


def _numbers(words: Iterable[object]) -> Iterator[int]:
    """Yield those of *words* that may be statuses."""
    for word in words:
        if isinstance(word, int):
            yield word
        elif isinstance(word, str) and _STATUS.fullmatch(word):
            yield int(word)


def failed(
    failure: Failure,
    http_status: int,
    words: Iterable[object] = (),
    *,
    retry_after: float | None = None,
    provider_request_id: str = "",
) -> BackendError:
    """Return the error of an attempt whose provider told *failure*; the status may stand among its *words*."""
    told = (number for number in _numbers(words) if number in _FAULTS)
    return BackendError(
        failure,
        f"the provider says: {failure.value}",
        http_status=http_status,
        retry_after=retry_after,
        provider_request_id=provider_request_id,
        told_status=next(told, None) if http_status == _OK else None,
    )


def json_of(body: bytes) -> object:
    """Return the JSON in *body*, None where there is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
