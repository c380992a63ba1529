"""One line per call, fields instead of sentences.  Prompts, answers and keys never get here."""

from __future__ import annotations

import logging
import sys

from quickthorn_server.core.attempt import Attempt
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.plan import Circuit
from quickthorn_server.telemetry.lines import Lines

NAME = "quickthorn"

log = logging.getLogger(NAME)


def log_to_stderr(level: str) -> None:
    """Have everything of *level* and above logged to standard error, in `Lines`."""
    # The standard library's log leaves out what FORMAT does not show: threads, processes, lines of source.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - its documented way to say so ("Optimization", Logging HOWTO)
    logging.basicConfig(level=level, handlers=[Lines(sys.stderr)])


class LogObserver:
    """Writes circuits and calls to the log."""

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        """Write a warning where a circuit opens, a notice where it closes."""
        level = logging.WARNING if circuit is Circuit.OPEN else logging.INFO
        log.log(level, "circuit backend=%s state=%s", backend, circuit.word)

    def key_changed(self, backend: Backend, refused: bool) -> None:
        """Write a warning where a key was refused, a notice where there is another: where it came from, never what."""
        source = backend.api_key_env or backend.api_key_file or "none"
        if refused:
            until = "until it has another" if backend.api_key else "for a while"
            log.warning("key refused backend=%s key=%s: not asked %s", backend.name, source, until)
        else:
            log.info("key renewed backend=%s key=%s", backend.name, source)

    def call_ended(self, decision: Decision) -> None:
        """Write how the call went, lane by lane; and a warning where a human was told of it."""
        if decision.trace.escalation:
            _tell_of_escalation(decision)
        if not log.isEnabledFor(logging.INFO):
            return
        call, route = decision.call, decision.plan.route.name
        lanes = ",".join(map(_lane, decision.trace.attempts)) or "none"
        told = f"call id={call.id} request_id={call.request_id} route={route} ended={decision.ended} lanes={lanes}"
        if len(decision.trace.attempts) > 1:
            extra = decision.trace.extra_cost_nano_usd
            told += f" extra_nano_usd={'unknown' if extra is None else extra} hour_nano_usd={decision.hedges_cost}"
        if decision.trace.rung:
            told += f" rung={decision.trace.rung}"
        lines = _only_lines()
        if lines is None:
            log.info("%s", told)
        else:
            lines.notice(NAME, told)


def _tell_of_escalation(decision: Decision) -> None:
    call, trace = decision.call, decision.trace
    reason = decision.averted.value if decision.averted else decision.ended
    fields = trace.escalation, call.id, call.request_id, decision.plan.route.name, reason, trace.rung or "none"
    log.warning("escalation id=%s call=%s request_id=%s route=%s reason=%s rung=%s", *fields)


def _only_lines() -> Lines | None:
    """Return where the log goes if that is `Lines` alone; None = somebody else listens, who wants records."""
    handlers = logging.root.handlers
    if len(handlers) == 1 and type(only := handlers[0]) is Lines and not log.handlers:
        return only
    return None


def _lane(attempt: Attempt) -> str:
    """Return `backend:cause:outcome:first-content-ms`, the failure beside the outcome where there is one."""
    outcome = attempt.outcome.word + (f"({attempt.failure.value})" if attempt.failure else "")
    first = "-" if attempt.first_content is None else f"{attempt.first_content * 1000:.0f}"
    return f"{attempt.backend}:{attempt.cause.word}:{outcome}:{first}"
