"""Turn the way a race ended into the way the call ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from quickthorn_server.core.attempt import Trace
from quickthorn_server.core.classes import FailureClass, meaning
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import BackendError, Failure, Reason
from quickthorn_server.core.plan import Plan
from quickthorn_server.execution.lane import Lane
from quickthorn_server.execution.rate_gate import clamped
from quickthorn_server.execution.refusal import AtLimit, KeyRefused, RateGated, Refused

_SOON = 1.0  # seconds; where waiting helps and nobody said how long

_NOTHING_HELPS = {Reason.BACKEND_MISCONFIGURED, Reason.NO_ELIGIBLE_BACKEND, Reason.CONTEXT_TOO_LONG}
_WAITING_HELPS = {Reason.ALL_FAILED, Reason.NO_HEALTHY_BACKEND, Reason.RATE_LIMITED}


def nobody_left(plan: Plan, lanes: Sequence[Lane], refused: Sequence[Refused], trace: Trace) -> CallError:
    """Return the failure of a call none of whose *lanes* answered, and whose other candidates *refused*.

    The status is that of the first lane that ran, unless one failed terminally; what holds only "everywhere" must be
    said by every candidate there was.  A backend that still waits out a rate limit says that again, and so does one
    whose own limits leave no room, or whose key was refused before.
    """
    route = plan.route.name
    if not plan.order:
        details = {verdict.backend.name: verdict.detail for verdict in plan.verdicts}
        message = f"every backend of route {route} that could answer has its key refused"
        return CallError(Reason.BACKEND_MISCONFIGURED, message, trace=trace, metadata=details)
    errors = [(lane.backend.name, lane.error) for lane in lanes if lane.error is not None]
    errors += _gated(refused, {name for name, _ in errors})
    everybody = _candidates(plan, refused) <= {name for name, _ in errors}
    if not errors or not (lanes or everybody):
        message = f"every circuit of route {route} is open"
        if errors:
            unkeyed = any(isinstance(each, KeyRefused) for each in refused)
            limited = "limited, its key refused" if unkeyed else "limited"
            message = f"every backend of route {route} is {limited}, or its circuit open"
        if not plan.failover:
            message = f"the circuit of backend {plan.order[0].name} is open, and the call may not fail over"
        soonest = min((each.retry_after for each in refused if not isinstance(each, KeyRefused)), default=_SOON)
        return CallError(Reason.NO_HEALTHY_BACKEND, message, retry_after=soonest, trace=trace)
    reason = reason_of([error for _, error in errors], plan.route.on_status, everybody=everybody)
    if reason is Reason.REJECTED:
        terminal = (name for name, error in errors if meaning(error, plan.route.on_status).terminal)
        rejecting = next(terminal, errors[0][0])
        message = f"backend {rejecting} says that the request is bad"
        return CallError(reason, message, trace=trace, metadata={"backend": rejecting})
    told = ", ".join(f"{name} {error.failure.value}" for name, error in errors)
    wait = _wait([error for _, error in errors]) if reason in _WAITING_HELPS else None
    facts = {name: str(error) for name, error in errors} if reason in _NOTHING_HELPS else None
    message = f"no backend of route {route} answered: {told}"
    return CallError(reason, message, retry_after=wait, trace=trace, metadata=facts)


def _candidates(plan: Plan, refused: Collection[Refused]) -> set[str]:
    """Return who could have answered; who only waits for a certain failure could not, unless it came and it *refused*.

    Should one of those have been asked, it is among the lanes.
    """
    candidates = plan.order if plan.failover else plan.order[:1]
    turned_away = {each.backend for each in refused}
    return {each.name for each in candidates if each.name not in plan.standby or each.name in turned_away}


def _gated(refused: Sequence[Refused], failed: Collection[str]) -> list[tuple[str, BackendError]]:
    """Return what those would have said that were not asked because of it, and have not *failed* in this call."""
    known: dict[str, BackendError] = {}
    for each in refused:
        if isinstance(each, KeyRefused):
            known[each.backend] = BackendError(Failure.UNAUTHENTICATED)
        elif isinstance(each, RateGated | AtLimit):
            known[each.backend] = BackendError(Failure.RATE_LIMITED, retry_after=each.retry_after)
    return [(backend, error) for backend, error in known.items() if backend not in failed]


def reason_of(errors: Sequence[BackendError], on_status: Mapping[int, FailureClass], *, everybody: bool) -> Reason:
    """Return what *errors*, in the order in which their lanes ran, mean for the call; *on_status* is the route's.

    *everybody*: each candidate is among those that failed, so that what they agree on holds everywhere.
    """
    meanings = [meaning(error, on_status) for error in errors]
    first = next((meaning for meaning in meanings if meaning.terminal), meanings[0])
    said = {meaning.alone for meaning in meanings}
    if (everybody and len(said) == 1) or not first.unanimous:
        return first.alone
    if everybody and said <= _NOTHING_HELPS:  # asking again would not help, so it must not look as if it did
        misconfigured = Reason.BACKEND_MISCONFIGURED in said
        return Reason.BACKEND_MISCONFIGURED if misconfigured else Reason.NO_ELIGIBLE_BACKEND
    return Reason.ALL_FAILED


def broken(error: BackendError, trace: Trace, delivered: int, not_continued: str = "") -> CallError:
    """Return the failure of a stream that broke after *delivered* bytes of text had been sent.

    *not_continued*: why nobody went on with it, "" = nobody was to.
    """
    what = "stalled" if error.failure is Failure.TIMEOUT else "broke"
    return CallError(
        Reason.STREAM_BROKEN,
        f"the stream {what} after {delivered} bytes of text",
        retry_after=_wait([error]),
        trace=trace,
        delivered=delivered,
        metadata={"not_continued": not_continued} if not_continued else None,
    )


def out_of_time(trace: Trace, delivered: int, *, first_token: bool) -> CallError:
    """Return the failure of a call whose own limit passed."""
    if first_token:
        return CallError(Reason.FIRST_TOKEN_TIMEOUT, "no content within requirements.max_first_token", trace=trace)
    return CallError(Reason.DEADLINE, "the deadline of the call passed", trace=trace, delivered=delivered)


def _wait(errors: Sequence[BackendError]) -> float:
    """Return the shortest wait a provider named."""
    return min((clamped(error.retry_after) for error in errors if error.retry_after is not None), default=_SOON)
