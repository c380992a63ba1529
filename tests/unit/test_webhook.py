"""A webhook hears of escalations in the background: twice at most, in time, bounded, and never of what was asked."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Route
from quickthorn_server.core.failures import BackendError, Failure, Reason
from quickthorn_server.core.ladder import EscalateRule, Ladder
from quickthorn_server.core.secret import Secret
from quickthorn_server.providers.webhook import MOST_WAITING, Webhook, Webhooks, message
from tests.support.decisions import FULL
from tests.support.virtual import run_virtual

URL = "https://hooks.example.com/services/secret-of-the-hook"
RULE = EscalateRule(Secret(URL), Secret("key-of-the-hook"))

Answer = int | Failure | None
"""A status, a failure, or silence without end."""


class Ears:
    """An HTTP client that answers with each of *answers* in turn, the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.heard: list[tuple[float, bytes]] = []
        self.headers: list[Mapping[str, str]] = []
        self._answers = list(answers)

    def open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, connect_timeout: float
    ) -> AbstractAsyncContextManager[Any]:
        """Hear it."""
        assert (method, url, connect_timeout) == ("POST", URL, 5.0)
        self.headers.append(headers)
        self.heard.append((asyncio.get_running_loop().time(), body))
        return self._reply(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])

    @asynccontextmanager
    async def _reply(self, answer: Answer) -> Any:
        if answer is None:
            await asyncio.sleep(3600)
        if isinstance(answer, Failure):
            raise BackendError(answer)
        yield _Reply(answer or 0)


class _Reply:
    def __init__(self, status: int) -> None:
        self.status = status

    async def drain(self) -> None:
        """Do nothing."""


def hook(*answers: Answer) -> tuple[Webhook, Ears]:
    ears = Ears(*answers)
    return Webhook("default", RULE, ears), ears  # type: ignore[arg-type]


def counts(webhook: Webhook) -> tuple[int, int, int]:
    return webhook.sent, webhook.failed, webhook.dropped


def played(act: Callable[[], Any]) -> Any:
    return run_virtual(act())


@pytest.mark.parametrize(
    ("answers", "at", "sent"),
    [
        ((200,), [0.0], 1),
        ((204,), [0.0], 1),
        ((500, 200), [0.0, 1.0], 1),
        ((Failure.CONNECT, 200), [0.0, 1.0], 1),
        ((None, 200), [0.0, 6.0], 1),
        ((404,), [0.0, 1.0], 0),
        ((302,), [0.0, 1.0], 0),
        ((None,), [0.0, 6.0], 0),
        ((Failure.LOST,), [0.0, 1.0], 0),
    ],
)
def test_a_message_is_tried_twice_each_for_five_seconds(
    answers: tuple[Answer, ...], at: list[float], sent: int
) -> None:
    """A second after what failed; what is taken is not sent again."""

    async def act() -> None:
        webhook, ears = hook(*answers)
        webhook.tell(b"{}")
        assert ears.heard == []  # nothing is done in the caller's step
        await asyncio.sleep(60)
        assert [instant for instant, _ in ears.heard] == at
        assert counts(webhook) == (sent, 1 - sent, 0)

    played(act)


def test_the_key_is_a_bearer_token() -> None:
    """And the body is said to be JSON; without a key none is sent."""

    async def act() -> None:
        webhook, ears = hook(200)
        webhook.tell(b"{}")
        bare = Webhook("default", replace(RULE, api_key=None), ears)  # type: ignore[arg-type]
        bare.tell(b"{}")
        await asyncio.sleep(1)
        plain = {"content-type": "application/json"}
        assert ears.headers == [plain | {"authorization": "Bearer key-of-the-hook"}, plain]

    played(act)


def test_beyond_a_hundred_the_oldest_is_dropped() -> None:
    """A webhook that hangs holds one message and no more than a hundred behind it."""

    async def act() -> None:
        webhook, ears = hook(None)
        webhook.tell(b"first")
        await asyncio.sleep(0.1)
        for number in range(MOST_WAITING + 3):
            webhook.tell(b"%d" % number)
        assert counts(webhook) == (0, 0, 3)
        await asyncio.sleep(11)
        assert ears.heard[2][1] == b"3"
        await webhook.close(1.0)
        assert counts(webhook) == (0, 1, 3 + MOST_WAITING)

    played(act)


def test_a_webhook_that_is_down_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """With how many were missed since the last time; neither address nor key is ever said."""

    async def act() -> None:
        webhook, _ = hook(Failure.CONNECT)
        for _ in range(61):
            webhook.tell(b"{}")
            await asyncio.sleep(2)
        await webhook.close(1.0)

    with caplog.at_level(logging.DEBUG, logger="quickthorn"):
        played(act)
    told = [record.getMessage() for record in caplog.records if record.name.startswith("quickthorn")]
    assert told == [
        "webhook missed route=default escalations=1 why=connect",
        "webhook missed route=default escalations=30 why=connect",
        "webhook missed route=default escalations=30 why=connect",
    ]
    assert "secret-of-the-hook" not in caplog.text
    assert "key-of-the-hook" not in caplog.text


def test_what_waits_at_the_end_is_sent_in_time() -> None:
    """A replica that stops takes its escalations along."""

    async def act() -> None:
        webhook, ears = hook(200)
        for _ in range(5):
            webhook.tell(b"{}")
        await webhook.close(2.0)
        assert (len(ears.heard), counts(webhook)) == (5, (5, 0, 0))
        await webhook.close(2.0)

    played(act)


def test_only_escalated_calls_are_told_of_each_at_its_routes_webhook() -> None:
    """A route without one has none, and an answered call is nobody's business."""

    async def act() -> None:
        ears = Ears(200)
        named = [
            Route("default", (), ladder=Ladder(escalate=RULE)),
            Route("quiet", (), ladder=Ladder()),
            Route("no", ()),
        ]
        webhooks = Webhooks(named, ears)  # type: ignore[arg-type]
        assert len(webhooks) == 1
        webhooks.call_ended(replace(FULL, trace=replace(FULL.trace, escalation="")))
        webhooks.call_ended(replace(FULL, trace=replace(FULL.trace, escalation="esc-1")))
        await webhooks.close(2.0)
        assert [json.loads(body)["escalation"] for _, body in ears.heard] == ["esc-1"]

    played(act)


def test_the_message_tells_what_happened_and_nothing_that_was_said() -> None:
    """A sentence for people, fields for programs; neither prompt nor answer."""
    trace = replace(FULL.trace, escalation="esc-1", rung="canned", served_by=None)
    decision = replace(FULL, trace=trace, averted=Reason.ALL_FAILED)
    said = json.loads(message(decision))
    assert set(said) == {
        "text",
        "escalation",
        "at",
        "request_id",
        "call_id",
        "route",
        "reason",
        "rung",
        "config_version",
        "attempts",
    }
    assert (said["reason"], said["rung"], said["route"]) == ("ALL_FAILED", "canned", "default")
    assert [attempt["backend"] for attempt in said["attempts"]] == [each.backend for each in trace.attempts]
    failed = json.loads(message(replace(decision, ended="RATE_LIMITED", averted=None)))
    assert failed["reason"] == "RATE_LIMITED"
    assert failed["text"].endswith(": failed")
    assert said["text"].endswith(": answered from rung canned")
