"""Keep away from a backend whose key its provider has refused: asking again would only look like an attack.

It is no sickness, so the circuit does not hear of it, and no time heals it: a new key does.
"""

from __future__ import annotations

from collections.abc import Callable

ToldKey = Callable[[bool], None]
"""Told once when the key is refused (True), and once when there is another one (False)."""


class KeyGate:
    """Shut from the first refusal of a key on, until `renewed`.

    *generation* counts the keys: what an attempt that was sent with an earlier one reports is old news.
    """

    __slots__ = ("_told", "generation", "refused")

    def __init__(self, told: ToldKey) -> None:
        self._told = told
        self.generation = 0
        self.refused = False

    def refuse(self, generation: int) -> None:
        """Take in that the key of *generation* was refused."""
        if generation == self.generation and not self.refused:
            self.refused = True
            self._told(True)

    def renewed(self) -> None:
        """Take in that attempts are sent with another key from now on."""
        self.generation += 1
        if self.refused:
            self.refused = False
            self._told(False)
