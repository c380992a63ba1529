"""Where one backend took over an answer from another."""

from __future__ import annotations

from quickthorn_server.core.value import value
from quickthorn_server.core.word import Word


class Method(Word):
    """How the joint was made.

    PREFILL: the delivered text was the beginning of the model's own turn, and it wrote on.  ANCHOR: it repeated the end
    of the delivered text, which was dropped.  APPENDED: it was asked to and did not, so nothing was dropped.
    """

    PREFILL = "prefill"
    ANCHOR = "anchor"
    APPENDED = "appended"


@value
class Seam:
    """A joint behind *offset* UTF-8 bytes of part *part*."""

    part: int
    offset: int
    from_backend: str
    to_backend: str
    method: Method

    @property
    def exact(self) -> bool:
        """Whether nothing is doubled or lost at it."""
        return self.method is not Method.APPENDED
