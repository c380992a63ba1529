"""A failed call in one to three lines: what happened, what is known of it, what to do."""

from __future__ import annotations

import re

from quickthorn import STREAM_CUT, QuickthornError, messages

_WHAT_TO_DO = {
    "UNKNOWN_ROUTE": "name one of the server's routes with --route, or leave it out",
    "CALLER_UNKNOWN": "put a key that the server knows into QUICKTHORN_API_KEY, or name a variable with --api-key-env",
    "ROUTE_FORBIDDEN": "use another route, or ask the operator",
    "NO_ELIGIBLE_BACKEND": "`quickthorn explain` with the same arguments says why",
    "CONTEXT_TOO_LONG": "shorten the conversation",
    "BACKEND_MISCONFIGURED": "tell the operator: providers refuse the server's own key or address",
    "BUDGET_SPENT": "wait for the next period, or ask the operator",
    "FIRST_TOKEN_TIMEOUT": "ask again, or allow more",
    "DEADLINE": "allow more with --timeout, or ask for less",
    "STREAM_BROKEN": "ask again; what is above is only part of the answer",
    STREAM_CUT: "ask again; what is above is only part of the answer",
    "CONTENT_FILTERED": "ask something else",
    "INTERNAL": "report it, with the request's id",
}
_HERE = {
    "UNAVAILABLE": "is a server running there? `quickthorn serve` starts one; for TLS use --tls or --ca",
    "DEADLINE_EXCEEDED": "allow more with --timeout, or ask for less",
}


_CAUSES = (
    ("Connection refused", "connection refused"),
    ("Domain name not found", "there is no host of that name"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted"),
    ("Socket closed", "it closed the connection"),
)
_CHAIN = re.compile(r".*last error: \w+: (?:ipv[46]:\S+: )?", re.DOTALL)


def failure_lines(error: QuickthornError, target: str) -> list[str]:
    """Return what to print about *error* of a call to *target*."""
    name = f"{error.code.name} {error.reason}".strip()
    here = not error.from_server and not error.reason
    first = f"no answer from {target}: {_cause(error.message)} ({name})" if here else f"{error.message} ({name})"
    return [f"error: {first}", *filter(None, (_facts(error), _remedy(error, here=here)))]


def _facts(error: QuickthornError) -> str:
    """Return what the message does not say already."""
    known = [(each.field, each.description) for each in error.field_violations]
    known += [(each.backend, each.failure or _outcome(each)) for each in error.attempts]
    known += error.info.items() if not known else []
    facts = [f"{what}: {how}" for what, how in known if what not in error.message or how not in error.message]
    facts += [f"request {error.request_id}"] if error.request_id else []
    return f"  {'; '.join(facts)}" if facts else ""


def _outcome(attempt: messages.Attempt) -> str:
    return messages.LaneOutcome.Name(attempt.outcome).removeprefix("LANE_OUTCOME_").lower()


def _remedy(error: QuickthornError, *, here: bool) -> str:
    remedy = _HERE.get(error.code.name, "") if here else _WHAT_TO_DO.get(error.reason, "")
    if not remedy and error.retry_delay is not None:
        remedy = f"ask again in {error.retry_delay.total_seconds():g} s"
    return f"  {remedy}" if remedy else ""


def _cause(message: str) -> str:
    """Return what is at the end of gRPC's chain of causes."""
    known = [words for fragment, words in _CAUSES if fragment in message]
    return known[0] if known else _CHAIN.sub("", message)
