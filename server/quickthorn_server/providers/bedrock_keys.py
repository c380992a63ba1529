"""A key that is looked for when it is first needed, and again before it expires; never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.providers.bedrock_aws import Found, Key

RENEWAL, RETRY = 60.0, 5.0
"""Seconds until a key is looked at again, and until a failed look is repeated."""


class KeyRing:
    """Holds the key that *look*, which blocks, finds in a thread.  However many wait for it, one looks."""

    def __init__(self, look: Callable[[], Found]) -> None:
        self._look = look
        self._found = Found()
        self._until = 0.0
        self._looking: asyncio.Future[Found] | None = None

    async def renew(self) -> None:
        """Make sure that `key` is good for the next minutes.

        Raises BackendError: UNAUTHENTICATED when there is no key, UNAVAILABLE when whoever gives it does not answer.
        """
        loop = asyncio.get_running_loop()
        if loop.time() >= self._until:
            if self._looking is None:
                self._looking = loop.run_in_executor(None, self._look)
                self._looking.add_done_callback(self._seen)
            await asyncio.shield(self._looking)  # a lane that is stopped must not stop it for the others
        self.key()

    def key(self) -> Key:
        """Return the key.  Raises BackendError when the last look found none."""
        if self._found.key is None:
            failure = self._found.failure
            why = "nobody gives a key now" if failure is Failure.UNAVAILABLE else "there is no key"
            raise BackendError(failure, f"AWS credentials: {why}")
        return self._found.key

    def _seen(self, looked: asyncio.Future[Found]) -> None:
        self._looking = None
        if looked.cancelled() or looked.exception() is not None:
            return
        self._found = looked.result()
        self._until = looked.get_loop().time() + (RETRY if self._found.key is None else RENEWAL)
