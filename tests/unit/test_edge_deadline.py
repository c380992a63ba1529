"""The budget is never more than the client waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.edge.deadline import budget

_WORST_ROUNDING = 1.033  # measured: the server may believe that it has 3.3 % more than the client


def test_no_deadline_is_no_budget() -> None:
    """A caller without a deadline may wait for ever."""
    assert budget(None) is None


def test_a_deadline_that_has_passed_leaves_nothing() -> None:
    """The budget never turns negative."""
    assert budget(0.0) == 0.0
    assert budget(-3.0) == 0.0
    assert budget(0.005) == 0.0


@given(st.floats(min_value=0.0, max_value=30 * 86_400.0))
def test_the_budget_ends_before_the_client_gives_up(seconds: float) -> None:
    """However the wire rounded, the budget ends at least the answer's own margin before the client's deadline."""
    left = budget(seconds * _WORST_ROUNDING)
    assert left is not None
    assert left == 0.0 or left <= seconds - 0.009
