"""Who is calling: a bearer key, compared without telling how much of it was right."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256

from quickthorn_server.core.catalogue import Caller
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason

Metadata = Iterable[tuple[str, str | bytes]]

_SCHEME = "bearer"


class Callers:
    """Knows callers by `authorization: Bearer KEY`.  With none configured everybody may call."""

    def __init__(self, callers: Iterable[Caller]) -> None:
        # Digests, so that keys of different lengths compare in the same time too.
        self._known = [(_digest(caller.api_key.reveal()), caller) for caller in callers]

    def __call__(self, metadata: Metadata) -> Caller | None:
        """Return who sent *metadata*, None = nobody is asked.  Raises CallError CALLER_UNKNOWN."""
        if not self._known:
            return None
        shown = _digest(_bearer(metadata))
        # All are compared, always: stopping at the first match would tell a caller's place in the list.
        matches = [caller for digest, caller in self._known if hmac.compare_digest(digest, shown)]
        if not matches:
            raise CallError(Reason.CALLER_UNKNOWN, "the key in `authorization` is not known here")
        return matches[0]


def _bearer(metadata: Metadata) -> str:
    values = [value for key, value in metadata if key == "authorization"]
    if len(values) != 1 or not isinstance(values[0], str):
        raise CallError(Reason.CALLER_UNKNOWN, "send one `authorization: Bearer KEY`")
    scheme, _, key = values[0].strip().partition(" ")
    if scheme.lower() != _SCHEME or not key.strip():
        raise CallError(Reason.CALLER_UNKNOWN, "send `authorization: Bearer KEY`")
    return key.strip()


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()
