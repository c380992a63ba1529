"""Choose a share of all turns, evenly: the coin that says which calls may be hedged at all."""

from __future__ import annotations

_SLOPE = 0x6A09E667F3BCC909  # 2^64 times the broken part of the square root of 2
_ALL = 2**64


def planned(turn: int, probability: float) -> bool:
    """Return whether *turn* is among the share *probability* (0..1) of all turns.

    Multiples of the square root of 2 modulo 1, which lie as evenly as those of the golden ratio nearly do (Weyl, 1916)
    over any run of turns and over every n-th one.  Not the golden ratio: slow start draws by that, and who is hedged
    must not depend on who is asked.  The same turn gives the same plan, so Explain may look and records be replayed.
    """
    return turn * _SLOPE % _ALL < probability * _ALL
