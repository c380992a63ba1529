"""Server-sent events as Google sends them.  Pure."""

from __future__ import annotations

from quickthorn_server.providers.sse import Event, SseDecoder

_LONGEST = 64 * 1024


class GoogleEvents(SseDecoder):
    """Events, and after the last one the JSON that stood between them.

    A stream that has begun with 200 can only tell of an error in its body, and there Google writes it as a bare JSON
    object instead of an event; to the standard, those lines are fields that nobody knows.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bare: list[bytes] = []
        self._length = 0

    def finish(self) -> list[Event]:
        """Return what the end of the stream completes."""
        events = super().finish()
        bare = b"\n".join(self._bare)
        return [*events, Event(b"", bare)] if bare.startswith((b"{", b"[")) else events

    def _take(self, line: bytes, events: list[Event]) -> None:
        if not line[:1] or line[:1] not in b'{}[] \t",':
            return super()._take(line, events)
        self._length += len(line)
        if self._length <= _LONGEST and (self._bare or line.strip()):
            self._bare.append(line)
        return None
