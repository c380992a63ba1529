"""The head of a request: everything but the values of its headers is written once.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from quickthorn_server.providers.http_target import Target

_DEFAULTS = (("User-Agent", "quickthorn"), ("Accept-Encoding", "identity"))
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: a token
_FRAMING = {"content-length", "transfer-encoding"}
_UNASKED = {"CONNECT", "HEAD"}  # their replies end where they do not seem to


class RequestForm:
    """Requests by *method* to one target, with headers of these *names* in this order.

    *names* may replace our own headers, but not say where the request ends; of two that differ in case only, the later
    one counts.  Raises ValueError for a method or a name that is none.
    """

    __slots__ = ("_lines", "_template")

    def __init__(self, method: str, target: Target, names: Sequence[str]) -> None:
        given = {name.lower(): name for name in names}
        if not _NAME.fullmatch(method) or method in _UNASKED or not all(map(_NAME.fullmatch, names)):
            raise ValueError("this is no method or no name of a header")
        if not _FRAMING.isdisjoint(given):
            raise ValueError("where the request ends is not for a header to say")
        ours = [(name, value) for name, value in (*target.headers, *_DEFAULTS) if name.lower() not in given]
        fixed = [f"{method} {target.resource} HTTP/1.1", *(f"{name}: {value}" for name, value in ours)]
        start = "".join(f"{_escaped(line)}\r\n" for line in fixed)
        # A value that does not count is still a value of the template: it is written with no letter of it.
        rows = (f"{_escaped(name)}: %s\r\n" if given[name.lower()] == name else "%.0s" for name in names)
        self._template = f"{start}Content-Length: %d\r\n{''.join(rows)}\r\n"
        self._lines = self._template.count("\n")

    def head(self, headers: Mapping[str, str], length: int) -> bytes:
        """Return the head of a request with *length* bytes of body.

        Raises ValueError when a value would end its line, and so smuggle in a header.
        """
        text = self._template % (length, *headers.values())
        if text.count("\n") != self._lines or text.count("\r") != self._lines or "\0" in text:
            raise ValueError("the value of a header is more than one line")
        return text.encode()


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
