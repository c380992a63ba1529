"""The head of a request: everything but the values of its headers is written once.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from quickthorn_server.providers.http_target import Target

_DEFAULTS = (("User-Agent", "quickthorn"), ("Accept-Encoding", "identity"))
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: a token
_FRAMING = {"content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer"}
_UNASKED = {"CONNECT", "HEAD"}  # their replies end where they do not seem to


class RequestForm:
    """Requests by *method* to one target, with headers of these *names* in this order.  Raises ValueError if not valid.

    *names* may replace our own headers, but not what says where the request ends.
    """

    __slots__ = ("_lines", "_template")

    def __init__(self, method: str, target: Target, names: Iterable[str]) -> None:
        given = [*names]
        lower = {name.lower() for name in given}
        if not _NAME.fullmatch(method) or method in _UNASKED or not all(map(_NAME.fullmatch, given)):
            raise ValueError
        if len(lower) < len(given) or not lower.isdisjoint(_FRAMING):
            raise ValueError
        ours = [(name, value) for name, value in (*target.headers, *_DEFAULTS) if name.lower() not in lower]
        fixed = [f"{method} {target.resource} HTTP/1.1", *(f"{name}: {value}" for name, value in ours)]
        lines = [*(line.replace("%", "%%") for line in fixed), "Content-Length: %d"]
        lines += [f"{name.replace('%', '%%')}: %s" for name in given]
        self._template = "\r\n".join([*lines, "", ""])
        self._lines = len(lines) + 1

    def head(self, headers: Mapping[str, str], length: int) -> bytes:
        """Return the head of a request with *length* bytes of body.

        Raises ValueError when a value would end its line, and so smuggle in a header.
        """
        text = self._template % (length, *headers.values())
        if text.count("\n") != self._lines or text.count("\r") != self._lines or "\0" in text:
            raise ValueError
        return text.encode()
