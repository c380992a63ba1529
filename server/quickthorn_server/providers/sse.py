"""Server-sent events out of bytes, however they are cut (WHATWG HTML, 9.2.6 "Interpreting an event stream")."""

from __future__ import annotations

from typing import NamedTuple

from quickthorn_server.core.failures import BackendError, Failure

EVENT_BYTES = 32 * 1024 * 1024
"""The longest event, and the longest line: as long as a whole answer, because a picture comes in one of them."""

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its *name* ("" = `message`) and its data lines joined by line feeds, still UTF-8."""

    name: bytes
    data: bytes


class SseDecoder:
    """Turns bytes into events; any re-chunking of the same bytes gives the same events.

    Differs from the standard in one point: an event whose closing blank line is missing at the end of the stream is
    still an event (`finish`), because several servers end that way.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_cr = False
        self._started = False
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that *piece* completes.  Raises BackendError (PROTOCOL) above EVENT_BYTES."""
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")  # the second half of a CR LF that was cut in two
        if b"\r" in piece:
            self._after_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = piece.split(b"\n")
        if lines and self._line:
            lines[0] = bytes(self._line) + lines[0]
            self._line.clear()
        self._line += rest
        events: list[Event] = []
        for line in lines:
            self._take(line, events)
        if self._size + len(self._line) > EVENT_BYTES:
            raise BackendError(Failure.PROTOCOL, "an event is longer than 32 MiB")
        return events

    def finish(self) -> list[Event]:
        """Return the event that the end of the stream completes, if any."""
        return self.feed(b"\n\n")

    def _take(self, line: bytes, events: list[Event]) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            self._size += len(line)
            self._data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
        elif not line:
            self._dispatch(events)
        elif line.startswith(b"event:"):
            self._name = line[6:].removeprefix(b" ")
        elif line == b"data":
            self._data.append(b"")
        # Everything else means nothing to us: comments, which keep connections alive, `id`, `retry`, unknown fields.

    def _dispatch(self, events: list[Event]) -> None:
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            events.append(Event(self._name, data))
            self._data = []
        self._name = b""
        self._size = 0
