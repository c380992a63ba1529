"""Identifiers out of a buffer of randomness."""

from __future__ import annotations

from quickthorn_server.core.identifiers import random_hex


def test_no_identifier_comes_twice() -> None:
    """Every one is of the length asked for, and of digits that no other has used, also where the buffer ends."""
    seen = [random_hex(digits) for _ in range(2000) for digits in (24, 32)]
    assert len(set(seen)) == len(seen)
    assert {len(each) for each in seen} == {24, 32}
    assert set("".join(seen)) == set("0123456789abcdef")
