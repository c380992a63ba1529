"""One line per call, fields instead of sentences.  Prompts, answers and keys never get here."""

from __future__ import annotations

import logging

from quickthorn_server.core.attempt import Attempt
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.plan import Circuit

log = logging.getLogger("quickthorn")

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def lighten() -> None:
    """Have the standard library's log leave out what FORMAT does not show: threads, processes, lines of source."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - its documented way to say so ("Optimization", Logging HOWTO)


class LogObserver:
    """Writes circuits and calls to the log."""

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        """Write a warning where a circuit opens, a notice where it closes."""
        level = logging.WARNING if circuit is Circuit.OPEN else logging.INFO
        log.log(level, "circuit backend=%s state=%s", backend, circuit.value)

    def key_changed(self, backend: Backend, refused: bool) -> None:
        """Write a warning where a key was refused, a notice where there is another: where it came from, never what."""
        source = backend.api_key_env or backend.api_key_file or "none"
        if refused:
            until = "until it has another" if backend.api_key else "for a while"
            log.warning("key refused backend=%s key=%s: not asked %s", backend.name, source, until)
        else:
            log.info("key renewed backend=%s key=%s", backend.name, source)

    def call_ended(self, decision: Decision) -> None:
        """Write how the call went, lane by lane."""
        if not log.isEnabledFor(logging.INFO):
            return
        call, route = decision.call, decision.plan.route.name
        lanes = ",".join(map(_lane, decision.trace.attempts)) or "none"
        facts = (call.id, call.request_id, route, decision.ended, lanes)
        log.info("call id=%s request_id=%s route=%s ended=%s lanes=%s", *facts)


def _lane(attempt: Attempt) -> str:
    """Return `backend:cause:outcome:first-content-ms`, the failure beside the outcome where there is one."""
    outcome = attempt.outcome.value + (f"({attempt.failure.value})" if attempt.failure else "")
    first = "-" if attempt.first_content is None else f"{attempt.first_content * 1000:.0f}"
    return f"{attempt.backend}:{attempt.cause.value}:{outcome}:{first}"
