"""Replies out of bytes, however they are cut.  Pure, and the only file that knows httptools, Node's parser."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from quickthorn_server.core.failures import BackendError, Failure

HEAD_BYTES = 64 * 1024
"""The longest head, interim ones included; and how much framing may come without a byte of a body."""

_CODING = b"transfer-encoding"
_FIRST_STATUS, _SWITCHING, _FIRST_FINAL_STATUS = 100, 101, 200


class ReplyParser:
    """Takes in one reply after the other, each after a `begin`: nothing that comes raises anything.

    *heard*: a byte has come.  *answered*: the head is here, and with it *status* and *headers* (the first of each name,
    in lower case).  *complete*: so is the proper end of the body.  *broken*: nothing more can be read.  *reusable*:
    once complete, another request may follow.  *held*: how many bytes of the body nobody has taken yet.
    """

    __slots__ = (
        "_barren",
        "_failure",
        "_parser",
        "_pieces",
        "_until_close",
        "answered",
        "broken",
        "complete",
        "headers",
        "heard",
        "held",
        "reusable",
        "status",
    )

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        # What a recipient may overlook (RFC 9112, 2.2 and 7.1.1), and old servers want: bare line feeds, padded sizes.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self.begin()

    def begin(self) -> None:
        """Forget the last reply."""
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.held = 0
        self.heard = self.answered = self.complete = self.reusable = self.broken = False
        self._until_close = False
        self._failure: Failure | None = None
        self._pieces: list[bytes] = []
        self._barren = 0  # bytes of the head, then bytes since the last one of a body

    def feed(self, data: bytes) -> None:
        """Take in *data*."""
        self.heard = True
        try:
            if self.answered:
                self._feed(data)
            else:
                self._feed_head(data)
        except (HttpParserError, HttpParserUpgrade):
            self._fail(Failure.PROTOCOL)

    def end(self, *, properly: bool) -> None:
        """Take in the end of the connection: a proper one is what some bodies end with (RFC 9112, 6.3)."""
        if self._until_close and properly and not self.broken:
            self.complete = True
        self._fail(Failure.LOST)

    def check(self) -> None:
        """Raise BackendError if what was taken in is all there will be, and is not a whole reply.

        LOST when it was cut, PROTOCOL for garbage.
        """
        if self._failure is Failure.PROTOCOL:
            where = "the body's framing is garbage" if self.answered else "what came is not HTTP"
            raise BackendError(Failure.PROTOCOL, where)
        if self._failure is not None:
            raise BackendError(self._failure, "the connection broke")

    def take(self) -> bytes:
        """Return what has come of the body since the last time."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.held = 0
        return data

    def close(self) -> None:
        """Let go of the parser, which knows us: one circle less to collect.  Nothing may be fed after that."""
        del self._parser

    # What the parser calls.  An error raised here is one of its own to whoever feeds it.

    def on_message_begin(self) -> None:
        """Refuse a second reply."""
        if self.complete:
            raise ValueError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers mean nothing."""
        if self.answered:
            return
        name = name.lower()
        if name not in self.headers:
            self.headers[name] = value
        elif name == _CODING:
            raise ValueError

    def on_headers_complete(self) -> None:
        """Look at the status and at how the body will end (RFC 9112, 6.3); skip interim answers (RFC 9110, 15.2)."""
        self.status = self._parser.get_status_code()
        if self.status < _FIRST_FINAL_STATUS:
            if self.status < _FIRST_STATUS or self.status == _SWITCHING:
                raise ValueError
            self.headers.clear()
            return
        coding = self.headers.get(_CODING)
        if coding is not None and coding.strip().lower() != b"chunked":
            raise ValueError
        self._until_close = coding is None and b"content-length" not in self.headers
        self.reusable = self._parser.should_keep_alive()
        self.answered = True
        self._barren = 0

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        self._pieces.append(data)
        self.held += len(data)
        self._barren = 0

    def on_message_complete(self) -> None:
        """Note the proper end of a body."""
        self.complete = self.answered

    def _feed(self, data: bytes) -> None:
        self._barren += len(data)
        self._parser.feed_data(data)
        if self._barren > HEAD_BYTES and not self.complete:
            self._fail(Failure.PROTOCOL)

    def _feed_head(self, data: bytes) -> None:
        """Feed no more than a head may have left, so that its limit does not depend on where it is cut."""
        room = HEAD_BYTES - self._barren
        self._barren += len(data)
        if len(data) <= room:
            self._parser.feed_data(data)
            return
        self._parser.feed_data(data[:room])
        if self.answered:
            self._feed(data[room:])
        else:
            self._fail(Failure.PROTOCOL)

    def _fail(self, failure: Failure) -> None:
        """Read no more.  What comes after the proper end of a body does not spoil it."""
        if not self.complete and not self.broken:
            self._failure = failure
        self.broken = True
        self.reusable = False
