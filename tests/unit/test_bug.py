"""The log of a bug names types and places, never what the exception says."""

from __future__ import annotations

from quickthorn_server.core.bug import sketch

SECRET = "the whole prompt"


def raised(build: type[BaseException] = KeyError) -> BaseException:
    """Return an exception that was raised here, caused by another and grouping a third."""
    try:
        try:
            raise build(SECRET)  # noqa: TRY301 - its place is what is told
        except build as cause:
            raise ExceptionGroup(SECRET, [ValueError(SECRET), OSError(SECRET)]) from cause
    except ExceptionGroup as group:
        return group


def test_types_and_places_are_told() -> None:
    """The group, its members and its cause, with the lines they come from."""
    told = sketch(raised())
    assert told.startswith("ExceptionGroup(test_bug.py:")
    assert "<- ValueError() <- OSError() <- KeyError(test_bug.py:" in told


def test_texts_are_not_told() -> None:
    """Nothing of any message is repeated."""
    assert SECRET not in sketch(raised())
    assert "\n" not in sketch(raised())


def test_a_circle_of_causes_ends() -> None:
    """Two exceptions that cause each other are told once each."""
    one, other = ValueError(SECRET), KeyError(SECRET)
    one.__cause__, other.__cause__ = other, one
    assert sketch(one) == "ValueError() <- KeyError()"
