"""AWS's own signer, reader of event streams and chain of credentials.  The only file that knows botocore.

botocore is an extra: it is imported where a backend needs it.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.sse import EVENT_BYTES

INSTALLED = find_spec("botocore") is not None

logging.getLogger("botocore.auth").setLevel(logging.INFO)  # its debug lines hold what is signed, tokens too

_PRELUDE_BYTES, _LEAST_BYTES = 12, 16


class Frame(NamedTuple):
    """One message of an event stream: an event, or, *failed*, an exception; *name* is its type."""

    name: str
    payload: bytes
    failed: bool = False


class Key(NamedTuple):
    """What signs requests; *token* None for a key that does not expire."""

    access_key: str
    secret_key: str
    token: str | None

    def __repr__(self) -> str:
        return "Key(***)"


class Found(NamedTuple):
    """What a look for credentials came to: a *key*, or why there is none."""

    key: Key | None = None
    failure: Failure = Failure.UNAUTHENTICATED


class Chain:
    """botocore's default chain: environment, profiles, web identity, container and instance roles, single sign-on."""

    def __init__(self) -> None:
        self._credentials: Any = None

    def look(self) -> Found:
        """Return the credentials as they are now, renewed where they are about to expire.

        Those that cannot renew themselves are looked for anew: whoever wrote them to a file may have changed them.
        Reads files and asks the network, so it belongs in a thread.  Never raises for what it does not find.
        """
        from botocore import exceptions  # noqa: PLC0415
        from botocore.credentials import RefreshableCredentials  # noqa: PLC0415
        from botocore.session import Session  # noqa: PLC0415

        away = (exceptions.HTTPClientError, exceptions.MetadataRetrievalError, exceptions.CredentialRetrievalError)
        try:
            if not isinstance(self._credentials, RefreshableCredentials):
                self._credentials = Session().get_credentials()
            if self._credentials is None:
                return Found()
            frozen = self._credentials.get_frozen_credentials()
        except away:
            return Found(failure=Failure.UNAVAILABLE)
        except (exceptions.BotoCoreError, exceptions.ClientError, OSError, LookupError, ValueError):
            return Found()
        return Found(Key(frozen.access_key, frozen.secret_key, frozen.token))


def region_of_environment() -> str:
    """Return the region that the environment names, "" = none."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""


def load() -> None:
    """Import what requests need (0.2 s, no network), so that none has to wait for it."""
    for name in ("auth", "awsrequest", "eventstream"):
        import_module(f"botocore.{name}")


def signed(url: str, headers: Mapping[str, str], body: bytes, *, key: Key, region: str) -> dict[str, str]:
    """Return *headers* with a signature (SigV4) of the request as it is now: it holds for five minutes."""
    from botocore.auth import SigV4Auth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415

    request = AWSRequest(method="POST", url=url, headers=dict(headers), data=body)
    SigV4Auth(key, "bedrock", region).add_auth(request)
    return dict(request.headers.items())


class FrameDecoder:
    """Turns bytes into frames; any re-chunking of the same bytes gives the same frames.

    No more than EVENT_BYTES are kept: a frame that says it is longer is refused when it says so.
    """

    def __init__(self) -> None:
        from botocore.eventstream import EventStreamBuffer  # noqa: PLC0415

        self._parser: Any = EventStreamBuffer()
        self._held = bytearray()
        self._length = 0  # of the frame whose prelude the parser has, 0 = none

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that *data* completes.  Raises BackendError (PROTOCOL) for what is none."""
        from botocore.eventstream import ParserError  # noqa: PLC0415

        self._held += data
        try:
            while len(self._held) >= (self._length - _PRELUDE_BYTES if self._length else _PRELUDE_BYTES):
                if self._length:
                    yield self._frame()
                else:
                    self._prelude()
        except (ParserError, struct.error, LookupError, ValueError):
            raise BackendError(Failure.PROTOCOL, "what came is no event stream of AWS") from None

    def finish(self) -> tuple[Frame, ...]:
        """Return nothing: what is left at the end of a stream is no whole frame."""
        return ()

    def _prelude(self) -> None:
        """Give the parser a frame's first bytes at once: a wrong checksum is seen before the frame is waited for."""
        length = int.from_bytes(self._held[:4], "big")
        if not _LEAST_BYTES <= length <= EVENT_BYTES:
            raise BackendError(Failure.PROTOCOL, "an event is longer than 32 MiB, or shorter than any")
        self._give(_PRELUDE_BYTES)
        self._length = length

    def _frame(self) -> Frame:
        message = self._give(self._length - _PRELUDE_BYTES)
        self._length = 0
        if message is None:
            raise ValueError
        headers = message.headers
        kind = headers.get(":message-type", "event")
        if kind == "event":
            return Frame(str(headers.get(":event-type", "")), message.payload)
        return Frame(
            str(headers.get(":exception-type") or headers.get(":error-code", "")), message.payload, failed=True
        )

    def _give(self, size: int) -> Any:
        """Hand *size* bytes to the parser and return the message they complete, if any."""
        self._parser.add_data(bytes(self._held[:size]))
        del self._held[:size]
        return next(self._parser, None)
