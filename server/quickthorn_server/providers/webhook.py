"""Tell a human by HTTP of calls that nobody could answer: in the background, bounded, never felt by a call.

Nothing of what was asked or answered leaves here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from quickthorn_server.core.attempt import Attempt
from quickthorn_server.core.bug import sketch
from quickthorn_server.core.catalogue import Backend, Route
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.ladder import EscalateRule
from quickthorn_server.core.plan import Circuit
from quickthorn_server.providers.http import HttpClient

log = logging.getLogger("quickthorn.escalations")

MOST_WAITING = 100
_TRIES = 2
_PATIENCE = 5.0  # seconds for one try, all in all
_PAUSE = 1.0  # seconds between two tries
_BETWEEN_WARNINGS = 60.0  # seconds
_ACCEPTED = range(200, 300)


class Webhook:
    """One route's webhook; beyond 100 that wait the oldest is dropped.  *sent*, *failed*, *dropped* count messages."""

    def __init__(self, route: str, rule: EscalateRule, http: HttpClient) -> None:
        self.sent = self.failed = self.dropped = 0
        self._route = route
        self._url = rule.webhook.reveal()
        self._headers = {"content-type": "application/json"}
        if rule.api_key is not None:
            self._headers["authorization"] = f"Bearer {rule.api_key.reveal()}"
        self._http = http
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None
        self._warned_at: float | None = None
        self._untold = 0

    def tell(self, message: bytes) -> None:
        """Send *message* soon; returns at once."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
            self._missed("too many wait")
        self._waiting.append(message)
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._send_all(), name=f"escalations of {self._route}")

    async def close(self, deadline: float) -> None:
        """Send what waits, within *deadline* seconds; what is left then is dropped."""
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=deadline)
            left = len(self._waiting) + (not self._task.done())
            self._task.cancel()
            await asyncio.wait([self._task])
            self.dropped += left
            self._untold += left
        if self._untold:
            self._warn("at the end")

    async def _send_all(self) -> None:
        while self._waiting:
            why = await self._send(self._waiting.popleft())
            if why:
                self.failed += 1
                self._missed(why)
            else:
                self.sent += 1

    async def _send(self, message: bytes) -> str:
        """Return why *message* was not taken, "" = it was."""
        why = ""
        for tries in range(_TRIES):
            if tries:
                await asyncio.sleep(_PAUSE)
            try:
                async with asyncio.timeout(_PATIENCE):
                    why = await self._post(message)
            except TimeoutError:
                why = "timeout"
            except BackendError as error:
                why = error.failure.value
            except Exception as bug:  # noqa: BLE001 - whatever it is, the others must still be sent
                why = f"bug at {sketch(bug)}"
            if not why:
                break
        return why

    async def _post(self, message: bytes) -> str:
        async with self._http.open("POST", self._url, self._headers, message, _PATIENCE) as reply:
            await reply.drain()
            return "" if reply.status in _ACCEPTED else f"status {reply.status}"

    def _missed(self, why: str) -> None:
        self._untold += 1
        now = self._loop.time()
        if self._warned_at is None or now - self._warned_at >= _BETWEEN_WARNINGS:
            self._warned_at = now
            self._warn(why)

    def _warn(self, why: str) -> None:
        """Log what was missed since the last time; the address is not said, for it may be a secret."""
        log.warning("webhook missed route=%s escalations=%d why=%s", self._route, self._untold, why)
        self._untold = 0


class Webhooks:
    """An Observer that tells the webhooks of *routes*; `close` it before *http*."""

    def __init__(self, routes: Iterable[Route], http: HttpClient) -> None:
        rules = {route.name: route.ladder.escalate for route in routes if route.ladder is not None}
        self._all = {name: Webhook(name, rule, http) for name, rule in rules.items() if rule is not None}

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, route: str) -> Webhook:
        return self._all[route]

    def circuit_changed(self, backend: str, circuit: Circuit) -> None:
        """Tell nobody."""

    def key_changed(self, backend: Backend, refused: bool) -> None:
        """Tell nobody."""

    def call_ended(self, decision: Decision) -> None:
        """Tell of a call that was escalated."""
        if decision.trace.escalation:
            self._all[decision.plan.route.name].tell(message(decision))

    async def close(self, deadline: float) -> None:
        """Send what waits, within *deadline* seconds."""
        await asyncio.gather(*(webhook.close(deadline) for webhook in self._all.values()))


def message(decision: Decision) -> bytes:
    """Return the JSON that is posted: `text` for people and chat rooms, the rest for programs."""
    call, trace, route = decision.call, decision.trace, decision.plan.route.name
    reason = decision.averted.value if decision.averted else decision.ended
    lanes = ", ".join(f"{each.backend} {each.failure.value}" for each in trace.attempts if each.failure)
    outcome = f"answered from rung {trace.rung}" if decision.averted else "failed"
    said: dict[str, Any] = {
        "text": f"quickthorn: route {route} could not answer ({reason}; {lanes or 'nobody was asked'}): {outcome}",
        "escalation": trace.escalation,
        "at": datetime.fromtimestamp(call.at, UTC).isoformat(timespec="milliseconds"),
        "request_id": call.request_id,
        "call_id": call.id,
        "route": route,
        "reason": reason,
        "rung": trace.rung,
        "config_version": trace.config_version,
        "attempts": list(map(_attempt, trace.attempts)),
    }
    return orjson.dumps(said)


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "backend": attempt.backend,
        "provider": attempt.provider,
        "model": attempt.model,
        "failure": attempt.failure.value if attempt.failure else None,
        "http_status": attempt.http_status,
        "provider_request_id": attempt.provider_request_id,
    }
