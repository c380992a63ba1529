"""Keep away from a backend whose key its provider has refused: asking again would only look like an attack.

It is no sickness, so the circuit does not hear of it, and no time heals it: a new key does.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from quickthorn_server.execution.window import Clock

AGAIN = 60.0
"""Seconds after which a backend without a key of ours is asked once more: credentials of a machine renew themselves."""

ToldKey = Callable[[bool], None]
"""Told once when the key is refused (True), and once when there is another one (False)."""


class KeyGate:
    """Shut from the first refusal of a key on, until `renewed`.

    *again*: seconds after which one attempt is let through all the same, and opens the gate if it is answered.
    *generation* counts the keys: what an attempt that was sent with an earlier one reports is old news.
    """

    __slots__ = ("_again", "_again_at", "_clock", "_told", "generation", "refused")

    def __init__(self, told: ToldKey, clock: Clock, again: float = inf) -> None:
        self._told = told
        self._clock = clock
        self._again = again
        self._again_at = inf
        self.generation = 0
        self.refused = False

    @property
    def shut(self) -> bool:
        """Whether no attempt may start now; one that may, once the time has come, is the only one of its time."""
        if not self.refused:
            return False
        now = self._clock()
        if now < self._again_at:
            return True
        self._again_at = now + self._again
        return False

    def refuse(self, generation: int) -> None:
        """Take in that the key of *generation* was refused."""
        if generation == self.generation and not self.refused:
            self.refused = True
            self._again_at = self._clock() + self._again
            self._told(True)

    def answered(self) -> None:
        """Take in that an attempt was answered: of a key of ours that proves nothing, it may be an earlier one's."""
        if self.refused and self._again < inf:
            self._open()

    def renewed(self) -> None:
        """Take in that attempts are sent with another key from now on."""
        self.generation += 1
        if self.refused:
            self._open()

    def _open(self) -> None:
        self.refused = False
        self._told(False)
