"""What a route makes of a status: asked again, asked elsewhere, or asked of nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quickthorn_server.core.classes import FailureClass, caused, meaning
from quickthorn_server.core.failures import MEANING, BackendError, Failure, Reason, of_status
from quickthorn_server.core.plan import Plan
from quickthorn_server.execution.ending import reason_of
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import Cast, fails, says
from tests.support.virtual import run_virtual

RETRY, ELSEWHERE, TERMINAL = FailureClass.RETRY, FailureClass.ELSEWHERE, FailureClass.TERMINAL
NONE: dict[int, FailureClass] = {}


def ruled(cast: Cast, on_status: dict[int, FailureClass]) -> Plan:
    """Return a plan that asks the cast in order, on a route with classes of its own."""
    plan = cast.plan()
    return replace(plan, route=replace(plan.route, on_status=on_status))


def told(status: int) -> BackendError:
    return BackendError(of_status(status), http_status=status)


@pytest.mark.parametrize(
    ("error", "causes", "is_one"),
    [
        (told(503), {503}, True),
        (told(503), {500, 529, "timeout", "connect"}, False),
        (told(404), {404}, True),
        (told(409), {409}, True),
        (told(408), {408}, True),
        (BackendError(Failure.TIMEOUT), {"timeout"}, True),
        (BackendError(Failure.TIMEOUT, http_status=200), {"timeout"}, True),
        (BackendError(Failure.TIMEOUT), {408, 504, "connect"}, False),
        (BackendError(Failure.CONNECT), {"connect"}, True),
        (BackendError(Failure.LOST), {"connect"}, True),
        (BackendError(Failure.LOST), {"timeout", 500, 502}, False),
        (BackendError(Failure.OVERLOADED, http_status=200), {529}, True),
        (BackendError(Failure.OVERLOADED), {503}, True),
        (BackendError(Failure.RATE_LIMITED), {429}, True),
        (BackendError(Failure.UNAVAILABLE, http_status=200), {500}, True),
        (BackendError(Failure.UNAVAILABLE, http_status=504), {500}, False),
        (BackendError(Failure.UNAVAILABLE, http_status=200, told_status=502), {502}, True),
        (BackendError(Failure.UNAVAILABLE, http_status=200, told_status=502), {500, 504}, False),
        (BackendError(Failure.PROTOCOL, http_status=200), {502}, True),
        (BackendError(Failure.INTERNAL), {500}, False),
    ],
)
def test_a_failure_is_known_by_its_status_or_its_word(
    error: BackendError, causes: set[int | str], is_one: bool
) -> None:
    """One that came inside an answer is known by the statuses that would have told it; ours by none."""
    assert caused(error, frozenset(causes)) is is_one


@pytest.mark.parametrize("failure", list(Failure))
def test_without_a_word_of_the_route_the_table_holds(failure: Failure) -> None:
    """A route that rules nothing, or other statuses, changes nothing."""
    error = BackendError(failure, http_status=500)
    assert meaning(error, NONE) is MEANING[failure]
    assert meaning(error, {501: TERMINAL}) is MEANING[failure]


@pytest.mark.parametrize("status", [400, 401, 402, 404, 409, 413, 429, 500, 503])
@pytest.mark.parametrize("given", list(FailureClass))
def test_a_class_decides_who_is_asked_and_nothing_else(status: int, given: FailureClass) -> None:
    """Terminal asks nobody, retry the same again; whom the circuit blames stays the table's."""
    found, table = meaning(told(status), {status: given}), MEANING[of_status(status)]
    assert (found.terminal, found.again) == (given is TERMINAL, given is RETRY)
    assert found.blame is table.blame


@pytest.mark.parametrize(
    ("errors", "on_status", "everybody", "reason"),
    [
        ([402], {402: TERMINAL}, False, Reason.RATE_LIMITED),
        ([404], {404: TERMINAL}, False, Reason.BACKEND_MISCONFIGURED),
        ([503], {503: TERMINAL}, False, Reason.ALL_FAILED),
        ([503, 402], {402: TERMINAL}, False, Reason.RATE_LIMITED),
        ([400, 400], {400: ELSEWHERE}, True, Reason.REJECTED),
        ([400, 503], {400: ELSEWHERE}, True, Reason.ALL_FAILED),
        ([409, 409], {409: RETRY}, True, Reason.ALL_FAILED),
        ([409], NONE, False, Reason.REJECTED),
    ],
)
def test_what_a_class_makes_of_the_calls_end(
    errors: list[int], on_status: dict[int, FailureClass], everybody: bool, reason: Reason
) -> None:
    """A terminal failure speaks for the call, any other only for all; who is asked again rejects no request."""
    assert reason_of([told(status) for status in errors], on_status, everybody=everybody) is reason


def test_a_status_that_is_terminal_by_the_route_asks_nobody_else() -> None:
    """402 goes elsewhere by the table; this route wants to hear of it at once."""

    async def play() -> None:
        cast = Cast(a=Scripted(fails(Failure.QUOTA_EXHAUSTED, http_status=402)), b=Scripted(says("never")))
        plan = ruled(cast, {402: TERMINAL})
        played = await cast.streamed(plan)
        assert played.error is not None
        assert played.error.reason is Reason.RATE_LIMITED
        assert [lane[:3] for lane in cast.lanes()] == [("a", "first", "failed")]

    run_virtual(play())


def test_a_status_that_goes_elsewhere_by_the_route_is_no_rejection() -> None:
    """400 ends a call by the table; here the next one is asked, and the first one's circuit hears nothing of it."""

    async def play() -> None:
        cast = Cast(a=Scripted(fails(Failure.INVALID, http_status=400)), b=Scripted(says("yes")))
        completion = await cast.completed(ruled(cast, {400: ELSEWHERE}))
        assert completion.finish_reason.word == "stop"
        assert [lane[:3] for lane in cast.lanes()] == [("a", "first", "failed"), ("b", "failover", "won")]
        assert cast.breakers["a"].snapshot().outcomes == 0

    run_virtual(play())


def test_everybodys_400_is_a_rejection_all_the_same() -> None:
    """It names who said so first."""

    async def play() -> None:
        cast = Cast(
            a=Scripted(fails(Failure.INVALID, http_status=400)), b=Scripted(fails(Failure.INVALID, http_status=400))
        )
        played = await cast.streamed(ruled(cast, {400: ELSEWHERE}))
        assert played.error is not None
        assert (played.error.reason, played.error.metadata) == (Reason.REJECTED, {"backend": "a"})

    run_virtual(play())


def test_a_status_that_is_asked_again_by_the_route_needs_no_leave_of_retry() -> None:
    """409 ends a call by the table, and `retry.on` does not name it; the same backend is asked after its backoff."""

    async def play() -> None:
        cast = Cast(a=Scripted(fails(Failure.INVALID, http_status=409)))
        played = await cast.streamed(ruled(cast, {409: RETRY}))
        assert played.error is not None
        assert played.error.reason is Reason.ALL_FAILED
        assert [lane[:3] for lane in cast.lanes()] == [
            ("a", "first", "failed"),
            ("a", "retry", "failed"),
            ("a", "retry", "failed"),
        ]

    run_virtual(play())


def test_a_status_that_only_goes_elsewhere_by_the_route_is_not_retried() -> None:
    """503 is retried by the table."""

    async def play() -> None:
        cast = Cast(a=Scripted(fails(Failure.OVERLOADED, http_status=503)))
        await cast.streamed(ruled(cast, {503: ELSEWHERE}))
        assert [lane[:2] for lane in cast.lanes()] == [("a", "first")]

    run_virtual(play())
